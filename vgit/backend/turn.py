"""Turn: writers of one volume go one after the other, which saves retries and is not needed for correctness.

So waiting ends after a time, and whoever waited goes on without the turn.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.backend.directories import create_file
from vgit.backend.os_errors import write_failed
from vgit.clock import Clock
from vgit.localfs.lockable_file import LockableFile, wait_for

_NAME = "vgit-turn.lock"
_LONGEST_WAIT_SECONDS = 0.02


@contextmanager
def take_turn(root: str, timeout_seconds: float, clock: Clock) -> Iterator[None]:
    """Hold the turn of the repository at ``root`` (which ends in ``/``), or go on without after the time."""
    path = root + _NAME
    file = LockableFile()
    try:
        file.open(lambda: create_file(path, os.O_RDWR, 0o666))
    except OSError as error:
        raise write_failed(error, "lock", path) from error
    try:
        wait_for(file.try_lock, clock, timeout_seconds, longest_wait_seconds=_LONGEST_WAIT_SECONDS)
        yield
    finally:
        file.unlock()
