"""File lock: one file, one holder, freed by the kernel when the holder dies.

``flock`` belongs to an open file description, so two ``FileLock`` objects exclude
each other also within a process, and a forked child would share its parent's
lock: children therefore close what they inherit. The note in the file is for
people; whether a lock is held only ``flock`` knows.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.errors import LockedError
from vgit.paths import printable
from vgit.runtime.cancel import checkpoint
from vgit.runtime.forks import no_fork, reset_after_fork

_NOTE_LIMIT_BYTES = 500
_FIRST_WAIT_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 0.05
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class FileLock:
    """An exclusive lock on the file ``path``, made if absent and never removed; one object is one holder.

    ``message`` begins the LockedError of who waits in vain. With ``directory_fd``,
    which must stay open as long, ``path`` is relative to it. Use ``with
    lock.hold(seconds):`` or pair ``acquire`` with ``release``.
    """

    _fd = -1  # also for __del__ after a constructor that failed

    def __init__(
        self, path: str, message: str, *, directory_fd: int | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._path = path
        self._message = message
        self._directory_fd = directory_fd
        self._clock = clock
        reset_after_fork(self)

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock; False in a forked child."""
        return self._fd >= 0

    @property
    def descriptor(self) -> int:
        """The open file that is locked: a process that inherits it keeps the lock held as long as it lives."""
        return self._fd

    def try_acquire(self, note: str = "") -> bool:
        """Take the lock if nobody holds it and say whether that was so; ``note`` tells others who has it."""
        assert self._fd < 0, "one FileLock is one holder"
        while True:
            self._open()
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._close()
                return False
            except BaseException:
                self._close()
                raise
            if self._is_named():
                self._write_note(note)
                return True
            self._close()  # locked a file that was removed: whoever made the new one does not see that

    def acquire(self, timeout_seconds: float | None = None, note: str = "") -> None:
        """Take the lock, waiting at most so long (None: for ever, 0: not at all); LockedError after that."""
        deadline = None if timeout_seconds is None else self._clock.monotonic() + timeout_seconds
        wait = _FIRST_WAIT_SECONDS
        while not self.try_acquire(note):
            checkpoint()
            left = _LONGEST_WAIT_SECONDS if deadline is None else deadline - self._clock.monotonic()
            if left <= 0:
                raise LockedError(self._refusal())
            self._clock.sleep(min(left, wait / 2 + self._clock.jitter(wait / 2)))
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def release(self) -> None:
        """Give the lock back; nothing if it is not held (as in a forked child)."""
        if self._fd < 0:
            return
        try:
            os.ftruncate(self._fd, 0)  # a note that outlives its holder would name the wrong one
        except OSError:
            pass  # disk trouble must not keep the lock
        finally:
            # Explicitly: a child between fork and exec has a copy of the descriptor for a moment.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._close()

    @contextmanager
    def hold(self, timeout_seconds: float | None = None, note: str = "") -> Iterator[Self]:
        """Hold the lock for a ``with`` block; as ``acquire``."""
        self.acquire(timeout_seconds, note)
        try:
            yield self
        finally:
            self.release()

    def read_note(self) -> str:
        """Return the holder's note, "" if there is none or nobody holds the lock; may be old by a moment."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory_fd)
        except OSError:
            return ""
        try:
            text = os.pread(fd, _NOTE_LIMIT_BYTES, 0)
        finally:
            os.close(fd)
        return printable(text.decode("utf-8", "surrogateescape")).strip()

    def after_fork(self) -> None:
        """Close the child's descriptor without unlocking, which would unlock the parent's too."""
        self._close()

    def __del__(self) -> None:
        self._close()

    def _open(self) -> None:
        with no_fork:
            self._fd = os.open(self._path, _FLAGS, 0o666, dir_fd=self._directory_fd)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _is_named(self) -> bool:
        try:
            named = os.stat(self._path, dir_fd=self._directory_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def _write_note(self, note: str) -> None:
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, note.encode("utf-8", "surrogateescape")[:_NOTE_LIMIT_BYTES], 0)
        except OSError:
            pass  # a full disk: the lock is worth more than its note

    def _refusal(self) -> str:
        note = self.read_note()
        return f"{self._message} (held by {note})" if note else self._message
