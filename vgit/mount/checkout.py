"""Checkout: a whole tree into a directory that nobody has seen yet.

Files are written in place, in path order, which is the order of their blobs in
the packs. If it is cut off the mount has no base, and it is simply done again.
Directory modes and mtimes come last, bottom-up, so that a directory without
``w`` can be filled first.

What somebody else puts there meanwhile stays, as a local change. A file in the
way is the checkout's own only if it is the beginning of what is to be there: an
earlier one that was cut off, or a worker that died, left it.

The work is cut into parts of a directory, which other processes may do as well:
each opens the store for itself, writes, and returns the rows packed as they are
kept. They hold the mount's lock, so that none still writes when the next
operation begins, whatever became of the process that started them.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from vgit.backend import Backend
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import CorruptObjectError, NotADirectoryConflict
from vgit.files.entry_writer import EntryWriter, raise_with_path
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import Packed, Row, join_rows, pack_rows, untrust_from
from vgit.files.tree_writer import NEW_DIRECTORY_MODE, NewDirectory, finish_directories
from vgit.ids import CommitId, TreeId
from vgit.localfs.root_directory import RootDirectory, open_up
from vgit.localfs.spelling import Spelling
from vgit.localfs.write_hints import WriteBack
from vgit.mount.half_made import is_half_made
from vgit.mount.stat_cache import StatCache
from vgit.paths import ROOT, Path, is_state_name
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.runtime.worker_processes import WorkerProcesses
from vgit.tree.entry import Entry, Kind

_PART_ENTRIES = 200


class DirectoryPart(NamedTuple):
    """What is done in one go: so many entries of one directory."""

    path: Path
    tree: TreeId
    start: int


class Below(NamedTuple):
    """A directory in a part, which exists."""

    name: str
    entry: Entry
    found_mode: int | None  # of one that was there already


class Filled(NamedTuple):
    """What became of a part."""

    rows: Packed
    newest_ns: int  # the latest ctime among them
    below: list[Below]
    kept: list[tuple[str, Entry, str]]  # what was to be where something else stands, and why it cannot ("": a change)
    total: int  # entries of the whole directory


class Filler:
    """Does parts of a checkout; in whichever process."""

    def __init__(
        self, repository: Repository, root: RootDirectory, entry_writer: EntryWriter, revision: CommitId
    ) -> None:
        self._repository = repository
        self._root = root
        self._entry_writer = entry_writer
        self._spelling = Spelling(root)
        self._revision = revision

    def fill(self, part: DirectoryPart) -> Filled:
        """Write what the part holds."""
        entries = self._repository.directories.read(part.tree).entries
        rows: dict[str, Row] = {}
        below: list[Below] = []
        kept: list[tuple[str, Entry, str]] = []
        name = ""
        write = self._entry_writer.write
        descriptor = self._root.open_directory(part.path)
        try:
            for name, entry in islice(entries.items(), part.start, part.start + _PART_ENTRIES):
                checkpoint()
                if is_state_name(name):
                    continue  # whoever published it: it would be taken for a mount's
                kind = entry.kind
                if kind is Kind.GITLINK:
                    continue
                try:
                    if kind is Kind.DIRECTORY:
                        os.mkdir(name, NEW_DIRECTORY_MODE, dir_fd=descriptor)
                        below.append(Below(name, entry, None))
                    else:
                        rows[name] = write(descriptor, name, entry)
                except FileExistsError:
                    other = self._spelling.other((*part.path, name))
                    if other is not None or not self._take_over(descriptor, name, entry, rows, below):
                        kept.append((name, entry, other or ""))
        except (OSError, CorruptObjectError) as error:  # around the loop: a context manager for each file would cost
            raise_with_path(error, (*part.path, name), self._revision)
        finally:
            os.close(descriptor)
        newest_ns = max((row.stat.ctime_ns for row in rows.values()), default=0)
        return Filled(pack_rows(rows, self._repository.format), newest_ns, below, kept, len(entries))

    def _take_over(self, descriptor: int, name: str, entry: Entry, rows: dict[str, Row], below: list[Below]) -> bool:
        """Go on with what stands at ``name`` already; False if it is not for us to touch."""
        if entry.is_directory:
            try:
                below.append(Below(name, entry, open_up(descriptor, name)))
            except NotADirectoryConflict:
                return False
        elif is_half_made(self._repository.objects, descriptor, name, entry):
            os.unlink(name, dir_fd=descriptor)
            rows[name] = self._entry_writer.write(descriptor, name, entry)
        else:
            return False
        return True


def worker(
    backend: Backend, path: str, descriptor: int, revision: CommitId, *, read_only: bool
) -> Callable[[DirectoryPart], Filled]:
    """Return what does parts in a worker process, which has the mount's root open as ``descriptor``."""
    repository = Repository.open(backend, SYSTEM_CLOCK)
    root = RootDirectory(path, descriptor)
    return Filler(repository, root, EntryWriter(repository.objects, read_only=read_only), revision).fill


