"""Areas: the places beside, where files are on their way into a mount and out of it.

A rename cannot cross from one file system into another, nor through a bind
mount of the same one. So there is a place for each:

    tmp, displaced    in ``.vgit``: for the mount's own file system
    beside/PATH       ``.vgit-beside`` in PATH, where something is mounted; made
                      when it is needed, and removed with what is left in it

What is found in a place is garbage, but for what the journal says of it.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from vgit.files.left_out import LeftOutKind, Omitted
from vgit.localfs.root_directory import remove_entry
from vgit.mount.layout import DISPLACED, TEMPORARY
from vgit.mount.mounted_inside import mounted_below
from vgit.mount.plan import DIRECTORY_ACTIONS, Action, Step
from vgit.mount.root import MountRoot
from vgit.paths import BESIDE_NAME, Path, format_path

_BESIDE = "beside/"
_CHANGING = (Action.WRITE, Action.SET_METADATA, *DIRECTORY_ACTIONS)
_READ_ONLY = "what others changed in it cannot be brought in: another file system is mounted there, read-only"


class Areas:
    """The places of one mount, those in ``.vgit`` empty; a context manager that removes the others."""

    def __init__(self, root: MountRoot) -> None:
        self._root = root
        self._stack = ExitStack()
        self._open: dict[str, int] = {}
        self._read_only: dict[Path, bool] = {}  # by where it is mounted
        self._refused: set[Path] = set()
        self.points = mounted_below(root)

    def __enter__(self) -> Self:
        for name in (TEMPORARY, DISPLACED):
            self._open[name] = self._stack.enter_context(self._root.area(name))
            _empty(self._open[name])
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def incoming(self, directory: Path) -> str:
        """Return the name of the place for what is to be in ``directory``."""
        return self._beside(directory) or TEMPORARY

    def outgoing(self, directory: Path) -> str:
        """Return the name of the place for what is removed from ``directory``."""
        return self._beside(directory) or DISPLACED

    def descriptor(self, name: str) -> int:
        """Return the place of that name, open as long as this object."""
        if name not in self._open:
            self._open[name] = self._stack.enter_context(_made(self._root, point_of(name)))
        return self._open[name]

    def descriptors(self) -> list[int]:
        """Return those of all places that are open."""
        return list(self._open.values())

    def possible(self, steps: list[Step]) -> list[Step]:
        """Return the steps, those that cannot be taken as ones that leave all as it is."""
        if not self.points:
            return steps
        return [Step(step.path, Action.KEEP) if self._is_refused(step) else step for step in steps]

    def is_read_only(self, path: Path) -> bool:
        """Return whether what is mounted at ``path``, or above it in the mount, is mounted read-only."""
        point = self._point(path)
        if point is None:
            return False
        if point not in self._read_only:
            with self._root.opened(point[:-1]) as parent:
                file = os.open(point[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            self._read_only[point] = bool(os.fstatvfs(file).f_flag & os.ST_RDONLY)
            os.close(file)
        return self._read_only[point]

    def refused(self) -> list[Omitted]:
        """Return where there were steps that could not be taken."""
        return [Omitted(point, LeftOutKind.MOUNTED, _READ_ONLY) for point in sorted(self._refused)]

    def _is_refused(self, step: Step) -> bool:
        if (step.action not in _CHANGING and step.clear is None) or not self.is_read_only(step.path):
            return False
        point = self._point(step.path)
        assert point is not None
        self._refused.add(point)
        return True

    def empty_outgoing(self) -> None:
        """Remove what was displaced, which the store has, and with it the places that are not in ``.vgit``."""
        for name, descriptor in self._open.items():
            if name != TEMPORARY:
                _empty(descriptor)
            if name.startswith(_BESIDE):
                with self._root.opened(point_of(name)) as top:
                    _remove(top)

    def _beside(self, directory: Path) -> str | None:
        point = self._point(directory)
        return _BESIDE + format_path(point) if point is not None else None

    def _point(self, path: Path) -> Path | None:
        return next((point for point in self.points if path[: len(point)] == point), None)


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
    """Give the place ``name`` of a journal with what is in it, to be emptied; None if what was mounted is gone."""
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
    """Remove the place in ``top``, unless there is something in it that has to go back."""
    try:
        os.rmdir(BESIDE_NAME, dir_fd=top)
    except OSError:
        pass


def point_of(name: str) -> Path:
    """Return where the file system of a place is mounted; the root for those in ``.vgit``."""
    return tuple(name.removeprefix(_BESIDE).split("/")) if name.startswith(_BESIDE) else ()


def _empty(descriptor: int) -> None:
    for name in os.listdir(descriptor):
        remove_entry(descriptor, name)
