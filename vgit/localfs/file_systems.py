"""File systems: which one a file is on, and what can be expected of it.

The kernel's mount table names it. In a chroot whose root is no mount point the
table has no line for what is above it, and without /proc there is none: then ``statfs`` gives a number.
"""

import os
import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import ctypes
else:
    ctypes = lazy_import("ctypes")

NAME_BYTES = 255  # of the longest name that Linux file systems take

# Of these another machine may change files, or times are the server's: caches and clocks are not ours.
_NETWORK_KINDS = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "fuse", "afs", "ceph", "coda", "lustre",
    "gpfs", "gfs2", "ocfs2", "beegfs", "orangefs", "pvfs2", "panfs", "vboxsf", "vmhgfs", "prl_fs",
))  # fmt: skip
_EXACT_KINDS = frozenset(("ext4", "xfs", "btrfs", "tmpfs"))
_MEMORY_KINDS = frozenset(("tmpfs", "ramfs", "devtmpfs", "hugetlbfs"))
_LAYERED_KINDS = frozenset(("overlay", "btrfs", "bcachefs", "ecryptfs"))  # maps show what is below them
# The numbers of linux/magic.h, and of some that are not in it.
_KINDS_BY_NUMBER = {
    0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0x01021994: "tmpfs", 0x858458F6: "ramfs",
    0x794C7630: "overlay", 0xF2F52010: "f2fs", 0x2FC12FC1: "zfs", 0xCA451A4E: "bcachefs", 0x958458F6: "hugetlbfs",
    0x3153464A: "jfs", 0x52654973: "reiserfs", 0x3434: "nilfs2", 0xF15F: "ecryptfs", 0x4D44: "vfat",
    0x2011BAB0: "exfat", 0x7366746E: "ntfs3", 0x9660: "iso9660", 0x73717368: "squashfs", 0xE0F5E1E2: "erofs",
    0x6969: "nfs", 0xFF534D42: "cifs", 0xFE534D42: "smb3", 0x517B: "smbfs", 0x01021997: "9p", 0x65735546: "fuse",
    0x5346414F: "afs", 0x6B414653: "afs", 0x00C36400: "ceph", 0x73757245: "coda", 0x0BD00BD0: "lustre",
    0x47504653: "gpfs", 0x01161970: "gfs2", 0x7461636F: "ocfs2", 0x19830326: "beegfs", 0x20030528: "orangefs",
    0xAAD7AAEA: "panfs", 0x786F4256: "vboxsf", 0xBACBACBC: "vmhgfs",
}  # fmt: skip
_STATFS_BYTES = 256  # more than any struct statfs has; its first member is the number, a long


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
    return point.kind if point is not None else _KINDS_BY_NUMBER.get(_number_of(fd))


def _number_of(fd: int) -> int:
    """Return what ``statfs`` calls the type of the file system that ``fd`` is on, 0 if it fails."""
    libc = ctypes.CDLL(None)
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if libc.fstatfs(fd, found) != 0:
        return 0
    return int(struct.unpack_from("l", found.raw)[0]) & 0xFFFFFFFF


def is_network_file_system(fd: int) -> bool:
    """Return whether other machines may share the files below ``fd``; True also if it cannot be found out."""
    return _is_network(kind_of(fd))


def _is_network(kind: str | None) -> bool:
    return kind is None or kind.split(".")[0] in _NETWORK_KINDS


def _unescape(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), text) if b"\\" in text else text
