"""Shared maps: which files a process has mapped shared and writable.

Each commit asks this of every process. ``/proc/<pid>/maps`` tells, but the
kernel then spells out all of a process's maps, several hundred of a Python
program. Linux 6.11 can be asked for those wanted only (``PROCMAP_QUERY``),
in a tenth of the time; where it cannot, the text is read.
"""

import errno
import fcntl
import os
import re
from struct import Struct

Identity = tuple[int, int]  # device and inode, as maps show them: on btrfs not the device that stat shows

_READ_BYTES = 1 << 16

# address, permissions, offset, major:minor, inode, name
_SHARED_WRITABLE = re.compile(rb"^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$", re.MULTILINE)

# struct procmap_query of linux/fs.h: size, flags, address asked for; start, end, flags, page size, offset and inode of
# the map found; its device's two numbers; room for a name and a build id (none), and where
_QUERY = Struct("=9Q4I2Q")
_REQUEST = 3 << 30 | _QUERY.size << 16 | ord("f") << 8 | 17  # _IOWR('f', 17, …); other processors refuse it: ENOTTY
_WRITABLE, _SHARED, _OR_NEXT, _OF_A_FILE = 0x02, 0x08, 0x10, 0x20
_NONE_LEFT = (errno.ENOENT, errno.ESRCH)  # ESRCH: a kernel thread, which has no memory, or it has ended


def shared_writable(process: bytes) -> set[Identity]:
    """Return the files that ``process`` maps shared and writable; OSError if it may not be looked at."""
    fd = os.open(b"/proc/%b/maps" % process, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            return _ask(fd)
        except OSError:
            return {identity for identity, _ in _parse(_read_all(fd))}
    finally:
        os.close(fd)


def named_shared_writable(process: bytes) -> list[tuple[Identity, bytes]]:
    """Return as ``shared_writable``, each with the path that the kernel shows for it."""
    return _parse(read_maps(process))


def read_maps(process: bytes) -> bytes:
    """Return the text of all maps of a process."""
    fd = os.open(b"/proc/%b/maps" % process, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_all(fd)
    finally:
        os.close(fd)


def _ask(fd: int) -> set[Identity]:
    """Ask map by map; OSError where the kernel cannot be asked."""
    found: set[Identity] = set()
    query = _FROM_THE_START
    while True:
        try:
            query = fcntl.ioctl(fd, _REQUEST, query)
        except OSError as error:
            if error.errno in _NONE_LEFT:
                return found
            raise
        _, _, _, _, end, _, _, _, inode, major, minor, *_ = _QUERY.unpack(query)
        found.add((os.makedev(major, minor), inode))
        query = _query(end)


def _query(address: int) -> bytes:
    flags = _WRITABLE | _SHARED | _OR_NEXT | _OF_A_FILE
    return _QUERY.pack(_QUERY.size, flags, address, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


_FROM_THE_START = _query(0)


def _parse(maps: bytes) -> list[tuple[Identity, bytes]]:
    if b"w-s " not in maps and b"wxs " not in maps:
        return []
    return [
        ((os.makedev(int(major, 16), int(minor, 16)), int(inode)), unescape_newlines(name))
        for major, minor, inode, name in _SHARED_WRITABLE.findall(maps)
    ]


def unescape_newlines(path: bytes) -> bytes:
    """Return a path as it is; maps escape newlines and nothing else."""
    return path.replace(b"\\012", b"\n")


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, _READ_BYTES):
        parts.append(part)
    return b"".join(parts)
