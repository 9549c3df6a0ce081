"""Changes: what the scan found, read once and turned into edits and new rows.

Each changed file is read in one pass with ``fstat`` after it; if that differs
from what the scan saw, the file is being written: it is read again, a few
times. What does not hold still is stored as read and named unstable, or held
back at its published version, as the caller wants. Nothing torn is published
silently. That an equal stat proves stillness takes care in three cases:

    a write just before    where the clock that stamps files ticks coarsely, the next
                           write has the same time: wait a tick before reading
    a write under way      one call may store 2 GiB and sets the times when it begins:
                           wait for the inode's lock, which it holds to its end
    a shared map           stores move no time before ``fsync`` has made the pages
                           clean; in memory (tmpfs) never: nothing can be proved
"""

import enum
import os
import stat
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self

from vgit.backend.file_systems import is_memory_file_system
from vgit.cancel import checkpoint
from vgit.errors import Error
from vgit.ids import ObjectFormat, TreeId
from vgit.mount.filesystem_clock import FINE_MARGIN_NS, Probe, trusted
from vgit.mount.keep import Keeper
from vgit.mount.new_tree import NewTree
from vgit.mount.recorded import file_entry, is_as_seen, recorded
from vgit.mount.root import RootDirectory
from vgit.mount.rows import Packed, PackedRows, Row, Stat, join_rows, pack_rows, untrusted
from vgit.mount.scan import Problem, Scan, to_stat
from vgit.mount.small_files import (
    LARGEST,
    Batch,
    Batches,
    NotKept,
    Read,
    Small,
    SmallFileReader,
    await_write,
    open_to_read,
    worker,
)
from vgit.paths import ROOT, Path, encode_name
from vgit.tree.edits import Edit, Edits, Whole
from vgit.tree.entry import EXECUTABLE_MODE, FILE_MODE, NO_GIT_ENTRY, SYMLINK_MODE, Entry, directory_entry
from vgit.workers import Workers

_TRIES = 3
_IN_MEMORY_BYTES = 4 << 20
_WORTH_A_WAIT_BYTES = 16 << 20  # reading so much again costs more than a tick of the clock


class Unstable(enum.Enum):
    """What becomes of a file that is being written while it is read."""

    STORE = "store"  # as read, and named: an explicit commit, or the last one
    HOLD_BACK = "hold back"  # at its published version: a commit in the background


class Changes(NamedTuple):
    """What a working directory has that its mount has not published."""

    edits: Edits
    rows: dict[Path, dict[str, Row | None]]  # to be set once the edits are published; None: remove
    new_rows: dict[Path, Packed]  # the same, of files in directories that had no row: packed, there are many
    unstable: list[Path]
    problems: list[Problem]
    root_mode: int


class _Moved(Exception):
    """The file changed while it was read, or is something else by now."""


