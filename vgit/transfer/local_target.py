"""Local target: the directory of this machine that a download writes into, and what is in its way there.

    there                        a file, link, ... is wanted     a directory is wanted
    nothing                      made                            made
    file, link, FIFO, socket     AlreadyExistsError, or          NotADirectoryConflict
                                 replaced if allowed
    device                       ConflictError                   NotADirectoryConflict
    directory                    IsADirectoryConflict            fine: they become one

A link is never followed, except in the path that the caller gave: what a directory holds may be anybody's.
Directories that are there, and that their modes close to us, are opened for the time of the download.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vgit.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.files.temporary_access import TemporaryAccess
from vgit.files.tree_writer import entries_to_write
from vgit.ids import CommitId, TreeId
from vgit.localfs.file_systems import NAME_BYTES
from vgit.localfs.root_directory import RootDirectory, may
from vgit.localfs.spelling import Spelling
from vgit.paths import ROOT, Path, encode_name, format_path, is_state_name, printable
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.tree.entry import Entry, Kind

_ORDINARY_UMASK = 0o022
_WORK = os.W_OK | os.X_OK


class DownloadSource(NamedTuple):
    """What of a volume is wanted."""

    revision: CommitId
    path: Path
    entry: Entry


class Destination(NamedTuple):
    """Where it is wanted: ``wanted`` are to be the names in ``directory``, which exists."""

    directory: str
    wanted: Mapping[str, Entry]
    depth: int  # how many names of a path below ``directory`` come before those below the source


class Missing(NamedTuple):
    """Something that has to be made, all that is below it included."""

    directory_fd: int  # open until the next one is asked for
    path: Path  # below the target
    entry: Entry


def locate(repository: Repository, source: DownloadSource, destination: str) -> Destination:
    """Return where ``source`` goes: into a directory that exists under its name, else to ``destination`` itself.

    What a volume's root holds goes directly into a directory that exists. Raises NotFoundError where
    the directory to write into is missing, ConflictError where something other than a file stands.
    """
    try:
        found = os.stat(destination)
    except FileNotFoundError:
        found = None
    if found is not None and stat.S_ISDIR(found.st_mode):
        if source.path:
            return Destination(destination, {_checked(source.path[-1]): source.entry}, 1)
        return Destination(destination, entries_of(repository, source.entry), 0)
    shown = printable(destination)
    if found is not None and source.entry.is_directory:
        raise NotADirectoryConflict(f"{shown} is a file; a directory cannot replace it.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise ConflictError(f"{shown} is not a file that can be replaced. '-' writes to standard output.")
    directory, name = os.path.split(destination.rstrip("/"))
    if not name:
        raise InvalidError("Invalid destination: it is empty. Give '.' for the current directory.")
    if not os.path.isdir(directory or "."):
        raise NotFoundError(f"No such directory: {printable(directory)}. Make it first.")
    if not source.entry.is_directory and destination.endswith("/"):
        raise NotFoundError(f"No such directory: {shown}. Make it first, or leave the / at its end away.")
    return Destination(directory or ".", {_checked(name): _as_new(repository, source)}, 1)


def _as_new(repository: Repository, source: DownloadSource) -> Entry:
    """Return what is to be made. A directory for a volume's root is one as any other, if nobody has set its mode."""
    entry = source.entry
    if source.path or entry.id is None or repository.root(TreeId(entry.id)).mode is not None:
        return entry
    return entry._replace(mode=stat.S_IFDIR | 0o777 & ~_umask())


def _umask() -> int:
    """Return the mask of this process: asked of the system by ``os.umask``, other threads would be without it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line[6:], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration):  # no /proc
        return _ORDINARY_UMASK


def _checked(name: str) -> str:
    """Return a name to write to, unless what is written there could be taken for a mount's state."""
    if is_state_name(name):
        raise InvalidError(f"{printable(name)!r} is a name kept for mounts; give another as destination.")
    return name


def entries_of(repository: Repository, directory: Entry) -> Mapping[str, Entry]:
    """Return what of a directory of a volume is to be made."""
    assert directory.id is not None, "a directory that is read from a tree has an id"
    return entries_to_write(repository.directories, TreeId(directory.id))


