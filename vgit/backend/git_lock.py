"""Git lock: git's lock files, ``<name>.lock``, made with O_EXCL, renamed over ``<name>``.

Whoever makes the lock file may change the name. git itself never learns that
such a file's maker died, so nobody may remove one that stock git made. Ours
are told from git's by their mode: **no write bit**, from the moment they
exist (git's have the owner's; that mode is part of the new inode, so a power
loss keeps both or neither). Ours are made under the backend's ``exclusive``
lock only. Hence the rule: *who holds ``exclusive`` and meets a lock file
without write bits removes it*; its maker is dead, or it would still hold
``exclusive``. A ref keeps that mode after the rename, which disturbs nobody:
git replaces refs and never writes into one.
"""

import os
import stat

from vgit.backend.directories import create_file
from vgit.backend.keys import LOCK_SUFFIX
from vgit.backend.os_errors import ABSENT
from vgit.clock import Clock
from vgit.errors import LockedError
from vgit.runtime.cancel import checkpoint

_MODE = 0o444
_WRITE_BITS = 0o222
_WAIT_SECONDS = 5.0  # Stock git holds a ref's lock for milliseconds; one that stays this long is stuck.
_POLL_SECONDS = 0.02


def take(path: str, clock: Clock) -> int:
    """Make ``path`` + ``.lock`` and return its descriptor, open for writing.

    The caller holds ``exclusive``. Waits for stock git's lock, 5 s at most,
    then raises LockedError; else OSError.
    """
    lock_path = path + LOCK_SUFFIX
    deadline = clock.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return create_file(lock_path, os.O_WRONLY | os.O_EXCL, _MODE)
        except FileExistsError:
            if remove_if_ours(lock_path):
                continue
        if clock.monotonic() >= deadline:
            raise LockedError(_describe(lock_path, clock))
        checkpoint()
        clock.sleep(clock.jitter(_POLL_SECONDS))


def remove_if_ours(lock_path: str) -> bool:
    """Remove a lock file that a vgit which died left behind; say whether the name is free now.

    The caller holds ``exclusive``. Raises OSError.
    """
    try:
        mode = os.lstat(lock_path).st_mode
        if not stat.S_ISREG(mode) or mode & _WRITE_BITS:
            return False
        os.unlink(lock_path)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
    return True


def _describe(lock_path: str, clock: Clock) -> str:
    try:
        age = f"{max(0, clock.now_ns() - os.lstat(lock_path).st_mtime_ns) / 1e9:.0f} s old"
    except FileNotFoundError:
        age = "taken anew each time"
    return (
        f"{lock_path} is in the way: a lock of stock git, {age}, waited for {_WAIT_SECONDS:.0f} s."
        " If no git command is running on this repository any more, remove that file and try again."
    )
