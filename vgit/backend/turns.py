"""Turns: writers of one volume go one after the other, which saves retries and is not needed for correctness.

So waiting ends after a time, and whoever waited goes on without the turn. A
child forked while its parent has a turn shares it; if the parent is killed
then, others wait in vain until the child ends, and go on after their time.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.backend.directories import create_file
from vgit.backend.os_errors import write_failed
from vgit.clock import Clock
from vgit.runtime.cancel import checkpoint
from vgit.runtime.forks import no_fork

_NAME = "vgit-turn.lock"
_LAST_POLL_SECONDS = 0.02


@contextmanager
def take_turn(root: str, timeout_seconds: float, clock: Clock) -> Iterator[None]:
    """Hold the turn of the repository at ``root`` (which ends in ``/``), or go on without after the time."""
    path = root + _NAME
    try:
        with no_fork:
            descriptor = create_file(path, os.O_RDWR, 0o666)
    except OSError as error:
        raise write_failed(error, "lock", path) from error
    try:
        deadline = clock.monotonic() + timeout_seconds
        poll = 0.001
        while not _try(descriptor) and clock.monotonic() < deadline:
            checkpoint()
            clock.sleep(clock.jitter(poll))
            poll = min(poll * 1.5, _LAST_POLL_SECONDS)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