class LocalTarget:
    """An open directory, and what is to be in it; ``access`` opens what is closed."""

    def __init__(
        self,
        repository: Repository,
        root: RootDirectory,
        wanted: Mapping[str, Entry],
        access: TemporaryAccess,
        *,
        replace: bool,
    ) -> None:
        self._repository = repository
        self._root = root
        self._access = access
        self._entered: set[Path] = set()  # directories that were closed, and are open now if they are ours
        self._wanted = wanted
        self.replace = replace
        self._name_max = _name_max(root.fd)
        self._spelling = Spelling(root)

    def local(self, path: Path) -> str:
        """Return ``path`` as the caller's file system has it, for messages."""
        return printable(os.path.join(self._root.path, *path))

    def check_spelling(self, path: Path) -> None:
        """Raise ConflictError if what stands at ``path`` has another name, which the file system takes for this one."""
        other = self._spelling.other(path)
        if other is not None:
            raise ConflictError(f"{self.local(path)} cannot be made: {other}. Get it into a directory of its own.")

    def missing(self) -> Iterator[Missing]:
        """Yield what has to be made, directory by directory; raise at the first thing that is in the way."""
        waiting = [(ROOT, self._wanted)]
        closed: dict[Path, Mapping[str, Entry]] = {}
        while waiting or closed:
            checkpoint()
            if not waiting:  # all that are closed at once: it takes a note
                self._enter(closed)
                waiting, closed = [*reversed(closed.items())], {}
            parent, wanted = waiting.pop()
            descriptor = self._open(parent)
            if descriptor is None:
                closed[parent] = wanted
                continue
            below = []
            try:
                for name, entry in wanted.items():
                    path = (*parent, name)
                    if entry.kind is Kind.GITLINK:  # the source itself may be one
                        continue
                    there = _stat(descriptor, name)
                    if there is not None:
                        self.check_spelling(path)
                    if there is not None and self._is_merged(path, entry, there):
                        below.append((path, entry))
                    else:
                        yield Missing(descriptor, path, entry)
            finally:
                os.close(descriptor)
            waiting += [(path, entries_of(self._repository, entry)) for path, entry in reversed(below)]

    def _enter(self, closed: Iterable[Path]) -> None:
        self._access.allow_own(closed)
        self._entered.update(closed)

    def _open(self, path: Path) -> int | None:
        """Open a directory that exists; None if its mode closes it to us, and it is not entered yet."""
        try:
            descriptor = self._root.open_directory(path)
        except PermissionError as error:
            if path not in self._entered:
                return None
            raise PermissionError(error.errno, error.strerror, self.local(path)) from error
        if path in self._entered or may(descriptor, _WORK):
            return descriptor
        os.close(descriptor)
        return None

    def count(self, missing: Missing) -> tuple[int, int]:
        """Return how many files, and bytes in files, are to be made; InvalidError for a name that cannot be."""
        files = size_bytes = 0
        self._check_name(missing.path[:-1], missing.path[-1])
        waiting = [(missing.path, missing.entry)]
        while waiting:
            checkpoint()
            path, entry = waiting.pop()
            if not entry.is_directory:
                files += 1
                size_bytes += entry.size if entry.kind is Kind.FILE else 0
                continue
            for name, one in entries_of(self._repository, entry).items():
                self._check_name(path, name)
                if one.is_directory:
                    waiting.append(((*path, name), one))
                else:
                    files += 1
                    size_bytes += one.size if one.kind is Kind.FILE else 0
        return files, size_bytes

    def _is_merged(self, path: Path, entry: Entry, there: os.stat_result) -> bool:
        """Return whether ``path`` is a directory on both sides; False: a file that may be replaced."""
        kind = stat.S_IFMT(there.st_mode)
        if entry.is_directory:
            if kind == stat.S_IFDIR:
                return True
            what = "symbolic link" if kind == stat.S_IFLNK else "file"
            raise NotADirectoryConflict(f"{self.local(path)} is a {what}; a directory cannot replace it.")
        if kind == stat.S_IFDIR:
            raise IsADirectoryConflict(f"{self.local(path)} is a directory; a file cannot replace it.")
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            raise ConflictError(f"{self.local(path)} is a device; a file cannot replace it.")
        if not self.replace:
            raise AlreadyExistsError(
                f"{self.local(path)} exists already, and nothing was written. force=True replaces files."
            )
        return False

    def _check_name(self, parent: Path, name: str) -> None:
        # No character takes more than 4 bytes: nearly all names need no second look.
        if len(name) * 4 > self._name_max and len(encode_name(name)) > self._name_max:
            raise InvalidError(
                f"{printable(format_path((*parent, name)))!r} has a name of {len(encode_name(name))} bytes; this file"
                f" system takes {self._name_max}. `vgit cat`, or a '-' as destination, reads it all the same."
            )


def _stat(directory_fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # then nothing has it; `count` refuses it
            return None
        raise


def _name_max(fd: int) -> int:
    try:
        return os.fpathconf(fd, "PC_NAME_MAX")
    except OSError:
        return NAME_BYTES
