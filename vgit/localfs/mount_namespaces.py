"""Mount namespaces: under which names the processes of this machine see a directory.

The kernel names an open file by a path, but by the path in the mount namespace
of the process that opened it: a container that has the directory bound to /data
shows "/data/x", as does a bind mount of our own. So for each namespace the mount
tables tell under which names the root, or a directory in it, stands; a name
counts if looking it up from that process really leads to that directory. Then
one prefix test a descriptor is enough. Not seen: processes of other users
(unless we are root), and other file systems laid over the directory's own
(a container's overlay whose lower layer holds the directory).
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vgit.localfs.file_systems import MountPoint, mount_point_of, read_mount_points


class PathPrefix(NamedTuple):
    """A path that leads to the directory, or into it, in some process's eyes."""

    start: bytes  # ends with "/"
    inside: bytes  # what stands there, from the directory; "" or ends with "/"


class MountNamespaces:
    """Under which names processes see a directory: looked up once for each mount namespace."""

    def __init__(self, root: str) -> None:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.root = os.readlink(b"/proc/self/fd/%d" % fd)  # the kernel's words, as for files in it
            self._point = mount_point_of(fd)
        finally:
            os.close(fd)
        self._known: dict[tuple[bytes, bytes], tuple[PathPrefix, ...]] = {}
        self._own_namespace = os.readlink(b"/proc/self/ns/mnt")
        self._known[self._own_namespace, b"/"] = self._look_up(b"self", b"/")

    def prefixes(self, process: bytes) -> tuple[PathPrefix, ...]:
        """Return the prefixes that hold for ``process``, perhaps none; OSError if it may not be looked at."""
        namespace = os.readlink(b"/proc/%b/ns/mnt" % process)
        # In our own namespace names are shown from our root, whatever that of the process.
        top = b"/" if namespace == self._own_namespace else os.readlink(b"/proc/%b/root" % process)
        known = self._known.get((namespace, top))
        if known is None:
            known = self._known[namespace, top] = self._look_up(process, top)
        return known

    def _look_up(self, process: bytes, top: bytes) -> tuple[PathPrefix, ...]:
        candidates = []
        if self._point is not None:
            candidates = list(_candidates(read_mount_points(os.fsdecode(process)), self._point, self.root))
        if process == b"self":
            candidates.append(PathPrefix(_slashed(self.root), b""))
        seen_from = b"/proc/%b/root" % process
        prefixes = set()
        for start, inside in candidates:
            there = identity(seen_from + start)
            # Not the same if something else is mounted over it on the way.
            if there is not None and there == identity(os.path.join(self.root, inside)):
                prefixes.add(PathPrefix(top.rstrip(b"/") + start, inside))
        return tuple(prefixes)


def _candidates(points: Sequence[MountPoint], ours: MountPoint, root: bytes) -> Iterator[PathPrefix]:
    """Yield where the file system's directory that ``root`` is should stand, by this mount table."""
    below = root[len(ours.point.rstrip(b"/")) :].lstrip(b"/")
    place = _slashed(_slashed(ours.root) + below)  # of the root, within its file system
    for point in points:
        if point.device != ours.device:
            continue
        shown = _slashed(point.root)
        if place.startswith(shown):
            yield PathPrefix(_slashed(point.point) + place[len(shown) :], b"")
        elif shown.startswith(place):
            yield PathPrefix(_slashed(point.point), shown[len(place) :])


def path_inside(link: bytes, prefixes: tuple[PathPrefix, ...]) -> bytes | None:
    """Return the path from the directory that ``link`` means, b"" for itself; None for elsewhere."""
    for start, inside in prefixes:
        if link.startswith(start):
            return inside + link[len(start) :]
        if len(link) == len(start) - 1 and start.startswith(link):
            return inside[:-1]
    return None


def identity(path: bytes) -> tuple[int, int] | None:
    """Return (st_dev, st_ino) of what stands at ``path``, None if it cannot be found out."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _slashed(path: bytes) -> bytes:
    return path if path.endswith(b"/") else path + b"/"