class Checkout:
    """One checkout: where it writes, and the rows of what it wrote. ``inherit`` is what holds the mount's lock."""

    def __init__(
        self, repository: Repository, root: RootDirectory, *, read_only: bool, inherit: Sequence[int] = ()
    ) -> None:
        self._repository = repository
        self._root = root
        self._read_only = read_only
        self._inherit = inherit
        self._entry_writer = EntryWriter(repository.objects, read_only=read_only)
        self._directories: list[tuple[Path, Entry]] = []
        self.rows: dict[Path, Packed] = {}
        self.newest_ns = 0  # the latest ctime in them
        self.made: set[Path] = set()  # directories that were not there
        self.found: dict[Path, int] = {}  # the modes of those that were
        self.unfinished: set[DirectoryPart] = set()  # parts of which it is not known how much was written
        self.kept: dict[Path, Entry] = {}  # what was to be where something else stands, which stays
        self.left_out: list[Omitted] = []  # of these what the file system takes for another name, and why

    def run(self, revision: CommitId, tree: TreeId) -> None:
        """Write the tree. Not durable before the caller's ``syncfs``."""
        waiting = deque([DirectoryPart(ROOT, tree, 0)])
        self.unfinished.update(waiting)

        def finish(part: DirectoryPart, filled: Filled) -> None:
            following = self._finish_part(part, filled)
            self.unfinished.update(following)
            waiting.extendleft(reversed(following))

        filler = Filler(self._repository, self._root, self._entry_writer, revision)
        here = (self._repository.backend, self._root.path, self._root.fd, revision)
        factory = partial(worker, *here, read_only=self._read_only)
        inherit = (self._root.fd, *self._inherit)
        with (
            WriteBack(self._root.fd),
            WorkerProcesses(factory, filler.fill, inherit) as workers,
        ):
            workers.run(waiting, finish)
        self._finish_directories()

    def put_rows(self, cache: StatCache, trusted_before_ns: int) -> None:
        """Set the rows of what was written, inside a transaction; of that ctime or a later one they are not trusted."""
        for directory, packed in self.rows.items():
            if self.newest_ns >= trusted_before_ns:
                packed = untrust_from(packed, trusted_before_ns, self._repository.format)
            if packed[1]:  # an empty directory has no rows
                cache.replace_packed(directory, packed)

    def _finish_part(self, part: DirectoryPart, filled: Filled) -> list[DirectoryPart]:
        """Take over what became of a part; return those that it leads to."""
        self._keep(part.path, filled.rows, filled.newest_ns)
        self.unfinished.discard(part)
        for name, entry, other in filled.kept:
            self.kept[(*part.path, name)] = entry
            if other:
                self.left_out.append(Omitted((*part.path, name), LeftOutKind.SPELLING, other))
        following: list[DirectoryPart] = []
        if part.start == 0:
            starts = range(_PART_ENTRIES, filled.total, _PART_ENTRIES)
            following += [part._replace(start=start) for start in starts]
        for name, entry, found_mode in filled.below:
            assert entry.id is not None
            path = (*part.path, name)
            self._directories.append((path, entry))
            if found_mode is None:
                self.made.add(path)
            else:
                self.found[path] = found_mode
            following.append(DirectoryPart(path, TreeId(entry.id), 0))
        return following

    def _keep(self, path: Path, rows: Packed, newest_ns: int) -> None:
        known = self.rows.get(path)
        self.rows[path] = rows if known is None else join_rows(known, rows)
        self.newest_ns = max(self.newest_ns, newest_ns)

    def _finish_directories(self) -> None:
        rows: dict[Path, dict[str, Row]] = {}
        entries = dict(self._directories)
        filled = (
            NewDirectory(path, self._entry_writer.permissions(entry.mode), entry.mtime_ns)
            for path, entry in self._directories
        )
        for path, now in finish_directories(self._root, filled):
            rows.setdefault(path[:-1], {})[path[-1]] = Row(now, entries[path]._replace(id=None))
        for path, names in rows.items():
            newest_ns = max(row.stat.ctime_ns for row in names.values())
            self._keep(path, pack_rows(names, self._repository.format), newest_ns)
