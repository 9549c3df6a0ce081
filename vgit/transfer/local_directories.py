"""Local directories: those that an upload reads, and what their modes close is open until it is done."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

from vgit.errors import NotADirectoryConflict
from vgit.files.noted_access import noted_access
from vgit.files.temporary_access import TemporaryAccess
from vgit.paths import Path, printable
from vgit.transfer.local_tree import LocalItem, gone, walk_local


class LocalDirectories:
    """A context manager; at its end all directories have the modes that they had."""

    def __init__(self) -> None:
        self._accesses: dict[tuple[int, int], TemporaryAccess] = {}  # by device and inode
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def walk_local(self, local: str, *, recursive: bool) -> Iterator[tuple[Path, LocalItem]]:
        """Yield what is in a directory, as ``walk_local`` does; what was closed stays open for it to be read."""
        try:
            access = self._access(local)
        except FileNotFoundError as error:
            raise gone(local) from error
        except NotADirectoryError as error:
            raise NotADirectoryConflict(f"{printable(local)} is not a directory; put_file uploads a file.") from error
        yield from walk_local(local, access, recursive=recursive)

    def _access(self, local: str) -> TemporaryAccess:
        found = os.stat(local)
        key = found.st_dev, found.st_ino
        if key not in self._accesses:  # a second one would wait for the first
            _, self._accesses[key] = self._opened.enter_context(noted_access(local))
        return self._accesses[key]
