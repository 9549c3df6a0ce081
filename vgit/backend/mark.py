"""Mark: an empty file that says that a living process needs the file that is named like it.

A mark is held by a shared flock, so that several writers may have one, the last of
them removes it, and one whose makers have died is told from one that is in use. No
age tells that: a clock may jump a day between two steps of a writer.
"""

import os

from vgit.backend.directories import create_file
from vgit.backend.os_errors import write_failed
from vgit.localfs.lockable_file import LockableFile, is_alone, share_lock

_MODE = 0o644


class LocalMark:
    """The mark ``path``, made if absent, held until ``remove`` or death. Making it raises OSError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = LockableFile()
        self._open()
        while not self._file.is_named(path):  # somebody removed it before we held it
            self._file.close()
            self._open()

    def remove(self) -> None:
        """Remove the mark, unless somebody else has it or put text into it; nothing a second time, or in a child."""
        fd = self._file.fd
        if fd < 0:
            return
        try:
            if is_alone(fd) and os.fstat(fd).st_size == 0 and self._file.is_named(self.path):
                os.unlink(self.path)
        except OSError as error:
            raise write_failed(error, "delete", self.path) from error
        finally:
            self._file.unlock()

    def _open(self) -> None:
        self._file.open(lambda: create_file(self.path, os.O_RDONLY, _MODE))
        share_lock(self._file.fd)  # where that does not work nobody sweeps, either
