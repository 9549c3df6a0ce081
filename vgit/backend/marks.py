"""Marks: empty files that say that a living process needs what is beside them.

A mark is held by a shared flock, so that several writers may have one, the last of
them removes it, and one whose makers have died is told from one that is in use. No
age tells that: a clock may jump a day between two steps of a writer.
"""

import fcntl
import os
from contextlib import suppress

from vgit.backend.directories import create_file
from vgit.backend.in_use import is_alone
from vgit.backend.os_errors import write_failed
from vgit.runtime.forks import no_fork, reset_after_fork

_MODE = 0o644


class LocalMark:
    """The mark ``path``, made if absent, held until ``remove`` or death. Making it raises OSError."""

    _fd = -1  # also for __del__ after a constructor that failed

    def __init__(self, path: str) -> None:
        self.path = path
        reset_after_fork(self)
        self._open()
        while not self._is_named():  # somebody removed it before we held it
            self._close()
            self._open()

    def remove(self) -> None:
        """Remove the mark, unless somebody else has it or put text into it; nothing a second time, or in a child."""
        if self._fd < 0:
            return
        try:
            if is_alone(self._fd) and os.fstat(self._fd).st_size == 0 and self._is_named():
                os.unlink(self.path)
        except OSError as error:
            raise write_failed(error, "delete", self.path) from error
        finally:
            # Explicitly: a child between fork and exec has a copy of the descriptor for a moment.
            with suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._close()

    def after_fork(self) -> None:
        """Close the child's descriptor without unlocking, which would unlock the parent's too."""
        self._close()

    def __del__(self) -> None:
        self._close()

    def _open(self) -> None:
        with no_fork:
            self._fd = create_file(self.path, os.O_RDONLY, _MODE)
        with suppress(OSError):  # where flock does not work nobody sweeps, either
            fcntl.flock(self._fd, fcntl.LOCK_SH)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _is_named(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(self._fd))
        except FileNotFoundError:
            return False
