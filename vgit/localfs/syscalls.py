"""Syscalls: what Linux can do and Python's ``os`` cannot.

``rename_noreplace`` and ``exchange`` never destroy what stands at the target.
Both say how they were done: ``True`` means by the kernel in one step. Where the
kernel or the file system lacks ``renameat2`` they fall back to what is closest
and return ``False``:

    rename_noreplace   lstat the target, then rename at once
    exchange           link the target as "<source>.aside", rename the source over
                       it, rename "<source>.aside" to the source. The target name is
                       never absent. Where a directory is on either side the
                       target is renamed aside, and its name is absent for a moment.

What another process puts at the target between the two steps of a fallback is
lost to a rename. After a crash inside ``exchange`` the displaced entry may stand
as "<source>.aside" beside the source.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable
from functools import partial

_NOREPLACE = 1
_EXCHANGE = 2
_RENAMEAT2_NUMBERS = {"x86_64": 316, "aarch64": 276}  # for a C library without the wrapper (musl, old glibc)
_RENAMEAT2_TYPES = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)  # no such call; flag unknown to the file system
EXCHANGE_SUFFIX = ".aside"  # what a fallback that was cut off may leave beside its source

_libc = ctypes.CDLL(None, use_errno=True)


def _find_renameat2() -> Callable[..., int] | None:
    function: Callable[..., int] | None = getattr(_libc, "renameat2", None)
    if function is not None:
        function.argtypes = _RENAMEAT2_TYPES  # type: ignore[attr-defined]
        return function
    number = _RENAMEAT2_NUMBERS.get(os.uname().machine)
    if number is None:
        return None
    _libc.syscall.argtypes = (ctypes.c_long, *_RENAMEAT2_TYPES)
    _libc.syscall.restype = ctypes.c_long
    return partial(_libc.syscall, number)


_renameat2 = _find_renameat2()


def rename_noreplace(source_fd: int, source: str, target_fd: int, target: str) -> bool:
    """Rename ``source`` to ``target``, names relative to two directory descriptors.

    Raises FileExistsError if anything, also a dangling symlink, stands at the
    target. Returns False if the fallback did it.
    """
    if _rename_with(_NOREPLACE, source_fd, source, target_fd, target):
        return True
    try:
        os.stat(target, dir_fd=target_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
        return False
    raise _error(errno.EEXIST, source, target)


def exchange(source_fd: int, source: str, target_fd: int, target: str) -> bool:
    """Swap the entries ``source`` and ``target``, which may be of different kinds.

    Raises FileNotFoundError if either is absent. Returns False if the fallback did it.
    """
    if _rename_with(_EXCHANGE, source_fd, source, target_fd, target):
        return True
    aside = source + EXCHANGE_SUFFIX
    _require_absent(source_fd, aside, target)
    if _is_directory(source_fd, source) or not _link(target_fd, target, source_fd, aside):
        os.rename(target, aside, src_dir_fd=target_fd, dst_dir_fd=source_fd)
    try:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    except OSError:
        _take_back(source_fd, aside, target_fd, target)
        raise
    os.rename(aside, source, src_dir_fd=source_fd, dst_dir_fd=source_fd)
    return False


def syncfs(fd: int) -> None:
    """Write the whole file system that holds ``fd`` to its disk; an error of any earlier write is raised."""
    if _libc.syncfs(ctypes.c_int(fd)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _rename_with(flag: int, source_fd: int, source: str, target_fd: int, target: str) -> bool:
    """Return whether the kernel did it; False if it cannot, OSError if it may not."""
    if _renameat2 is None:
        return False
    source_name, target_name = os.fsencode(source), os.fsencode(target)
    if b"\0" in source_name or b"\0" in target_name:  # C would stop there and rename something else
        raise ValueError("embedded null byte")
    if not _renameat2(source_fd, source_name, target_fd, target_name, flag):
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:  # EINVAL of another cause comes back from the fallback's own rename
        return False
    raise _error(number, source, target)


def _require_absent(directory_fd: int, name: str, target: str) -> None:
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    raise _error(errno.EEXIST, target, name)


def _is_directory(directory_fd: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode)


def _link(target_fd: int, target: str, source_fd: int, aside: str) -> bool:
    """Return whether ``target`` got the second name ``aside``; False if it can have none."""
    try:
        os.link(target, aside, src_dir_fd=target_fd, dst_dir_fd=source_fd, follow_symlinks=False)
    except OSError as error:
        # EPERM: a directory, or a file system without hard links, or a kernel that protects foreign files.
        if error.errno in (errno.EPERM, errno.EMLINK, *_UNSUPPORTED):
            return False
        raise
    return True


def _take_back(source_fd: int, aside: str, target_fd: int, target: str) -> None:
    os.rename(aside, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    try:
        # Renaming one hard link over another of the same file does nothing and leaves both.
        os.unlink(aside, dir_fd=source_fd)
    except FileNotFoundError:
        pass


def _error(number: int, source: str, target: str) -> OSError:
    return OSError(number, os.strerror(number), source, None, target)
