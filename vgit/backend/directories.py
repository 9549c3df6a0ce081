"""Directories: names made, replaced, walked and made durable on a file system.

A name is durable after an fsync of its directory, and that directory after one
of its parent. All raise OSError.
"""

import errno
import os
from collections.abc import Iterator

from vgit.backend.keys import temporary_name
from vgit.backend.protocol import KeyStat
from vgit.clock import Clock
from vgit.localfs.fsync import sync_directory
from vgit.localfs.lockable_file import share_lock_if_free

_MAKE_ATTEMPTS = 10  # stock git removes directories that it finds empty, perhaps the one just made
_NAME_ATTEMPTS = 100  # A replayed run draws the same names as the one before it; a second draw differs.


def make_directory(path: str) -> None:
    """Make a directory and its missing parents, durably; nothing if it is there."""
    parent = os.path.dirname(path)
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        if parent == path:
            raise
        make_directory(parent)
        try:
            os.mkdir(path)
        except FileExistsError:
            pass  # Another writer was faster, and may die before its sync: ours counts for both.
    sync_directory(parent)


def create_file(path: str, flags: int, mode: int) -> int:
    """Return a descriptor of ``path``, opened with ``O_CREAT`` and ``flags``; makes way for it."""
    flags |= os.O_CREAT | os.O_CLOEXEC
    for _ in range(_MAKE_ATTEMPTS):
        try:
            return os.open(path, flags, mode)
        except FileNotFoundError:
            _make_directory_of(path)
        except IsADirectoryError:
            _remove_empty_directories(path)
    return os.open(path, flags, mode)


def create_temporary(root: str, key: str, mode: int, clock: Clock) -> tuple[int, str]:
    """Return the descriptor and path of a new file beside ``key`` that is not a key."""
    for _ in range(_NAME_ATTEMPTS):
        path = root + temporary_name(key, clock)
        try:
            fd = create_file(path, os.O_RDWR | os.O_EXCL, mode)
            share_lock_if_free(fd)  # as long as it is open, ``leftover.remove_leftover`` leaves it alone
            return fd, path
        except FileExistsError:
            continue
    raise OSError(errno.EAGAIN, "every random name was taken", path)


def rename_over(source: str, target: str) -> None:
    """Give ``source`` the name ``target``, in place of what was there; makes the directory if missing."""
    for _ in range(_MAKE_ATTEMPTS):
        try:
            return os.rename(source, target)
        except FileNotFoundError:
            if not os.path.lexists(source):
                raise
            _make_directory_of(target)
        except IsADirectoryError:
            _remove_empty_directories(target)
    return os.rename(source, target)


def _make_directory_of(path: str) -> None:
    try:
        make_directory(os.path.dirname(path))
    except FileNotFoundError:
        pass  # A parent was removed as soon as it was made; the caller tries again.


def _remove_empty_directories(path: str) -> None:
    """Remove directories that deleted values left behind; raises OSError if there is a file."""
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def walk(root: str, prefix: str) -> Iterator[KeyStat]:
    """Yield every file below ``root`` whose key starts with ``prefix``, in order of key.

    What vanishes meanwhile is left out. ``root`` ends in ``/``.
    """
    directory = prefix[: prefix.rfind("/") + 1]
    return _walk(root, directory, prefix)


def _walk(root: str, directory: str, prefix: str) -> Iterator[KeyStat]:
    for key, entry in _entries(root, directory):
        if not key.startswith(prefix):
            continue
        if key.endswith("/"):
            yield from _walk(root, key, prefix)
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        yield KeyStat(key, status.st_size, status.st_mtime_ns)


def walk_names(root: str, prefix: str) -> Iterator[str]:
    """Yield the key of every file below ``root`` that starts with ``prefix``, in any order."""
    waiting = [prefix[: prefix.rfind("/") + 1]]
    for directory in waiting:  # grows on the way
        if not directory.startswith(prefix[: len(directory)]):
            continue
        try:
            with os.scandir(root + directory) as scanned:
                entries = list(scanned)
            below = [entry.name for entry in entries if entry.is_dir()]
            waiting += [f"{directory}{name}/" for name in below]
            names = [entry.name for entry in entries] if not below else {entry.name for entry in entries} - {*below}
            found = [directory + name for name in names]
            yield from found if directory.startswith(prefix) else (key for key in found if key.startswith(prefix))
        except (FileNotFoundError, NotADirectoryError):
            continue


def _entries(root: str, directory: str) -> list[tuple[str, "os.DirEntry[str]"]]:
    """Return the keys in a directory, in order; a directory's ends in ``/``, and is sorted so."""
    try:
        with os.scandir(root + directory) as scanned:
            entries = list(scanned)
    except (FileNotFoundError, NotADirectoryError):
        return []
    keyed = [(directory + entry.name + ("/" if entry.is_dir() else ""), entry) for entry in entries]
    keyed.sort(key=lambda item: item[0])
    return keyed
