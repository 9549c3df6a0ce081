"""Shared maps: which files a process has mapped shared and writable.

Asking this of every process has to be cheap. ``/proc/<pid>/maps`` tells, but the
kernel then spells out all of a process's maps, several hundred of a Python
program. Linux 6.11 can be asked for those wanted only (``PROCMAP_QUERY``),
in a tenth of the time; where it cannot, the text is read.
"""

import errno
import fcntl
import os
import re
from array import array
from struct import Struct
from typing import NamedTuple

_READ_BYTES = 1 << 16
_PATH_BYTES = 4096

# address, permissions, offset, major:minor, inode, name
_SHARED_WRITABLE = re.compile(rb"^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$", re.MULTILINE)

# struct procmap_query of linux/fs.h: size, flags, address asked for; start, end, flags, page size, offset and inode of
# the map found; its device's two numbers; room for its path (then: size, with a NUL) and for a build id; where these go
_QUERY = Struct("=9Q4I2Q")
_REQUEST = 3 << 30 | _QUERY.size << 16 | ord("f") << 8 | 17  # _IOWR('f', 17, …); other processors refuse it: ENOTTY
_WRITABLE, _SHARED, _OR_NEXT, _OF_A_FILE = 0x02, 0x08, 0x10, 0x20
_WANTED = _WRITABLE | _SHARED | _OR_NEXT | _OF_A_FILE
_NOTHING_YET = (0,) * 8
_NONE_LEFT = (errno.ENOENT, errno.ESRCH)  # ESRCH: a kernel thread, which has no memory, or it has ended


class Mapped(NamedTuple):
    """A file as maps show it."""

    device: int  # on btrfs not the one that stat shows
    inode: int
    path: bytes  # as its process sees it


def shared_writable(process: bytes) -> list[Mapped]:
    """Return the files that ``process`` maps shared and writable; OSError if it may not be looked at."""
    fd = os.open(b"/proc/%b/maps" % process, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            return _ask(fd)
        except OSError:
            return _parse(_read_all(fd))
    finally:
        os.close(fd)


def read_maps(process: bytes) -> bytes:
    """Return the text of all maps of a process."""
    fd = os.open(b"/proc/%b/maps" % process, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_all(fd)
    finally:
        os.close(fd)


def _ask(fd: int) -> list[Mapped]:
    """Ask map by map; OSError where the kernel cannot be asked."""
    found: list[Mapped] = []
    path = array("B", bytes(_PATH_BYTES))
    address = 0
    while True:
        query = _QUERY.pack(_QUERY.size, _WANTED, address, *_NOTHING_YET, _PATH_BYTES, 0, path.buffer_info()[0], 0)
        try:
            query = fcntl.ioctl(fd, _REQUEST, query)
        except OSError as error:
            if error.errno in _NONE_LEFT:
                return found
            raise
        _, _, _, _, address, _, _, _, inode, major, minor, path_size, *_ = _QUERY.unpack(query)
        found.append(Mapped(os.makedev(major, minor), inode, path[: max(path_size - 1, 0)].tobytes()))


def _parse(maps: bytes) -> list[Mapped]:
    if b"w-s " not in maps and b"wxs " not in maps:
        return []
    return [
        Mapped(os.makedev(int(major, 16), int(minor, 16)), int(inode), unescape_newlines(path))
        for major, minor, inode, path in _SHARED_WRITABLE.findall(maps)
    ]


def unescape_newlines(path: bytes) -> bytes:
    """Return a path as it is; maps escape newlines and nothing else."""
    return path.replace(b"\\012", b"\n")


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, _READ_BYTES):
        parts.append(part)
    return b"".join(parts)
