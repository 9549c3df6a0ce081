"""Local tree: what a local directory holds, as entries to be and files to be read.

Links are kept and never followed, so are empty directories, FIFOs and sockets;
a device is refused, as no volume can hold one. The state of a mount is no
content; what else is named ``.vgit`` is left out, and yielded as that.
"""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from vgit.errors import InvalidError, NotADirectoryConflict, NotFoundError
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.temporary_access import TemporaryAccess
from vgit.localfs.file_stat import bounded
from vgit.paths import MODES_NAME, MOUNT_FILE, Path, encode_name, is_state_name, printable
from vgit.runtime.cancel import checkpoint
from vgit.tree.entry import NO_GIT_ENTRY, Entry, directory_entry


class LocalFile(NamedTuple):
    """A regular file that is yet to be read."""

    local: str
    size: int  # when it was looked at, bytes
    mode: int | None = None  # permission bits that it is to get; None: its own
    follow: bool = False  # whether it may be a link to a file
    owner: int | None = None  # of the directory that it is put with; None: it is put by itself


class LocalLink(NamedTuple):
    """A symlink."""

    target: bytes
    mode: int
    mtime_ns: int


LocalItem: TypeAlias = LocalFile | LocalLink | Entry | Omitted  # an Entry: a directory, FIFO or socket


def walk_local(local: str, access: TemporaryAccess, *, recursive: bool) -> Iterator[tuple[Path, LocalItem]]:
    """Yield what is in a local directory by its path from there: itself first, directories before what is in them.

    Without ``recursive`` its directories are left out. Those of ours that may not be listed are opened by
    ``access``, and come last. NotFoundError and NotADirectoryConflict if ``local`` is no directory; other
    trouble as an OSError.
    """
    waiting: list[tuple[Path, str]] = [((), local)]
    closed: dict[Path, str] = {}
    entered: set[Path] = set()
    owner: int | None = None
    while waiting or closed:
        if not waiting:  # all of them at once: it takes a note
            access.allow_own(closed)
            entered.update(closed)
            waiting, closed = [*reversed(closed.items())], {}
        path, where = waiting.pop()
        try:
            names, own = _list(where, is_top=not path)
        except PermissionError:
            if path in entered:
                raise
            closed[path] = where
            continue
        owner = own.st_uid if owner is None else owner
        yield path, directory_entry(access.permanent_mode(path, own.st_mode), bounded(own.st_mtime_ns))
        below = []
        for name, found in names:
            checkpoint()
            inside = os.path.join(where, name)
            if is_state_name(name):
                if not _is_state(inside):
                    yield (*path, name), Omitted.of(LeftOutKind.NAME, (*path, name))
            elif not stat.S_ISDIR(found.st_mode):
                yield (*path, name), _item(inside, found, owner)
            elif recursive:
                below.append(((*path, name), inside))
        waiting += reversed(below)


def _list(where: str, *, is_top: bool) -> tuple[list[tuple[str, os.stat_result]], os.stat_result]:
    """Return what is in a directory, by name, and its own stat."""
    names = []
    try:
        with os.scandir(where) as found:
            for one in found:
                try:
                    names.append((one.name, one.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    continue  # gone since it was listed
        own = os.stat(where, follow_symlinks=is_top)
    except FileNotFoundError as error:
        raise gone(where) from error
    except NotADirectoryError as error:
        if not is_top:
            raise gone(where) from error
        raise NotADirectoryConflict(f"{printable(where)} is not a directory; put_file uploads a file.") from error
    if not stat.S_ISDIR(own.st_mode):
        raise gone(where)  # it was a directory a moment ago
    names.sort(key=lambda item: encode_name(item[0]))
    return names, own


def _is_state(where: str) -> bool:
    """Return whether what is named so is our own: the state of a mount, or modes to be set back."""
    if os.path.basename(where).lower() == MODES_NAME:
        return True
    try:
        os.stat(os.path.join(where, MOUNT_FILE), follow_symlinks=False)
    except PermissionError:
        return True  # another user's
    except OSError:
        return False
    return True


def _item(where: str, found: os.stat_result, owner: int | None) -> LocalItem:
    kind, mtime_ns = stat.S_IFMT(found.st_mode), bounded(found.st_mtime_ns)
    if kind == stat.S_IFREG:
        return LocalFile(where, found.st_size, owner=owner)
    if kind == stat.S_IFLNK:
        try:
            return LocalLink(encode_name(os.readlink(where)), found.st_mode, mtime_ns)
        except FileNotFoundError as error:
            raise gone(where) from error
    if kind in (stat.S_IFIFO, stat.S_IFSOCK):
        return Entry(found.st_mode, NO_GIT_ENTRY, None, 0, mtime_ns, None)
    raise InvalidError(f"cannot upload {printable(where)}: it is a device, which no volume can hold.")


def gone(where: str) -> NotFoundError:
    """Return the error for a local path that is not there, or not what it was a moment ago."""
    return NotFoundError(f"No such local file or directory: {printable(where)}. Nothing was uploaded.")
