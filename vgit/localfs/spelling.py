"""Spelling: whether a name is there as it is spelt, where a file system may take several names for one.

Directories that fold case or normalise Unicode (ext4 with ``casefold``, and much
of what comes from other systems) answer for ``a`` with the file ``A``. What is
listed tells them apart, whatever the rule is. A listing costs as much as the
directory is large: it is asked for only of what is there and was not expected.
"""

import os

from vgit.localfs.root_directory import RootDirectory
from vgit.paths import Path, printable

_DIRECTORIES = 64  # whose listings are kept


class Spelling:
    """What the directories below a root list."""

    def __init__(self, root: RootDirectory) -> None:
        self._root = root
        self._listed: dict[Path, frozenset[str]] = {}

    def is_there(self, path: Path) -> bool:
        """Return whether an entry of a directory that exists is spelt so; one that was listed once still counts."""
        directory = path[:-1]
        if path[-1] not in self._listed.get(directory, ()):
            if len(self._listed) >= _DIRECTORIES:
                self._listed.clear()
            with self._root.opened(directory) as descriptor:
                self._listed[directory] = frozenset(os.listdir(descriptor))
        return path[-1] in self._listed[directory]

    def other(self, path: Path) -> str | None:
        """Return why ``path``, at which something stands, cannot be there; None if it is what stands there."""
        if self.is_there(path):
            return None
        with self._root.opened(path[:-1]) as descriptor:
            try:
                inode = os.stat(path[-1], dir_fd=descriptor, follow_symlinks=False).st_ino
            except FileNotFoundError:
                return None
            with os.scandir(descriptor) as entries:
                taken = next((entry.name for entry in entries if entry.inode() == inode), None)
        what = repr(printable(taken)) if taken is not None else "another one"
        return f"this file system takes its name for {what}, which is there"
