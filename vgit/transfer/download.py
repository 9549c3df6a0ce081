"""Download: what a published state holds, made on the file system of this machine.

    plan     all of it against what stands there already: a conflict raises before anything is written
    make     what is missing, under names ``.NAME.vgit-…`` beside the names that are meant; new directories whole
    sync     so that not even a power loss shows a name with half of what belongs to it
    rename   to the names that are meant

The last three are done for 10,000 files or 1 GiB at a time, or one new directory however large it is.
If something goes wrong, what has not got its name yet is removed; only a process that is
killed leaves such names behind. A directory that exists already keeps its mode; if that is closed to
its owner, it is opened for the time of the download, and of one that is killed the next one sets it back.
"""

import errno
import os
import stat
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from vgit.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptObjectError,
    Error,
    InvalidError,
    IsADirectoryConflict,
)
from vgit.files.entry_writer import EntryWriter, damaged_content
from vgit.files.noted_access import noted_access
from vgit.files.tree_writer import BATCH_BYTES, BATCH_FILES, NEW_DIRECTORY_MODE, NewDirectory, finish_directories
from vgit.localfs.file_systems import NAME_BYTES
from vgit.localfs.fsync import FsyncSet
from vgit.localfs.root_directory import RootDirectory, set_mode
from vgit.localfs.syscalls import rename_noreplace
from vgit.paths import Path, encode_name
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.runtime.lazy_import import lazy_import
from vgit.transfer.local_target import DownloadSource, LocalTarget, Missing, entries_of, locate
from vgit.transfer.transfer_progress import NoProgress, Progress
from vgit.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import shutil
else:
    shutil = lazy_import("shutil")

_SUFFIX = ".vgit-"
_IMPOSSIBLE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


class _Made(NamedTuple):
    """Something that is whole, but not yet at its name."""

    path: Path
    temporary: str  # beside it
    entry: Entry


