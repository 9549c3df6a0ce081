"""Staging areas: directories in which files are on their way into a mount and out of it.

A rename cannot cross from one file system into another, nor through a bind
mount of the same one. So there is one for each:

    tmp, displaced    in ``.vgit``: for the mount's own file system
    beside/PATH       ``.vgit-beside`` in PATH, where something is mounted; made
                      when it is needed, and removed with what is left in it

What is found in an area is garbage, but for what the journal says of it.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from vgit.localfs.root_directory import remove_entry
from vgit.mount.layout import DISPLACED, TEMPORARY
from vgit.mount.root import MountRoot
from vgit.mount.submounts import Submounts
from vgit.paths import BESIDE_NAME, Path, format_path

_BESIDE = "beside/"


class StagingAreas:
    """The staging areas of one mount, those in ``.vgit`` empty; a context manager that removes the others."""

    def __init__(self, root: MountRoot) -> None:
        self._root = root
        self._stack = ExitStack()
        self._open: dict[str, int] = {}
        self.submounts = Submounts(root)

    def __enter__(self) -> Self:
        for name in (TEMPORARY, DISPLACED):
            self._open[name] = self._stack.enter_context(self._root.area(name))
            _empty(self._open[name])
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def incoming(self, directory: Path) -> str:
        """Return the name of the area for what is to be in ``directory``."""
        return self._beside(directory) or TEMPORARY

    def outgoing(self, directory: Path) -> str:
        """Return the name of the area for what is removed from ``directory``."""
        return self._beside(directory) or DISPLACED

    def descriptor(self, name: str) -> int:
        """Return the area of that name, open as long as this object."""
        if name not in self._open:
            self._open[name] = self._stack.enter_context(_made(self._root, point_of(name)))
        return self._open[name]

    def descriptors(self) -> list[int]:
        """Return those of all areas that are open."""
        return list(self._open.values())

    def empty_outgoing(self) -> None:
        """Remove what was displaced, which the store has, and with it the areas that are not in ``.vgit``."""
        for name, descriptor in self._open.items():
            if name != TEMPORARY:
                _empty(descriptor)
            if name.startswith(_BESIDE):
                with self._root.opened(point_of(name)) as top:
                    _remove(top)

    def _beside(self, directory: Path) -> str | None:
        point = self.submounts.point_of(directory)
        return _BESIDE + format_path(point) if point is not None else None


@contextmanager
def _made(root: MountRoot, point: Path) -> Iterator[int]:
    with root.opened(point) as top:
        try:
            os.mkdir(BESIDE_NAME, 0o700, dir_fd=top)
        except FileExistsError:
            pass  # of a reload that was cut off before its journal
        with root.opened((*point, BESIDE_NAME)) as descriptor:
            _empty(descriptor)
            try:
                yield descriptor
            finally:
                _remove(top)


@contextmanager
def found_area(root: MountRoot, name: str) -> Iterator[int | None]:
    """Give the area ``name`` of a journal with what is in it, to be emptied; None if what was mounted is gone."""
    if not name.startswith(_BESIDE):
        with root.area(name) as descriptor:
            yield descriptor
        return
    with ExitStack() as stack:
        try:
            top = stack.enter_context(root.opened(point_of(name)))
            descriptor = stack.enter_context(root.opened((*point_of(name), BESIDE_NAME)))
        except (FileNotFoundError, NotADirectoryError):
            stack.close()
            yield None
            return
        yield descriptor
        _remove(top)


def _remove(top: int) -> None:
    """Remove the area in ``top``, unless there is something in it that has to go back."""
    try:
        os.rmdir(BESIDE_NAME, dir_fd=top)
    except OSError:
        pass


def point_of(name: str) -> Path:
    """Return where the file system of an area is mounted; the root for those in ``.vgit``."""
    return tuple(name.removeprefix(_BESIDE).split("/")) if name.startswith(_BESIDE) else ()


def _empty(descriptor: int) -> None:
    for name in os.listdir(descriptor):
        remove_entry(descriptor, name)
