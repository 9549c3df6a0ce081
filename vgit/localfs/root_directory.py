"""Root directory: access to what is below one directory, by its descriptor, and never through a link.

A path is walked from that descriptor one component at a time, and never through
a symbolic link: whoever may write below it could otherwise lead its reader or
writer to any file of the machine.

Bulk work opens a directory once and then names its entries relative to it, one
system call an entry. The methods of ``RootDirectory`` walk the whole path each
time. What is missing raises FileNotFoundError, what may not be done
PermissionError, as from ``os``.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from vgit.errors import InvalidError, NotADirectoryConflict
from vgit.paths import Path, format_path, printable, require_utf8
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import shutil
else:
    shutil = lazy_import("shutil")

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # asks no right on the directory
_NOT_A_DIRECTORY = (errno.ENOTDIR, errno.ELOOP)
_NEVER_A_NAME = frozenset(("", ".", ".."))
_WORK = os.R_OK | os.W_OK | os.X_OK


def open_up(directory_fd: int, name: str) -> int:
    """Let entries be made in the directory ``name``, for good; return its permission bits as they were.

    Raises NotADirectoryConflict if it is none.
    """
    fd = _open_directory(directory_fd, (name,), 0, _STEP_FLAGS)
    try:
        before = stat.S_IMODE(os.fstat(fd).st_mode)
        if not may(fd, _WORK):
            set_mode(fd, before | stat.S_IRWXU)
    finally:
        os.close(fd)
    return before


class RootDirectory:
    """An open directory, by its descriptor; a context manager that closes it.

    ``path`` is how it was found, absolute; nothing here looks at it again.
    """

    def __init__(self, path: str, descriptor: int | None = None) -> None:
        require_utf8()  # every name comes from this descriptor, or goes to it
        self.path = os.path.abspath(path)
        # One that is given was inherited, and is from now on this object's to close. The directory itself may well be
        # reached through links: nothing below it may.
        self.fd = os.open(self.path, _DIRECTORY_FLAGS & ~os.O_NOFOLLOW) if descriptor is None else descriptor

    @classmethod
    def of_any_mode(cls, path: str) -> Self:
        """Open a directory also where its mode does not let it be listed; nothing can be synced by ``fd`` then."""
        try:
            return cls(path, os.open(path, _DIRECTORY_FLAGS & ~os.O_NOFOLLOW))
        except PermissionError:
            return cls(path, os.open(path, _STEP_FLAGS & ~os.O_NOFOLLOW))

    def reopen(self) -> None:
        """Open the same directory again, now that its mode lets it be listed."""
        opened = self.open_directory(())
        os.dup2(opened, self.fd, inheritable=False)
        os.close(opened)

    def close(self) -> None:
        """Close the descriptor; a second time does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open_directory(self, path: Path) -> int:
        """Return a descriptor of the directory ``path``, to be closed; its read position is its own."""
        if not path:
            return os.open(".", _DIRECTORY_FLAGS, dir_fd=self.fd)
        with self._parent(path) as parent_fd:
            return _open_directory(parent_fd, path, len(path) - 1, _DIRECTORY_FLAGS)

    @contextmanager
    def opened(self, path: Path) -> Iterator[int]:
        """Give a descriptor of the directory ``path`` as ``open_directory`` does, for a ``with`` block."""
        descriptor = self.open_directory(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_step(self, path: Path) -> int:
        """Return a descriptor of the directory ``path``, to be closed, that asks no right on it."""
        if not path:
            return os.dup(self.fd)
        with self._parent(path) as parent_fd:
            return _open_directory(parent_fd, path, len(path) - 1, _STEP_FLAGS)

    def lstat(self, path: Path) -> os.stat_result:
        """Return the stat of what stands at ``path``, of a link its own; NotADirectoryConflict as above."""
        if not path:
            return os.fstat(self.fd)
        _check_name(path[-1])
        with self._parent(path) as parent_fd:
            return os.stat(path[-1], dir_fd=parent_fd, follow_symlinks=False)

    def exists(self, path: Path) -> bool:
        """Return whether anything, also a dangling link, stands at ``path``."""
        try:
            self.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def make_directory(self, path: Path, mode: int) -> None:
        """Make the directory ``path`` with exactly these permission bits, whatever the umask."""
        _check_name(path[-1])
        with self._parent(path) as parent_fd:
            os.mkdir(path[-1], 0o700, dir_fd=parent_fd)
            fd = _open_directory(parent_fd, path, len(path) - 1, _STEP_FLAGS)
            try:
                set_mode(fd, mode)
            finally:
                os.close(fd)

    @contextmanager
    def _parent(self, path: Path) -> Iterator[int]:
        fd = self.fd
        try:
            for depth in range(len(path) - 1):
                child_fd = _open_directory(fd, path, depth, _STEP_FLAGS)
                if fd != self.fd:
                    os.close(fd)
                fd = child_fd
            yield fd
        finally:
            if fd != self.fd:
                os.close(fd)


def remove_entry(directory_fd: int, name: str) -> None:
    """Remove what stands at ``name``, a directory with all that is in it."""
    try:
        os.unlink(name, dir_fd=directory_fd)
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=directory_fd)


def _open_directory(directory_fd: int, path: Path, depth: int, flags: int) -> int:
    """Open component ``depth`` of ``path``, relative to the one before it."""
    name = path[depth]
    _check_name(name)
    try:
        return os.open(name, flags, dir_fd=directory_fd)
    except OSError as error:
        shown = printable(format_path(path[: depth + 1]))
        if error.errno not in _NOT_A_DIRECTORY:
            error.filename = shown
            raise
        kind = "a symbolic link" if _is_link(directory_fd, name) else "a file"
        raise NotADirectoryConflict(
            f"Path component {shown!r} is {kind}, not a directory; vgit never follows links out of a mount."
        ) from None


def _is_link(directory_fd: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _check_name(name: str) -> None:
    """Refuse what leaves the directory. Trees and paths were checked when parsed: this is the last door."""
    if name in _NEVER_A_NAME or "/" in name:
        raise InvalidError(f"{printable(name)!r} is not the name of a directory entry.")


def may(fd: int, what: int) -> bool:
    """Whether we may do ``what`` (os.R_OK, ...) with the directory ``fd``, which may be open as a path only."""
    # Asks the kernel, which knows of root, groups and ACLs. Finding "." needs the right to search anyway.
    return os.access(".", what, dir_fd=fd, effective_ids=True)


def set_mode(fd: int, mode: int) -> None:
    """Set the permission bits of the directory ``fd``, which may be open as a path only."""
    # fchmod refuses O_PATH descriptors, and a directory without r opens in no other way. This link is the
    # kernel's: it leads to what is open, whatever stands under its name now.
    os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(mode))
