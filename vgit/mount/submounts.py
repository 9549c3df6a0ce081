"""Submounts: what is mounted below a mount's root, and whether it still is what was there.

A scratch disk or a file system in memory may be mounted in a mount. When it is
not there any more, after a restart for example, or is mounted over files of a plain
directory, all those files are missing; they were not removed. So it is kept which
file system was where. While another one is there, or none, what is missing is no
removal; when nothing is missing any more, that is the one from then on.
"""

import os
from collections.abc import Collection

from vgit.localfs.file_systems import read_mount_points
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.stat_cache import StatCache
from vgit.paths import STATE_NAME, Path, decode_name

GONE = (
    "another file system is mounted here than before, or none any more, so nothing of it counts as removed. Mount what"
    " was there, or bring its files in with `vgit reload --discard`, or remove them from the volume with `vgit rm`"
)


def mounted_below(root: RootDirectory) -> list[Path]:
    """Return the directories, and files, below ``root`` at which something is mounted, deepest first."""
    try:
        own = os.readlink(os.fsencode(f"/proc/self/fd/{root.fd}")).rstrip(b"/") + b"/"
        points = read_mount_points()
    except OSError:
        return []  # no /proc: a rename says so, and what it concerns stays as it is
    below = {point.point.removeprefix(own) for point in points if point.point.startswith(own)}
    paths = [tuple(decode_name(point).split("/")) for point in below]
    return sorted((path for path in paths if path[0] != STATE_NAME), key=len, reverse=True)


class Submounts:
    """Where something is mounted below a mount's root."""

    def __init__(self, root: RootDirectory) -> None:
        self._root = root
        self.points = mounted_below(root)
        self._read_only: dict[Path, bool] = {}  # by where it is mounted

    def point_of(self, path: Path) -> Path | None:
        """Return where that is mounted which ``path`` is in; None for the mount's own file system."""
        return next((point for point in self.points if path[: len(point)] == point), None)

    def is_read_only(self, path: Path) -> bool:
        """Return whether what is mounted at ``path``, or above it in the mount, is mounted read-only."""
        point = self.point_of(path)
        if point is None:
            return False
        if point not in self._read_only:
            with self._root.opened(point[:-1]) as parent:
                file = os.open(point[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            self._read_only[point] = bool(os.fstatvfs(file).f_flag & os.ST_RDONLY)
            os.close(file)
        return self._read_only[point]


class KnownSubmounts:
    """What is mounted now, compared with what was when this mount last looked."""

    def __init__(self, root: RootDirectory, cache: StatCache) -> None:
        self._cache = cache
        self._known = cache.mounted()
        self._now = {path: found for path in mounted_below(root) if (found := _identity(root, path)) is not None}
        self.gone = frozenset(path for path, what in self._known.items() if self._now.get(path) != what)
        new = self._now.keys() - self._known.keys()
        if new:  # over what was seen in a plain directory, or in a new one
            self.gone |= new.intersection(cache.directories())

    def keep(self, still_gone: Collection[Path]) -> None:
        """Note what is mounted now, in place of what is gone but for ``still_gone``; inside a transaction."""
        self._cache.set_mounted(self._to_keep(still_gone))

    def has_news(self, still_gone: Collection[Path]) -> bool:
        """Return whether ``keep`` has something to note."""
        return self._to_keep(still_gone) != self._known

    def _to_keep(self, still_gone: Collection[Path]) -> dict[Path, str]:
        stay = self.gone.intersection(still_gone)
        now = {path: what for path, what in self._now.items() if path not in stay}
        return now | {path: self._known[path] for path in stay if path in self._known}


def _identity(root: RootDirectory, path: Path) -> str | None:
    """Return what tells one file system that is mounted at a directory from another; None if it is none."""
    try:
        descriptor = root.open_step(path)
    except OSError:
        return None
    try:
        return f"{os.fstatvfs(descriptor).f_fsid:x}:{os.fstat(descriptor).st_ino}"
    finally:
        os.close(descriptor)
