"""Descriptor cache: open files of values that never change, few at a time.

Readers borrow an ``OpenFile`` and keep it as a local variable. It closes its
descriptor when the last reference goes, so one that falls out of the cache
while a thread reads it is closed after that read: the reference count is the
lock. A value that somebody deleted meanwhile can still be read from here.
"""

import errno
import os
import stat
import threading
from collections import OrderedDict

from vgit.runtime.forks import reset_after_fork


class OpenFile:
    """One file open for reading; raises OSError if there is none, or a directory."""

    __slots__ = ("fd", "size_bytes")

    fd: int
    size_bytes: int

    def __init__(self, path: str) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self.fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self.size_bytes = status.st_size

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class DescriptorCache:
    """The files most recently used, at most ``limit``. Any thread may call anything."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._lock = threading.Lock()
        reset_after_fork(self)

    def find(self, path: str) -> OpenFile | None:
        """Return the file if it is here."""
        with self._lock:
            found = self._files.get(path)
            if found is not None:
                self._files.move_to_end(path)
            return found

    def keep(self, path: str, opened: OpenFile) -> None:
        """Remember a file; the one unused longest gives way."""
        with self._lock:
            self._files[path] = opened
            self._files.move_to_end(path)
            if len(self._files) > self._limit:
                self._files.popitem(last=False)

    def forget(self, path: str) -> None:
        """Drop a file whose name now means something else, or nothing."""
        with self._lock:
            self._files.pop(path, None)

    def clear(self) -> None:
        """Drop all files."""
        with self._lock:
            self._files.clear()

    def after_fork(self) -> None:
        """Make a new lock; the descriptors themselves are good in a child, since reads are positional."""
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise AssertionError unless the cache is within its limit and holds open files only."""
        with self._lock:
            assert len(self._files) <= self._limit
            for opened in self._files.values():
                os.fstat(opened.fd)
