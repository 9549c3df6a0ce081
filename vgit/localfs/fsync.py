"""Fsync: names and bytes made durable, so that they survive a power cut.

A few files and directories are synced each by itself; of many, the file systems that
they are on. A ``syncfs`` costs little more than one fsync, but for what others have left
dirty there. A directory may have other file systems mounted in it.
"""

import os
from typing import Self

from vgit.localfs.syscalls import syncfs

FEW = 16


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class FsyncSet:
    """What is to be made durable; a context manager that closes what it holds."""

    def __init__(self) -> None:
        self._few: list[int] = []
        self._count = 0
        self._devices: dict[int, int] = {}  # device → a descriptor on it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what it holds; it can be used anew."""
        while self._few:
            os.close(self._few.pop())
        while self._devices:
            os.close(self._devices.popitem()[1])
        self._count = 0

    def add(self, descriptor: int) -> None:
        """Add what is open as ``descriptor``, which may be closed before it is synced."""
        self._count += 1
        if self._count <= FEW:
            self._few.append(os.dup(descriptor))
        self._remember(descriptor)

    def add_file(self, directory: int, name: str) -> None:
        """Add the regular file ``name`` of an open directory."""
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except PermissionError:  # of a mode that its owner may not read
            self.add_file_system(directory)
            return
        try:
            self.add(file)
        finally:
            os.close(file)

    def add_new_file(self, directory: int, name: str) -> None:
        """Add the regular file ``name``, just made in an open directory; once there are many, it is not opened."""
        if self._count >= FEW:
            self.add_file_system(directory)
        else:
            self.add_file(directory, name)

    def add_file_system(self, descriptor: int) -> None:
        """Add what cannot be opened to be synced by itself, by its directory."""
        self._count = FEW + 1
        self._remember(descriptor)

    def _remember(self, descriptor: int) -> None:
        device = os.fstat(descriptor).st_dev
        if device not in self._devices:
            self._devices[device] = os.dup(descriptor)

    def sync(self) -> None:
        """Sync it all; an error of any earlier write is raised."""
        if self._count > FEW:
            for descriptor in self._devices.values():
                syncfs(descriptor)
        else:
            for descriptor in self._few:
                os.fsync(descriptor)
