"""Mapping: a file's bytes as memory, without a descriptor.

Python's ``mmap`` keeps a duplicate of the descriptor for as long as the map
lives (``trackfd`` is new in 3.13), so a thousand mapped files would run out
of descriptors. Hence the system call itself. The file must never shrink: a
read behind its end would kill the process.
"""

import ctypes
import mmap
import os
import weakref

from vgit.localfs.positional import read_at

_COPY_BELOW = 65536  # Copying this much costs less than a map's page faults and its two system calls.
_MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_mmap = _libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_munmap = _libc.munmap
_munmap.restype = ctypes.c_int
_munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


def map_file(fd: int, size_bytes: int) -> memoryview:
    """Return a read-only view of a whole file; ``fd`` may be closed afterwards. Raises OSError."""
    if size_bytes < _COPY_BELOW:
        return memoryview(read_at(fd, 0, size_bytes))
    address = _mmap(None, size_bytes, mmap.PROT_READ, mmap.MAP_PRIVATE, fd, 0)
    if address == _MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    array = (ctypes.c_ubyte * size_bytes).from_address(address)
    # Every view refers to the array, so it goes, and the map with it, after the last of them.
    unmapping = weakref.finalize(array, _munmap, address, size_bytes)
    unmapping.atexit = False  # At exit a view may still be in use; the kernel cleans up.
    return memoryview(array).cast("B").toreadonly()
