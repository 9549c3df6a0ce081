"""Touched directories: those of a mount in which an operation changes names, all made durable at its end."""

import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager

from vgit.localfs.fsync import FEW, FsyncSet
from vgit.localfs.root_directory import RootDirectory
from vgit.paths import Path

_NEW_DIRECTORY_MODE = 0o755


class TouchedDirectories:
    """Opens and makes directories of one mount, and remembers which."""

    def __init__(self, root: RootDirectory) -> None:
        self._root = root
        self._touched: set[Path] = set()

    def parent(self, path: Path) -> AbstractContextManager[int]:
        """Give a descriptor of the directory that ``path`` is in, for a name in it to be changed."""
        self._touched.add(path[:-1])
        return self._root.opened(path[:-1])

    def make(self, path: Path, mode: int) -> None:
        """Make a directory with these permission bits."""
        self._root.make_directory(path, mode)
        self._touched.add(path[:-1])

    def make_parents(self, path: Path) -> bool:
        """Make directories that were removed here and are needed again; False if something is in the way."""
        if self.is_directory(path[:-1]):
            return True
        for depth in range(1, len(path)):
            parent = path[:depth]
            try:
                if not stat.S_ISDIR(self._root.lstat(parent).st_mode):
                    return False
            except FileNotFoundError:
                self.make(parent, _NEW_DIRECTORY_MODE)
        return True

    def is_directory(self, path: Path) -> bool:
        """Return whether a directory stands at ``path``."""
        try:
            return stat.S_ISDIR(self._root.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def add_to(self, unsynced: FsyncSet, elsewhere: Iterable[int]) -> None:
        """Have them synced; if they are many, the whole file systems of the root and of ``elsewhere``."""
        if len(self._touched) > FEW:
            for descriptor in (self._root.fd, *elsewhere):
                unsynced.add_file_system(descriptor)
            return
        for path in self._touched:
            try:
                descriptor = self._root.open_directory(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed again: syncing its parent covers that
            unsynced.add(descriptor)
            os.close(descriptor)