class ChangeReader:
    """One reading of a scan's findings; a context manager, as other processes may help."""

    def __init__(
        self,
        root: RootDirectory,
        rows: dict[Path, PackedRows],
        keeper: Keeper,
        probe: Probe,
        when_unstable: Unstable,
        new_probe: Callable[[], Probe],
        object_format: ObjectFormat,
        mapped: frozenset[int] = frozenset(),
    ) -> None:
        self._root = root
        self._old = rows
        self._keeper = keeper
        self._format = object_format
        self._probe = probe
        self._when_unstable = when_unstable
        self._mapped = mapped
        self._new_probe = new_probe
        self._edits: dict[Path, Edit] = {}
        self._rows: dict[Path, dict[str, Row | None]] = {}
        self._unstable: list[Path] = []
        self._problems: list[Problem] = []
        self._reading: Path = ROOT
        self._look = NotKept(os.fstat(root.fd).st_uid)
        self._maps_show: bool | None = None  # whether a store into a shared map ever moves a time here
        self._not_kept: dict[str, Path] = {}
        self._new_rows: dict[Path, Packed] = {}
        self._new_trees: dict[Path, TreeId] = {}
        self._batches = Batches()
        self._jobs: deque[Batch] = deque()
        encode = keeper.stores
        there = partial(worker, root.path, root.fd, object_format.name, encode=encode)
        here = SmallFileReader(root, object_format, encode=encode)
        self._workers: Workers[Batch, Read] = Workers(there, here.read, (root.fd,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._workers.__exit__(*exc)

    def offer(self, directory: Path, names: list[tuple[str, Stat]]) -> list[tuple[str, Stat]]:
        """Take what can be read in batches of a directory's changes, while the scan goes on; return the rest."""
        small = [item for item in names if self._is_for_a_batch(item[1])]
        if small:
            new = len(small) == len(names) and directory and directory not in self._old and self._keeper.stores
            self._batches.add(directory, small, self._probe.trusted_before_ns if new else None)
            self._jobs.extend(self._batches.take())
            self._workers.assist(self._jobs, self._take)
        if len(small) == len(names):
            return []
        taken = {name for name, _ in small}
        return [item for item in names if item[0] not in taken]

    def read(self, scan: Scan, known_root_mode: int | None) -> Changes:
        """Read what changed, directory by directory in path order; add to ``scan.skipped`` what is not kept of it."""
        self._batches.flush()
        self._jobs.extend(self._batches.take())
        self._workers.run(self._jobs, self._take)
        for directory, names in scan.changed.items():
            self._read_directory(directory, names)
        for path in scan.removed:
            self._remove(path)
        scan.skipped.update((kind, path) for kind, path in self._not_kept.items() if kind not in scan.skipped)
        root_mode = scan.directories[ROOT][0] if ROOT in scan.directories else known_root_mode or 0
        if known_root_mode is not None and root_mode != known_root_mode:
            self._edits[ROOT] = Edit(directory_entry(root_mode, 0), directory_entry(known_root_mode, 0))
        wholes = self._wholes()
        edits = Edits(self._edits)
        edits.wholes = wholes
        self._add_parents(edits, scan)
        problems = [*scan.problems, *self._problems]
        return Changes(edits, self._rows, self._new_rows, self._unstable, problems, root_mode)

    def _is_for_a_batch(self, now: Stat) -> bool:
        if now[1] > LARGEST or now[0] & 0o170000 != stat.S_IFREG or now[4] in self._mapped:
            return False
        if now[3] < self._probe.trusted_before_ns:
            return True
        self._wait_for_tick(now)  # before anybody reads it
        return self._when_unstable is Unstable.STORE or self._probe.is_exact or trusted(now[3], self._probe)

    def _take(self, batch: Batch, read: Read) -> None:
        """Take over what was read of a batch."""
        for kind, path in read.not_kept.items():
            self._not_kept.setdefault(kind, path)
        for (directory, names, _), part in zip(batch, read.parts, strict=True):
            if isinstance(part, NewTree):
                self._keeper.keep_tree(part)
                self._new_rows[directory] = part.rows
                self._new_trees[directory] = part.id
            else:
                self._take_directory(directory, [(*names, small) for names, small in zip(names, part, strict=True)])

    def _take_directory(self, directory: Path, files: list[tuple[str, Stat, Small | None]]) -> None:
        packed = self._old.get(directory)
        if packed is None:
            self._take_new(directory, [item for item in files if item[2] is not None])
        else:
            self._take_changed(directory, packed, [item for item in files if item[2] is not None])
        again = [(name, now) for name, now, small in files if small is None]
        if again:
            self._read_directory(directory, again)

    def _wholes(self) -> dict[Path, Whole]:
        """Return the new trees for which an edit of their directory can stand; of others, put down each file's."""
        wholes = {}
        for path, tree in self._new_trees.items():
            rows = PackedRows(*self._new_rows[path], self._format)
            edit = self._edits.get(path)
            if edit is not None and edit.seen is None and edit.new is not None and edit.new.is_directory:
                wholes[path] = Whole(tree, len(rows), rows.entries)
            else:  # known without rows, as it was empty; or a file was there, or it is gone again
                self._edits |= {(*path, name): Edit(entry, None) for name, entry in rows.entries().items()}
        return wholes

    def _take_new(self, directory: Path, files: list[tuple[str, Stat, Small | None]]) -> None:
        """Take over files of a directory that had no row; the hot loop of a first commit."""
        stored = self._keeper.keep_small([(small, now[1], None) for _, now, small in files if small is not None])
        before = self._probe.trusted_before_ns
        rows: dict[str, Row] = {}
        edits, new = self._edits, tuple.__new__
        for (name, now, _), kept in zip(files, stored, strict=True):
            mode = now[0]
            git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
            # As Entry(…), Row(…) and Edit(…), without their way through Python.
            entry = new(Entry, (mode, git_mode, kept[1], now[1], now[2], kept[3]))
            rows[name] = new(Row, (now if now[3] < before else untrusted(now), entry))
            edits[(*directory, name)] = new(Edit, (entry, None))
        packed = pack_rows(rows, self._format)
        known = self._new_rows.get(directory)
        self._new_rows[directory] = packed if known is None else join_rows(known, packed)

    def _take_changed(self, directory: Path, packed: PackedRows, files: list[tuple[str, Stat, Small | None]]) -> None:
        olds = [packed.row(name) for name, _, _ in files]
        together = list(zip(files, olds, strict=True))
        stored = self._keeper.keep_small(
            [
                (small, now[1], old.entry if old is not None else None)
                for (_, now, small), old in together
                if small is not None
            ]
        )
        rows = self._rows.setdefault(directory, {})
        for ((name, now, _), old), kept in zip(together, stored, strict=True):
            entry = file_entry(now, old, kept)
            rows[name] = Row(now if trusted(now[3], self._probe) else untrusted(now), entry)
            seen = old.entry if old is not None else None
            if not is_as_seen(entry, seen):
                self._edits[(*directory, name)] = Edit(entry, seen)

    def _read_directory(self, directory: Path, names: list[tuple[str, Stat]]) -> None:
        self._reading = directory
        try:
            descriptor = self._root.open_directory(directory)
        except OSError:
            return  # removed or replaced since the scan: the next one sees what is there now
        packed = self._old.get(directory)
        rows = self._rows.setdefault(directory, {})
        try:
            for name, now in names:
                checkpoint()
                old = packed.row(name) if packed is not None else None
                self._read_name(directory, descriptor, name, now, old, rows)
        finally:
            os.close(descriptor)

    def _read_name(
        self, directory: Path, descriptor: int, name: str, now: Stat, old: Row | None, rows: dict[str, Row | None]
    ) -> None:
        seen = old.entry if old is not None else None
        steady = True
        try:
            if self._when_unstable is Unstable.HOLD_BACK:
                entry = self._read_still(descriptor, name, now, old)
            else:
                entry, now, steady = self.read_steadily(descriptor, name, now, old)
        except _Moved:
            return  # held back: the next commit sees what is there then
        except Error:
            raise  # the store's trouble, not this file's, though some of ours are OSErrors too
        except FileNotFoundError:
            return  # gone since the scan
        except OSError as error:
            self._problems.append(Problem((*directory, name), error.strerror or str(error)))
            return
        path = (*directory, name)
        if not steady:
            self._unstable.append(path)
        keep = steady and trusted(now[3], self._probe) and now[4] not in self._mapped
        rows[name] = Row(now if keep else untrusted(now), entry)
        if not is_as_seen(entry, seen):
            self._edits[path] = Edit(entry, seen)

    def read_steadily(self, descriptor: int, name: str, now: Stat, old: Row | None) -> tuple[Entry, Stat, bool]:
        """Return the entry, its stat, and whether it held still while it was read."""
        for _ in range(_TRIES):
            try:
                self._wait_for_tick(now)
                return self._read_once(descriptor, name, now, old), now, True
            except _Moved:
                now = to_stat(os.stat(name, dir_fd=descriptor, follow_symlinks=False))
        entry, now = self._read_as_is(descriptor, name, old)
        return entry, now, False

    def _read_still(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Entry:
        """Return the entry of what held still since the scan saw it, and while it was read; else raise _Moved."""
        self._wait_for_tick(now)
        if not self._probe.is_exact and stat.S_ISREG(now[0]) and not trusted(now[3], self._probe):
            raise _Moved  # a network's cached times lag by seconds: the next commit will know
        return self._read_once(descriptor, name, now, old)

    def _wait_for_tick(self, now: Stat) -> None:
        """Take a later probe if a write from now on might leave a file's stat as it is.

        One wait is enough for all that a scan saw. A large file waits in any
        case: its row is then one to be trusted, and it need not be read again.
        """
        if not stat.S_ISREG(now[0]) or trusted(now[3], self._probe):
            return
        is_tick_over = self._probe.is_exact or now[3] < self._probe.ctime_ns - FINE_MARGIN_NS
        if not is_tick_over or now[1] >= _WORTH_A_WAIT_BYTES:
            self._probe = self._new_probe()

    def _read_once(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Entry:
        kind = stat.S_IFMT(now[0])
        if kind == stat.S_IFREG:
            return self._read_file(descriptor, name, now, old)
        mode, mtime_ns = recorded(now, old)
        if kind == stat.S_IFLNK:
            target = encode_name(os.readlink(name, dir_fd=descriptor))
            if to_stat(os.stat(name, dir_fd=descriptor, follow_symlinks=False)) != now:
                raise _Moved
            stored = self._keeper.keep_bytes(target, old.entry if old else None)
            return Entry(mode, SYMLINK_MODE, stored.id, len(target), mtime_ns, stored.hash)
        if kind == stat.S_IFDIR:
            return directory_entry(mode, mtime_ns)
        return Entry(mode, NO_GIT_ENTRY, None, 0, mtime_ns, None)

    def _read_file(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Entry:
        try:
            file = open_to_read(name, descriptor)
        except OSError as error:
            if stat.S_IFMT(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode) != stat.S_IFREG:
                raise _Moved from error
            raise
        seen = old.entry if old is not None else None
        try:
            if now[4] in self._mapped:
                if not self._can_show_stores():
                    raise _Moved
                os.fsync(file)  # what was stored into the map is in the file, and the next store moves its times
            await_write(file)
            if now[1] <= _IN_MEMORY_BYTES:
                data = os.pread(file, now[1] + 1, 0)
                found = os.fstat(file)
                if len(data) != now[1] or to_stat(found) != now:
                    raise _Moved
                stored = self._keeper.keep_bytes(data, seen)
            else:
                stored = self._keeper.keep_file(file, now[1], seen)
                found = os.fstat(file)
                if stored.size != now[1] or to_stat(found) != now:
                    raise _Moved
            self._look.look(file, found, self._reading, name, self._not_kept)
        finally:
            os.close(file)
        return file_entry(now, old, stored)

    def _can_show_stores(self) -> bool:
        if self._maps_show is None:
            self._maps_show = not is_memory_file_system(self._root.fd)
        return self._maps_show

    def _read_as_is(self, descriptor: int, name: str, old: Row | None) -> tuple[Entry, Stat]:
        """Read something that does not hold still, once more, as it comes."""
        file = open_to_read(name, descriptor)
        try:
            now = to_stat(os.fstat(file))
            if stat.S_IFMT(now[0]) != stat.S_IFREG:
                raise FileNotFoundError(name)  # another kind by now: the next scan's business
            stored = self._keeper.keep_file(file, now[1], old.entry if old is not None else None)
        finally:
            os.close(file)
        now = (now[0], stored.size, now[2], now[3], now[4])
        return file_entry(now, old, stored), now

    def _remove(self, path: Path) -> None:
        directory, name = path[:-1], path[-1]
        old = self._old_row(path)
        assert old is not None, "only names with a row can be removed"
        self._rows.setdefault(directory, {})[name] = None
        self._edits[path] = Edit(None, old.entry)

    def _add_parents(self, edits: Edits, scan: Scan) -> None:
        """Tell the merge the mode and mtime of every directory on the way to an edit."""
        for path in self._edits:
            for depth in range(len(path) - 1, 0, -1):
                parent = path[:depth]
                if parent in edits.directories or parent not in scan.directories:
                    break
                edits.directories[parent] = self._directory(parent, scan.directories[parent])

    def _directory(self, path: Path, now: Stat) -> Entry:
        mode, _ = recorded(now, self._old_row(path))
        return directory_entry(mode, now[2])

    def _old_row(self, path: Path) -> Row | None:
        packed = self._old.get(path[:-1])
        return packed.row(path[-1]) if packed is not None else None
