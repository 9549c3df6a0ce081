"""Scan: working directory against stat cache; one ``lstat`` per path and no file opened.

A path is clean if its row equals what ``lstat`` gives, field by field (a row
that must not be trusted equals nothing). *Removed* means absent from a complete
listing of its directory: an error on the way stops removals below it, and a
directory whose mtime moved while it was listed is listed again before its
removals are believed.

A directory that is a mount of its own (one that was moved here) is left out
whole, as git leaves out a repository in another: its files are published by
its own commits. What is published at its path stays.
"""

import os
import stat
from collections.abc import Callable, Collection
from typing import NamedTuple

from vgit.errors import InvalidError
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import PackedRows
from vgit.files.temporary_access import TemporaryAccess
from vgit.localfs.file_stat import FARTHEST_NS, BareStat, Stat, to_stat
from vgit.mount.root import MountRoot
from vgit.mount.submounts import GONE
from vgit.paths import MOUNT_FILE, ROOT, STATE_NAME, Path, encode_name, is_state_name
from vgit.runtime.cancel import checkpoint

_TRIES = 5
_KEPT_KINDS = {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK}


class Scan(NamedTuple):
    """What differs between a working directory and its rows. Paths come in path order."""

    changed: dict[Path, list[tuple[str, BareStat]]]  # by directory: names whose lstat differs from their row's
    removed: list[Path]  # directories after what was in them
    directories: dict[Path, Stat]  # every directory that was listed, the root included
    left_out: list[Omitted]  # what was not looked at; nothing below it counts as removed


class _Listing(NamedTuple):
    changed: list[tuple[str, BareStat]]
    missing: dict[str, BareStat]  # rows without a file
    below: list[str]  # names of directories
    replaced: list[str]  # names that were directories and are something else now
    left_out: list[Omitted]
    own: Stat


class _IsMount(Exception):
    """A directory below the mount is a mount of its own: it was moved there."""


