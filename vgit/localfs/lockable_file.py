"""Lockable file: an open file whose ``flock`` ends with its holder, whatever he has forked; and waiting for one.

A flock belongs to an open file description, which a forked child has as well: it
would keep its dead parent's lock held, and free a living one's by unlocking. So
a child only closes what it inherits. All who lock files of ours do it so.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress

from vgit.clock import Clock
from vgit.runtime.cancel import checkpoint
from vgit.runtime.forks import no_fork, reset_after_fork

_FIRST_WAIT_SECONDS = 0.001
_GROWTH = 1.5


class LockableFile:
    """A file that is open to be locked, or none; raises OSError where files cannot be locked."""

    fd = -1  # also for __del__ after a constructor that failed

    def __init__(self) -> None:
        reset_after_fork(self)

    def open(self, opener: Callable[[], int]) -> None:
        """Take over the descriptor that ``opener`` returns."""
        assert self.fd < 0, "one object has one open file"
        with no_fork:
            self.fd = opener()

    def lock(self) -> None:
        """Lock it for this object alone, however long others have it."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def try_lock(self) -> bool:
        """Lock it for this object alone if nobody has it, and say whether that was so."""
        return try_lock(self.fd)

    def is_named(self, path: str, directory_fd: int | None = None) -> bool:
        """Say whether ``path`` still names it: who locks a file that was removed excludes nobody."""
        try:
            return os.path.samestat(os.stat(path, dir_fd=directory_fd), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def unlock(self) -> None:
        """Unlock and close it; nothing if it is not open, as in a forked child."""
        if self.fd < 0:
            return
        try:
            # Closing is not enough: a child between fork and exec has a copy of the descriptor for a moment.
            with suppress(OSError):  # one that could not be locked either
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        finally:
            self.close()

    def close(self) -> None:
        """Close it; a second time does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def after_fork(self) -> None:
        """Close the child's descriptor without unlocking, which would unlock the parent's too."""
        self.close()

    def __del__(self) -> None:
        self.close()


def try_lock(fd: int) -> bool:
    """Lock an open file alone if nobody else has it locked, and say whether that was so."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share_lock(fd: int) -> None:
    """Lock an open file together with others, once nobody has it alone; not where files cannot be locked."""
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH)


def share_lock_if_free(fd: int) -> None:
    """Do as ``share_lock``, but wait for nobody."""
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_alone(fd: int) -> bool:
    """Say whether nobody else has the open file locked; also where that cannot be known."""
    try:
        return try_lock(fd)
    except OSError:  # NFS locks nothing for writing that is open for reading
        return True


def wait_for(
    attempt: Callable[[], bool], clock: Clock, timeout_seconds: float | None, *, longest_wait_seconds: float
) -> bool:
    """Call ``attempt`` until it returns True, at most so long (None: for ever); say whether it did.

    It is called more rarely the longer it takes, and at random moments: of many who wait, others than
    always the same come first. A checkpoint, where the call can be cancelled.
    """
    deadline = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
    wait = _FIRST_WAIT_SECONDS
    while not attempt():
        left = longest_wait_seconds if deadline is None else deadline - clock.monotonic()
        if left <= 0:
            return False
        checkpoint()
        clock.sleep(min(left, clock.jitter(wait)))
        wait = min(wait * _GROWTH, longest_wait_seconds)
    return True
