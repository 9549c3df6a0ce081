"""File lock: one file, one holder, freed by the kernel when the holder dies.

Two ``FileLock`` objects exclude each other also within a process, and a forked child
has none of its parent's locks (``lockable_file``). The note in the file is for
people; whether a lock is held only ``flock`` knows.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.errors import LockedError
from vgit.localfs.lockable_file import LockableFile, wait_for
from vgit.paths import printable

_NOTE_LIMIT_BYTES = 500
_LONGEST_WAIT_SECONDS = 0.05
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class FileLock:
    """An exclusive lock on the file ``path``, made if absent and never removed; one object is one holder.

    ``message`` begins the LockedError of who waits in vain. With ``directory_fd``,
    which must stay open as long, ``path`` is relative to it. Use ``with
    lock.hold(seconds):`` or pair ``acquire`` with ``release``.
    """

    def __init__(
        self, path: str, message: str, *, directory_fd: int | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._path = path
        self._message = message
        self._directory_fd = directory_fd
        self._clock = clock
        self._file = LockableFile()

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock; False in a forked child."""
        return self._file.fd >= 0

    @property
    def descriptor(self) -> int:
        """The open file that is locked: a process that inherits it keeps the lock held as long as it lives."""
        return self._file.fd

    def try_acquire(self, note: str = "") -> bool:
        """Take the lock if nobody holds it and say whether that was so; ``note`` tells others who has it."""
        while True:
            self._file.open(lambda: os.open(self._path, _FLAGS, 0o666, dir_fd=self._directory_fd))
            try:
                if not self._file.try_lock():
                    self._file.close()
                    return False
            except BaseException:
                self._file.close()
                raise
            if self._file.is_named(self._path, self._directory_fd):
                self._write_note(note)
                return True
            self._file.unlock()  # of a file that was removed: whoever made the new one does not see that

    def acquire(self, timeout_seconds: float | None = None, note: str = "") -> None:
        """Take the lock, waiting at most so long (None: for ever, 0: not at all); LockedError after that."""
        if not wait_for(
            lambda: self.try_acquire(note), self._clock, timeout_seconds, longest_wait_seconds=_LONGEST_WAIT_SECONDS
        ):
            raise LockedError(self._refusal())

    def release(self) -> None:
        """Give the lock back; nothing if it is not held (as in a forked child)."""
        if not self.is_held:
            return
        try:
            os.ftruncate(self._file.fd, 0)  # a note that outlives its holder would name the wrong one
        except OSError:
            pass  # disk trouble must not keep the lock
        finally:
            self._file.unlock()

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

    def _write_note(self, note: str) -> None:
        try:
            os.ftruncate(self._file.fd, 0)
            os.pwrite(self._file.fd, note.encode("utf-8", "surrogateescape")[:_NOTE_LIMIT_BYTES], 0)
        except OSError:
            pass  # a full disk: the lock is worth more than its note

    def _refusal(self) -> str:
        note = self.read_note()
        return f"{self._message} (held by {note})" if note else self._message
