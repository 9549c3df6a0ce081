"""Checkout: a whole tree into a directory that nobody has seen yet.

Files are written in place, in path order, which is the order of their blobs in
the packs. If it is cut off the mount has no base, and it is simply done again.
Directory modes and mtimes come last, bottom-up, so that a directory without
``w`` can be filled first.

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
from vgit.cancel import checkpoint
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import CorruptObjectError, InvalidError
from vgit.ids import CommitId, TreeId
from vgit.mount.layout import STATE_DIRECTORY
from vgit.mount.place import Placer, raise_named
from vgit.mount.root import RootDirectory, open_directory_at
from vgit.mount.rows import Packed, Row, join_rows, pack_rows
from vgit.mount.scan import to_stat
from vgit.mount.write_back import WriteBack
from vgit.paths import ROOT, Path
from vgit.repository import Repository
from vgit.tree.entry import Entry, Kind
from vgit.workers import Workers

_PART_ENTRIES = 200


class Part(NamedTuple):
    """What is done in one go: so many entries of one directory."""

    path: Path
    tree: TreeId
    start: int


class Filled(NamedTuple):
    """What became of a part."""

    rows: Packed
    newest_ns: int  # the latest ctime among them
    below: list[tuple[str, Entry]]  # directories, which exist and are empty
    total: int  # entries of the whole directory


class Filler:
    """Does parts of a checkout; in whichever process."""

    def __init__(self, repository: Repository, root: RootDirectory, placer: Placer, revision: CommitId) -> None:
        self._repository = repository
        self._root = root
        self._placer = placer
        self._revision = revision

    def fill(self, part: Part) -> Filled:
        """Write what the part holds."""
        entries = self._repository.directories.read(part.tree).entries
        rows: dict[str, Row] = {}
        below: list[tuple[str, Entry]] = []
        name = ""
        descriptor = self._root.open_directory(part.path)
        try:
            for name, entry in islice(entries.items(), part.start, part.start + _PART_ENTRIES):
                checkpoint()
                if not part.path and name == STATE_DIRECTORY:
                    raise InvalidError(
                        f"the volume has an entry {name} where the mount has its own. Remove it"
                        " from the volume (with git, `vgit rm`, or by restoring an older state)."
                    )
                kind = entry.kind
                if kind is Kind.DIRECTORY:
                    self._make_directory(descriptor, name)
                    below.append((name, entry))
                elif kind is not Kind.GITLINK:
                    rows[name] = self._place(descriptor, name, entry)
        except (OSError, CorruptObjectError) as error:  # around the loop: naming each file would cost
            raise_named(error, (*part.path, name), self._revision)
        finally:
            os.close(descriptor)
        newest_ns = max((row.stat[3] for row in rows.values()), default=0)
        return Filled(pack_rows(rows, self._repository.format), newest_ns, below, len(entries))

    def _place(self, descriptor: int, name: str, entry: Entry) -> Row:
        try:
            return self._placer.place(descriptor, name, entry)
        except FileExistsError:  # a checkout that was cut off made it: nobody has seen it, so it goes
            os.unlink(name, dir_fd=descriptor)
            return self._placer.place(descriptor, name, entry)

    def _make_directory(self, descriptor: int, name: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=descriptor)
        except FileExistsError:  # as above
            own = open_directory_at(descriptor, name)
            try:
                os.fchmod(own, 0o700)
            finally:
                os.close(own)


def worker(
    backend: Backend, path: str, descriptor: int, revision: CommitId, *, read_only: bool
) -> Callable[[Part], Filled]:
    """Return what does parts in a worker process, which has the mount's root open as ``descriptor``."""
    repository = Repository.open(backend, SYSTEM_CLOCK)
    root = RootDirectory(path, descriptor)
    return Filler(repository, root, Placer(repository.objects, read_only=read_only), revision).fill


class Checkout:
    """One checkout: where it writes, and the rows of what it wrote. ``inherit`` is what holds the mount's lock."""

    def __init__(
        self, repository: Repository, root: RootDirectory, *, read_only: bool, inherit: Sequence[int] = ()
    ) -> None:
        self._repository = repository
        self._root = root
        self._read_only = read_only
        self._inherit = inherit
        self._placer = Placer(repository.objects, read_only=read_only)
        self._made: list[tuple[Path, Entry]] = []
        self.rows: dict[Path, Packed] = {}
        self.newest_ns = 0  # the latest ctime in them

    def run(self, revision: CommitId, tree: TreeId) -> None:
        """Write the tree. Not durable before the caller's ``syncfs``."""
        waiting = deque([Part(ROOT, tree, 0)])

        def finish(part: Part, filled: Filled) -> None:
            self._keep(part.path, filled.rows, filled.newest_ns)
            following: list[Part] = []
            if part.start == 0:
                starts = range(_PART_ENTRIES, filled.total, _PART_ENTRIES)
                following += [part._replace(start=start) for start in starts]
            for name, entry in filled.below:
                assert entry.id is not None
                self._made.append(((*part.path, name), entry))
                following.append(Part((*part.path, name), TreeId(entry.id), 0))
            waiting.extendleft(reversed(following))

        filler = Filler(self._repository, self._root, self._placer, revision)
        here = (self._repository.backend, self._root.path, self._root.fd, revision)
        factory = partial(worker, *here, read_only=self._read_only)
        inherit = (self._root.fd, *self._inherit)
        with (
            WriteBack(self._root.fd),
            Workers(factory, filler.fill, inherit) as workers,
        ):
            workers.run(waiting, finish)
        self._finish_directories()

    def _keep(self, path: Path, rows: Packed, newest_ns: int) -> None:
        known = self.rows.get(path)
        self.rows[path] = rows if known is None else join_rows(known, rows)
        self.newest_ns = max(self.newest_ns, newest_ns)

    def _finish_directories(self) -> None:
        rows: dict[Path, dict[str, Row]] = {}
        for path, entry in sorted(self._made, key=_depth, reverse=True):
            descriptor = self._root.open_directory(path)
            try:
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                os.fchmod(descriptor, self._placer.permissions(entry.mode))
                now = to_stat(os.fstat(descriptor))
            finally:
                os.close(descriptor)
            rows.setdefault(path[:-1], {})[path[-1]] = Row(now, entry._replace(id=None))
        for path, names in rows.items():
            newest_ns = max(row.stat[3] for row in names.values())
            self._keep(path, pack_rows(names, self._repository.format), newest_ns)


def _depth(made: tuple[Path, Entry]) -> int:
    return len(made[0])
