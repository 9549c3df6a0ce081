"""File systems: which one a file is on, by the kernel's mount table, and what can be expected of it."""

import os
import re
from functools import lru_cache
from typing import NamedTuple

# Of these another machine may change files, or times are the server's: caches and clocks are not ours.
_NETWORK_KINDS = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "fuse", "afs", "ceph", "coda", "lustre",
    "gpfs", "gfs2", "ocfs2", "beegfs", "orangefs", "pvfs2", "panfs", "vboxsf", "vmhgfs", "prl_fs",
))  # fmt: skip
_EXACT_KINDS = frozenset(("ext4", "xfs", "btrfs", "tmpfs"))
_MEMORY_KINDS = frozenset(("tmpfs", "ramfs", "devtmpfs", "hugetlbfs"))
_LAYERED_KINDS = frozenset(("overlay", "btrfs", "bcachefs", "ecryptfs"))  # maps show what is below them


class MountPoint(NamedTuple):
    """A line of mountinfo: part of a file system, and where it stands in the tree."""

    id: int
    device: bytes  # "major:minor" of the file system; on btrfs not what stat says
    root: bytes  # the directory of the file system that stands at ``point``
    point: bytes
    kind: str  # of file system, as "ext4"


def read_mount_points(process: str = "self") -> tuple[MountPoint, ...]:
    """Return the mount table that ``process`` sees, in order of mounting; OSError if it may not be read."""
    with open(f"/proc/{process}/mountinfo", "rb", buffering=0) as file:
        return _parse(file.readall())


@lru_cache(maxsize=8)
def _parse(table: bytes) -> tuple[MountPoint, ...]:
    """Parse a mount table; nearly always it is the same as the last time."""
    points = []
    for line in table.splitlines():
        fields, _, tail = line.partition(b" - ")
        id, _, device, root, point = fields.split(b" ")[:5]
        kind = tail.split(b" ", 1)[0].decode("ascii", "replace")
        points.append(MountPoint(int(id), device, _unescape(root), _unescape(point), kind))
    return tuple(points)


def mount_point_of(fd: int) -> MountPoint | None:
    """Return the mount point through which ``fd`` was opened; None where ``/proc`` does not tell."""
    try:
        points = read_mount_points()
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            found = re.search(rb"^mnt_id:\s*(\d+)", file.read(), re.MULTILINE)
    except OSError:
        return None
    if found:
        id = int(found[1])
        return next((point for point in points if point.id == id), None)
    status = os.fstat(fd)  # sandboxed kernels leave mnt_id out
    device = b"%d:%d" % (os.major(status.st_dev), os.minor(status.st_dev))
    return next((point for point in reversed(points) if point.device == device), None)


class FileSystem(NamedTuple):
    """What can be expected of a file system."""

    may_be_exact: bool  # it gives every change that follows a stat a time of its own, if the kernel can

    is_network: bool  # other machines may share it, or nobody knows
    is_memory: bool  # it has no disk, so that a store into a shared map never moves a file's times
    shows_maps: bool  # a map in /proc has the numbers that stat shows, and keeps open the inode that stat shows


def file_system_of(fd: int) -> FileSystem:
    """Return what can be expected of the file system that ``fd`` is on."""
    kind = kind_of(fd)
    shows_maps = kind is not None and kind not in _LAYERED_KINDS
    return FileSystem(kind in _EXACT_KINDS, _is_network(kind), kind in _MEMORY_KINDS, shows_maps)


def kind_of(fd: int) -> str | None:
    """Return the kind of file system that ``fd`` is on, as "ext4"; None if it cannot be found out."""
    point = mount_point_of(fd)
    return point.kind if point is not None else None


def is_network_file_system(fd: int) -> bool:
    """Return whether other machines may share the files below ``fd``; True also if it cannot be found out."""
    return _is_network(kind_of(fd))


def is_memory_file_system(fd: int) -> bool:
    """Return whether the files below ``fd`` have no disk, so that a store into a shared map never moves their times."""
    return kind_of(fd) in _MEMORY_KINDS


def _is_network(kind: str | None) -> bool:
    return kind is None or kind.split(".")[0] in _NETWORK_KINDS


def _unescape(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), text) if b"\\" in text else text
