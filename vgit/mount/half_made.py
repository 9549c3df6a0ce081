"""Half made: whether what stands at a name is what a checkout that was cut off left there.

A checkout writes in place, from the first byte on. So what it left is the
beginning of what is to be there, with zeros where the power failed before the
data came. Anything else is somebody else's.
"""

import errno
import os
import stat

from vgit.content import read_content
from vgit.files.steady_read import open_to_read
from vgit.objects.object_database import ObjectDatabase
from vgit.paths import encode_name
from vgit.runtime.buffer import Buffer
from vgit.tree.entry import Entry

_NOT_A_FILE = (errno.ELOOP, errno.ENXIO)  # a symbolic link, or a socket, which took its place meanwhile
_BLOCK = 4096  # what a file system writes at once; smaller parts of a file do not get lost


def is_half_made(store: ObjectDatabase, directory_fd: int, name: str, entry: Entry) -> bool:
    """Return whether ``name``, which exists, is the beginning of ``entry`` or all of it; of a directory False.

    Raises CorruptObjectError where the store cannot tell.
    """
    found = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(entry.mode) or entry.is_directory:
        return False
    if stat.S_ISLNK(found.st_mode):
        target = b"".join(bytes(piece) for piece in read_content(store, entry))
        return encode_name(os.readlink(name, dir_fd=directory_fd)) == target
    return not stat.S_ISREG(found.st_mode) or _is_beginning(store, directory_fd, name, entry)


def _is_beginning(store: ObjectDatabase, directory_fd: int, name: str, entry: Entry) -> bool:
    try:
        file = open_to_read(name, directory_fd)
    except PermissionError:  # made with a mode that its owner may not read
        found = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        return found.st_size <= entry.size and (found.st_mode ^ entry.mode) & 0o555 == 0
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            return False
        raise
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > entry.size:
            return False
        offset = 0
        for piece in read_content(store, entry, 0, found.st_size):
            if not _is_same_or_lost(piece, os.pread(file, len(piece), offset)):
                return False
            offset += len(piece)
    finally:
        os.close(file)
    return True


def _is_same_or_lost(wanted: Buffer, found: bytes) -> bool:
    if wanted == found:
        return True
    view = memoryview(wanted)
    for start in range(0, len(found), _BLOCK):
        block = found[start : start + _BLOCK]
        if block != view[start : start + _BLOCK] and any(block):
            return False
    return len(found) == len(wanted)