def download(
    repository: Repository,
    source: DownloadSource,
    destination: str,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Make ``source`` at ``destination``: in a directory that exists under its name, else at that very path.

    A directory comes whole, and is merged into one that exists. ``force`` replaces files, and removes nothing else.
    Content is checked by its BLAKE3. Raises AlreadyExistsError, ConflictError or InvalidError before
    anything is written; CorruptObjectError; OSError for what the local file system refuses.
    """
    into = locate(repository, source, destination)
    watched = progress or NoProgress()
    with noted_access(into.directory) as (root, access):
        target = LocalTarget(repository, root, into.wanted, access, replace=force)
        for missing in target.missing():
            watched.expect(*target.count(missing))
        with _Download(repository, root, target, source, into.depth, watched) as run:
            for missing in target.missing():
                run.make(missing)
            run.publish()


class _Download:
    """What was made so far; a context manager that removes what has not got its name."""

    def __init__(
        self,
        repository: Repository,
        root: RootDirectory,
        target: LocalTarget,
        source: DownloadSource,
        depth: int,
        progress: Progress,
    ) -> None:
        self._repository = repository
        self._root = root
        self._target = target
        self._source = source
        self._depth = depth
        self._progress = progress
        self._entry_writer = EntryWriter(repository.objects, read_only=False, wrote=self._wrote)
        self._made: deque[_Made] = deque()
        self._batch_bytes = 0
        self._filled: list[NewDirectory] = []  # their modes come last: whatever is in one must be removable until then
        self._unsynced = FsyncSet()
        self._prefix = repository.clock.random_bytes(4).hex()

    def __enter__(self) -> "_Download":
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._discard()
        finally:
            self._unsynced.close()

    def make(self, missing: Missing) -> None:
        """Make one thing under a temporary name; publish if that is enough for a batch."""
        path, entry = missing.path, missing.entry
        temporary = self._temporary_name(path[-1])
        self._made.append(_Made(path, temporary, entry))
        if entry.is_directory:
            self._make_directory(missing.directory_fd, temporary, path)
            self._fill((*path[:-1], temporary), path, entry)
            self._unsynced.add_file_system(missing.directory_fd)
        else:
            self._make_file(missing.directory_fd, temporary, path, entry)
            self._batch_bytes += entry.size
            if entry.kind is Kind.FILE:  # a few alone, not all that anybody has written lately
                self._unsynced.add_new_file(missing.directory_fd, temporary)
            else:
                self._unsynced.add_file_system(missing.directory_fd)
        if len(self._made) >= BATCH_FILES or self._batch_bytes >= BATCH_BYTES:
            self.publish()

    def publish(self) -> None:
        """Give what was made its names."""
        deque(finish_directories(self._root, self._filled), maxlen=0)
        self._unsynced.sync()
        self._unsynced.close()
        parent: Path | None = None
        descriptor = -1
        with ExitStack() as stack:
            while self._made:
                made = self._made[0]
                if made.path[:-1] != parent:
                    stack.close()
                    parent = made.path[:-1]
                    descriptor = self._root.open_directory(parent)
                    stack.callback(os.close, descriptor)
                self._rename(descriptor, made)
                self._made.popleft()
        self._filled.clear()
        self._batch_bytes = 0

    def _wrote(self, size_bytes: int) -> None:
        checkpoint()
        self._progress.advance(0, size_bytes)

    def _fill(self, staged: Path, path: Path, entry: Entry) -> None:
        """Make what is in a new directory, which stands at ``staged`` for now."""
        waiting = [(staged, path, entry)]
        while waiting:
            staged, path, entry = waiting.pop()
            self._filled.append(self._as_new(staged, path, entry))
            with self._root.opened(staged) as descriptor:
                below = self._fill_one(descriptor, path, entry)
            waiting += [((*staged, name), (*path, name), one) for name, one in reversed(below)]

    def _fill_one(self, descriptor: int, path: Path, entry: Entry) -> list[tuple[str, Entry]]:
        """Make what one directory holds; return the directories in it, which are empty."""
        below = []
        for name, one in entries_of(self._repository, entry).items():
            if one.is_directory:
                self._make_directory(descriptor, name, (*path, name))
                below.append((name, one))
            else:
                self._make_file(descriptor, name, (*path, name), one)
        return below

    def _make_file(self, descriptor: int, name: str, path: Path, entry: Entry) -> None:
        try:
            self._entry_writer.write(descriptor, name, entry)
        except (OSError, CorruptObjectError) as error:
            self._explain(error, path)
        self._progress.advance(1, 0)

    def _make_directory(self, descriptor: int, name: str, path: Path) -> None:
        try:
            os.mkdir(name, NEW_DIRECTORY_MODE, dir_fd=descriptor)
        except OSError as error:
            self._explain(error, path)

    def _as_new(self, staged: Path, path: Path, entry: Entry) -> NewDirectory:
        is_told = len(path) > self._depth or self._source.path  # when a volume's root was changed is not recorded
        mode = self._entry_writer.permissions(entry.mode)
        return NewDirectory(staged, mode, entry.mtime_ns if is_told else None)

    def _open_up(self, path: Path) -> None:
        descriptor = self._root.open_step(path)
        try:
            set_mode(descriptor, stat.S_IRWXU)
        finally:
            os.close(descriptor)

    def _rename(self, descriptor: int, made: _Made) -> None:
        name = made.path[-1]
        try:
            rename_noreplace(descriptor, made.temporary, descriptor, name)
        except FileExistsError as error:
            self._target.check_spelling(made.path)
            if self._target.replace and not made.entry.is_directory:
                self._replace(descriptor, made)
                return
            raise AlreadyExistsError(f"{self._target.local(made.path)} was made by somebody else meanwhile.") from error
        except OSError as error:
            self._explain(error, made.path)

    def _replace(self, descriptor: int, made: _Made) -> None:
        try:
            os.rename(made.temporary, made.path[-1], src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except IsADirectoryError as error:
            raise IsADirectoryConflict(
                f"{self._target.local(made.path)} became a directory meanwhile; a file cannot replace it."
            ) from error
        except OSError as error:
            self._explain(error, made.path)

    def _discard(self) -> None:
        """Remove what has not got its name. An error of that is not told: the one that led here says more."""
        for path, mode, _ in self._filled if self._made else []:
            if mode & stat.S_IRWXU != stat.S_IRWXU:
                try:
                    self._open_up(path)
                except OSError:
                    pass  # it cannot be opened: then its removal fails too
        for made in self._made:
            try:
                descriptor = self._root.open_directory(made.path[:-1])
            except OSError:
                continue
            try:
                if made.entry.is_directory:
                    shutil.rmtree(made.temporary, ignore_errors=True, dir_fd=descriptor)
                else:
                    os.unlink(made.temporary, dir_fd=descriptor)
            except OSError:
                pass
            finally:
                os.close(descriptor)

    def _temporary_name(self, name: str) -> str:
        suffix = f"{_SUFFIX}{self._prefix}{len(self._made):x}"
        # A character that is cut through would be a name that some file systems refuse.
        kept = encode_name(name)[: NAME_BYTES - 1 - len(suffix)].decode("utf-8", "ignore")
        return f".{kept}{suffix}"

    def _explain(self, error: Exception, path: Path) -> NoReturn:
        """Raise ``error`` with what it is about: the path in the volume, or on this machine."""
        local = self._target.local(path)
        if isinstance(error, CorruptObjectError):
            where = self._source.path + path[self._depth :]
            raise damaged_content(error, where, self._source.revision) from error
        if isinstance(error, Error) or not isinstance(error, OSError):
            raise error
        if isinstance(error, FileExistsError):
            raise ConflictError(f"{local}: this file system takes two names of the volume for one.") from error
        if error.errno in _IMPOSSIBLE_NAME:
            raise InvalidError(f"{local} cannot be on this file system: {error.strerror}.") from error
        raise OSError(error.errno, error.strerror, local) from error