class Scanner:
    """One scan: what it compares with, and what it has found so far."""

    def __init__(
        self,
        root: MountRoot,
        rows: dict[Path, PackedRows],
        mapped: Collection[int] = (),
        take: Callable[[Path, list[tuple[str, BareStat]]], list[tuple[str, BareStat]]] | None = None,
        *,
        access: TemporaryAccess,
        gone: Collection[Path] = (),
    ) -> None:
        self._root = root
        self._rows = rows
        self._take = take or (
            lambda _, changed: changed
        )  # who reads what changed takes it at once, and leaves the rest
        self._mapped = mapped  # inodes that a process maps shared and writable: stores into them move no time
        self._access = access
        self._gone = gone  # where another file system is mounted than before, or none any more
        self._closed: list[Path] = []  # directories of ours that their modes do not let us list
        self._entered: set[Path] = set()
        self._found = Scan({}, [], {}, [])

    def run(self) -> Scan:
        """Scan the whole working directory."""
        waiting: list[Path] = [ROOT]
        while waiting or self._closed:
            checkpoint()
            if not waiting:  # all of them at once: it takes a note in the journal
                waiting = self._enter()
            directory = waiting.pop()
            listing = self._list(directory)
            if listing is None:
                continue
            if self._gone:
                listing = self._without_what_is_gone(directory, listing)
            self._found.directories[directory] = listing.own
            self._found.left_out.extend(listing.left_out)
            if listing.changed:
                rest = self._take(directory, _in_order(listing.changed))
                if rest:
                    self._found.changed[directory] = rest
            for name in listing.missing:
                self._remove((*directory, name))
            for name in listing.replaced:
                self._remove_below((*directory, name))
            waiting += [(*directory, name) for name in sorted(listing.below, reverse=True)]
        self._root.check_unmoved()  # else what was removed with the mount itself would look removed in it
        return self._found

    def _without_what_is_gone(self, directory: Path, listing: _Listing) -> _Listing:
        """Return a listing without removals, and without modes, that come of another file system being mounted."""
        changed = [item for item in listing.changed if (*directory, item[0]) not in self._gone]
        listing = listing._replace(changed=changed)
        if listing.missing and self._is_gone_with_what_was_mounted(directory):
            listing = listing._replace(missing={})
        return listing

    def _is_gone_with_what_was_mounted(self, directory: Path) -> bool:
        point = next((point for point in self._gone if directory[: len(point)] == point), None)
        if point is not None and all(one.path != point for one in self._found.left_out):
            self._found.left_out.append(Omitted(point, LeftOutKind.UNREADABLE, GONE))
        return point is not None

    def _enter(self) -> list[Path]:
        """Open the directories that are closed; return them in the order to list them in."""
        closed, self._closed = self._closed, []
        self._entered.update(closed)
        try:
            self._access.allow_own(closed)
        except OSError:
            pass  # listing them will say so
        return sorted(closed, reverse=True)

    def _list(self, directory: Path) -> _Listing | None:
        """List one directory until its removals can be believed; None if it cannot be listed."""
        try:
            descriptor = self._root.open_directory(directory)
        except (OSError, InvalidError) as error:
            if isinstance(error, PermissionError) and directory not in self._entered:
                self._closed.append(directory)
            elif not isinstance(error, FileNotFoundError):
                self._found.left_out.append(Omitted.unreadable(directory, error))
            return None
        try:
            for _ in range(_TRIES):
                before = os.fstat(descriptor)
                own = to_stat(before)
                own = own._replace(mode=self._access.permanent_mode(directory, own.mode))
                listing = self._list_once(directory, descriptor, own)
                if not listing.missing or os.fstat(descriptor).st_mtime_ns == before.st_mtime_ns:
                    return listing
            changing = Omitted(directory, LeftOutKind.UNREADABLE, "it kept changing while it was listed")
            return listing._replace(missing={}, left_out=[*listing.left_out, changing])
        except OSError as error:
            if isinstance(error, PermissionError) and directory not in self._entered:
                self._closed.append(directory)  # one that can be listed, and not searched
            else:
                self._found.left_out.append(Omitted.unreadable(directory, error))
            return None
        except _IsMount:
            self._forget(directory)
            return None
        finally:
            os.close(descriptor)

    def _list_once(self, directory: Path, descriptor: int, own: Stat) -> _Listing:
        packed = self._rows.get(directory)
        known = packed.by_name() if packed is not None else {}
        mapped = self._mapped
        changed: list[tuple[str, BareStat]] = []
        below: list[str] = []
        replaced: list[str] = []
        left_out: list[Omitted] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone since it was listed
                mode, mtime_ns = found.st_mode, found.st_mtime_ns
                now: BareStat = (mode, found.st_size, mtime_ns, found.st_ctime_ns, found.st_ino)
                old = known.pop(name, None)
                if old == now and not (mode & 0o170000 == 0o040000 or (mapped and found.st_ino in mapped)):
                    continue
                if not -FARTHEST_NS < mtime_ns < FARTHEST_NS:
                    now = to_stat(found)
                    if old == now and mode & 0o170000 == 0o100000 and found.st_ino not in mapped:
                        continue
                if is_state_name(name):  # not at first: what is known and as it was is by far the most
                    left_out += self._kept_name(directory, descriptor, name)
                    continue  # and a row that an older vgit made of it stays as well
                if mode & 0o170000 == 0o040000:
                    below.append(name)
                    if old is None or _mode(old) != mode:
                        changed.append((name, now))
                elif stat.S_IFMT(mode) in _KEPT_KINDS:
                    changed.append((name, now))
                    if old is not None and stat.S_ISDIR(_mode(old)):
                        replaced.append(name)
                else:
                    left_out.append(_device((*directory, name), mode))
                    if old is not None:
                        known[name] = old  # a device in the place of a file: the file is gone
        return _Listing(changed, known, below, replaced, left_out, own)

    def _kept_name(self, directory: Path, descriptor: int, name: str) -> list[Omitted]:
        """Return what to tell of a name that is never scanned; raise _IsMount if it makes its directory a mount."""
        if not directory and name == STATE_NAME:
            return []
        try:
            os.stat(f"{name}/{MOUNT_FILE}", dir_fd=descriptor, follow_symlinks=False)
        except PermissionError:
            pass  # another user's
        except OSError:
            return [Omitted.of(LeftOutKind.NAME, (*directory, name))]
        if directory:
            raise _IsMount
        return []

    def _forget(self, directory: Path) -> None:
        """Take a directory that is a mount out of what was found; what is published of it stays as it is."""
        self._found.left_out.append(Omitted.of(LeftOutKind.MOUNT, directory))
        parent, name = directory[:-1], directory[-1]
        rest = [item for item in self._found.changed.pop(parent, []) if item[0] != name]
        if rest:
            self._found.changed[parent] = rest

    def _remove(self, path: Path) -> None:
        """Note the removal of a path and of all that its rows say was in it, that first."""
        self._remove_below(path)
        self._found.removed.append(path)

    def _remove_below(self, path: Path) -> None:
        waiting = [path]
        gone: list[Path] = []
        while waiting:
            one = waiting.pop()
            packed = self._rows.get(one)
            if packed is not None:
                below = [(*one, name) for name in packed.names()]
                gone += below
                waiting += below
        self._found.removed.extend(reversed(gone))


def _mode(now: BareStat) -> int:
    mode, *_ = now
    return mode


def _device(path: Path, mode: int) -> Omitted:
    reason = "block device" if stat.S_ISBLK(mode) else "character device" if stat.S_ISCHR(mode) else "special file"
    return Omitted(path, LeftOutKind.DEVICE, reason)


def _in_order(changed: list[tuple[str, BareStat]]) -> list[tuple[str, BareStat]]:
    """Return what changed in the order of names as bytes, which of ASCII is that of text."""
    if all(map(str.isascii, [name for name, _ in changed])):
        return sorted(changed)
    return sorted(changed, key=_by_bytes)


def _by_bytes(item: tuple[str, BareStat]) -> bytes:
    return encode_name(item[0])
