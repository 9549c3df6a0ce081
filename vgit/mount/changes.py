"""Changes: what the scan found, read once and turned into edits and new rows.

Each changed file is read in one pass, by the rule of ``vgit/files/steady_read.py``
for what held still. What did not is read again, a few times. What is still being
written is stored as read and named unstable, or held back at its published
version, as the caller wants. Nothing torn is published silently, and a row is
trusted only if the file is believed.
"""

import enum
import os
import stat
from collections import deque
from functools import partial
from typing import NamedTuple, Self

from vgit.errors import Error
from vgit.files.content_sink import ContentSink
from vgit.files.file_reader import FileRead, read_as_it_comes, read_unchanged, read_until_steady
from vgit.files.left_out import LeftOutKind, NotKept, Omitted
from vgit.files.metadata import file_entry, is_as_seen, mode_and_mtime
from vgit.files.new_tree import NewTree
from vgit.files.rows import UNTRUSTED_CTIME, Packed, PackedRows, Row, join_rows, pack_rows, untrusted
from vgit.files.small_files import (
    IN_FLIGHT_NS,
    LARGEST,
    BatchRead,
    FileBatch,
    FileBatches,
    FileGroup,
    SmallFile,
    SmallFileReader,
    worker,
)
from vgit.files.steady_read import FileToRead, Moved, Watch, is_read_twice, open_to_read
from vgit.ids import ObjectFormat, TreeId
from vgit.localfs.file_stat import FARTHEST_NS, BareStat, Stat, to_stat
from vgit.localfs.filesystem_clock import trusted
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.scan import Scan
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, SYMLINK_MODE
from vgit.paths import ROOT, Path, encode_name
from vgit.runtime.cancel import checkpoint
from vgit.runtime.worker_processes import WorkerProcesses
from vgit.tree.edits import Edit, Edits, Whole
from vgit.tree.entry import NO_GIT_ENTRY, Entry, directory_entry, same_content


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
    left_out: list[Omitted]  # in path order
    root_mode: int
    held_back: list[Path]


class Held(NamedTuple):
    """What was read of one name."""

    entry: Entry
    now: Stat
    is_steady: bool  # else it was being written
    is_trusted: bool  # its row tells as long as the stat is the same


class ChangeReader:
    """One reading of a scan's findings; a context manager, as other processes may help."""

    def __init__(
        self,
        root: RootDirectory,
        rows: dict[Path, PackedRows],
        sink: ContentSink,
        watch: Watch,
        when_unstable: Unstable,
        object_format: ObjectFormat,
    ) -> None:
        self._root = root
        self._old = rows
        self._sink = sink
        self._format = object_format
        self._watch = watch
        self._when_unstable = when_unstable
        self._clock = watch.clock(root.fd)
        self._kind = watch.kind(root.fd)
        self._edits: dict[Path, Edit] = {}
        self._rows: dict[Path, dict[str, Row | None]] = {}
        self._unstable: list[Path] = []
        self._held_back: list[Path] = []
        self._left_out: list[Omitted] = []
        self._reading: Path = ROOT
        self._owner = os.fstat(root.fd).st_uid
        self._look = NotKept()
        self._not_kept: dict[LeftOutKind, Path] = {}
        self._new_rows: dict[Path, Packed] = {}
        self._new_trees: dict[Path, TreeId] = {}
        self._again: list[tuple[Path, list[tuple[str, BareStat]]]] = []  # what a batch could not read
        self._batches = FileBatches()
        self._jobs: deque[FileBatch] = deque()
        encode = sink.stores
        there = partial(worker, root.path, root.fd, object_format.name, encode=encode)
        here = SmallFileReader(root, object_format, encode=encode)
        self._workers: WorkerProcesses[FileBatch, BatchRead] = WorkerProcesses(there, here.read, (root.fd,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._workers.__exit__(*exc)

    def offer(self, directory: Path, names: list[tuple[str, BareStat]]) -> list[tuple[str, BareStat]]:
        """Take what can be read in batches of a directory's changes, while the scan goes on; return the rest."""
        mapped = self._watch.mapped_inodes()
        small = [item for item in names if self._is_for_a_batch(item[1], mapped)]
        if small:
            new = len(small) == len(names) and directory and directory not in self._old and self._sink.stores
            at = self._clock
            # On a network nobody can be asked who has a file open; there so young a file is not trusted anyway.
            quiet_before_ns = FARTHEST_NS if self._kind.is_network else at.ctime_ns - IN_FLIGHT_NS
            self._batches.add(FileGroup(directory, small, at.trusted_before_ns, quiet_before_ns, bool(new)))
            self._jobs.extend(self._batches.take())
            self._workers.assist(self._jobs, self._take)
        if len(small) == len(names):
            return []
        taken = {name for name, _ in small}
        return [item for item in names if item[0] not in taken]

    def read(self, scan: Scan, known_root_mode: int | None) -> Changes:
        """Read what changed, directory by directory in path order."""
        self._batches.flush()
        self._jobs.extend(self._batches.take())
        self._workers.run(self._jobs, self._take)
        for directory, names in (*self._again, *scan.changed.items()):
            self._read_directory(directory, names)
        for path in scan.removed:
            self._remove(path)
        root_mode = scan.directories[ROOT].mode if ROOT in scan.directories else known_root_mode or 0
        if known_root_mode is not None and root_mode != known_root_mode:
            self._edits[ROOT] = Edit(directory_entry(root_mode, 0), directory_entry(known_root_mode, 0))
        wholes = self._wholes()
        edits = Edits(self._edits)
        edits.wholes = wholes
        self._add_parents(edits, scan)
        left_out = sorted([*scan.left_out, *self._left_out, *self._lost_of(edits)])
        return Changes(edits, self._rows, self._new_rows, self._unstable, left_out, root_mode, self._held_back)

    def _lost_of(self, edits: Edits) -> list[Omitted]:
        """Return what is not kept of files that are to be published; of one that was only read again, it was told."""
        told = {kind: path for kind, path in self._not_kept.items() if path in edits or path[:-1] in edits.wholes}
        return [Omitted.of(kind, path) for kind, path in told.items()]

    def _is_for_a_batch(self, now: BareStat, mapped: frozenset[int]) -> bool:
        mode, size, _, ctime_ns, ino = now
        if size > LARGEST or mode & 0o170000 != stat.S_IFREG or ino in mapped:
            return False
        if ctime_ns < self._clock.trusted_before_ns:
            return True
        if not self._kind.shows_maps:
            return False  # who maps it was looked at before it changed
        self._watch.wait_for_tick(self._root.fd, ctime_ns)  # before anybody reads it
        self._clock = self._watch.clock(self._root.fd)
        is_told = self._clock.is_exact or trusted(ctime_ns, self._clock)
        return is_told or self._when_unstable is Unstable.STORE

    def _take(self, batch: FileBatch, read: BatchRead) -> None:
        """Take over what was read of a batch."""
        for kind, path in read.not_kept.items():
            self._not_kept.setdefault(kind, path)
        for group, found in zip(batch, read.groups, strict=True):
            if isinstance(found, NewTree):
                self._sink.add_new_tree(found)
                self._new_rows[group.directory] = found.rows
                self._new_trees[group.directory] = found.id
            else:
                self._take_group(group, found)

    def _take_group(self, group: FileGroup, read: list[SmallFile | None]) -> None:
        files = [(*names, small) for names, small in zip(group.names, read, strict=True)]
        packed = self._old.get(group.directory)
        done = [item for item in files if item[2] is not None]
        if packed is None:
            self._take_new(group.directory, done, group.trusted_before_ns)
        else:
            self._take_changed(group.directory, packed, done, group.trusted_before_ns)
        if len(done) < len(files):
            self._again.append((group.directory, [(name, now) for name, now, small in files if small is None]))

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

    def _take_new(self, directory: Path, files: list[tuple[str, BareStat, SmallFile | None]], before: int) -> None:
        """Take over files of a directory that had no row; the hot loop of a first commit."""
        stored = self._sink.add_small_files(
            [(small, size, None) for _, (_, size, _, _, _), small in files if small is not None]
        )
        rows: dict[str, tuple[BareStat, Entry]] = {}
        edits, new = self._edits, tuple.__new__
        for (name, now, _), kept in zip(files, stored, strict=True):
            mode, size, mtime_ns, ctime_ns, ino = now
            git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
            # As Entry(…) and Edit(…), without their way through Python.
            entry = new(Entry, (mode, git_mode, kept.id, size, mtime_ns, kept.hash))
            rows[name] = now if ctime_ns < before else (mode, size, mtime_ns, UNTRUSTED_CTIME, ino), entry
            edits[(*directory, name)] = new(Edit, (entry, None))
        packed = pack_rows(rows, self._format)
        known = self._new_rows.get(directory)
        self._new_rows[directory] = packed if known is None else join_rows(known, packed)

    def _take_changed(
        self, directory: Path, packed: PackedRows, files: list[tuple[str, BareStat, SmallFile | None]], before: int
    ) -> None:
        olds = [packed.row(name) for name, _, _ in files]
        together = list(zip(files, olds, strict=True))
        stored = self._sink.add_small_files(
            [
                (small, size, old.entry if old is not None else None)
                for (_, (_, size, _, _, _), small), old in together
                if small is not None
            ]
        )
        rows = self._rows.setdefault(directory, {})
        for ((name, bare, _), old), kept in zip(together, stored, strict=True):
            now = Stat(*bare)
            entry = file_entry(now, old, kept)
            rows[name] = Row(now if now.ctime_ns < before else untrusted(now), entry)
            seen = old.entry if old is not None else None
            if not is_as_seen(entry, seen):
                self._edits[(*directory, name)] = Edit(entry, seen)

    def _read_directory(self, directory: Path, names: list[tuple[str, BareStat]]) -> None:
        self._reading = directory
        try:
            descriptor = self._root.open_directory(directory)
        except (FileNotFoundError, NotADirectoryError):
            return  # removed or replaced since the scan: the next one sees what is there now
        except OSError as error:
            self._left_out.append(Omitted.unreadable(directory, error))
            return
        packed = self._old.get(directory)
        rows = self._rows.setdefault(directory, {})
        try:
            for name, now in names:
                checkpoint()
                old = packed.row(name) if packed is not None else None
                self._read_name(directory, descriptor, name, Stat(*now), old, rows)
        finally:
            os.close(descriptor)

    def _read_name(
        self, directory: Path, descriptor: int, name: str, now: Stat, old: Row | None, rows: dict[str, Row | None]
    ) -> None:
        seen = old.entry if old is not None else None
        try:
            if self._when_unstable is Unstable.HOLD_BACK:
                held = self._read_once(descriptor, name, now, old)
            else:
                held = self.read_steadily(descriptor, name, now, old)
        except Moved:
            self._held_back.append((*directory, name))
            return  # the next commit sees what is there then
        except Error:
            raise  # the store's trouble, not this file's, though some of ours are OSErrors too
        except FileNotFoundError:
            return  # gone since the scan
        except OSError as error:
            self._left_out.append(Omitted.unreadable((*directory, name), error))
            return
        path = (*directory, name)
        if not held.is_steady:
            self._unstable.append(path)
        rows[name] = Row(held.now if held.is_trusted else untrusted(held.now), held.entry)
        if not is_as_seen(held.entry, seen):
            self._edits[path] = Edit(held.entry, seen)

    def read_steadily(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Held:
        """Read what has a name; what does not hold still counts as it came last."""
        first = [now]

        def read() -> Held:
            now = first.pop() if first else to_stat(os.stat(name, dir_fd=descriptor, follow_symlinks=False))
            return self._read_once(descriptor, name, now, old)

        return read_until_steady(read, lambda last: self._take_unsteady(descriptor, name, old, last))

    def _read_once(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Held:
        kind = stat.S_IFMT(now.mode)
        if kind == stat.S_IFREG:
            return self._read_file(descriptor, name, now, old)
        mode, mtime_ns = mode_and_mtime(now, old)
        is_trusted = True
        if kind == stat.S_IFLNK:
            opened = FileToRead(descriptor, os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_dev)
            is_trusted = self._watch.trusts(opened, now.ctime_ns)  # asked first: the clock is read before the target
            target = encode_name(os.readlink(name, dir_fd=descriptor))
            if to_stat(os.stat(name, dir_fd=descriptor, follow_symlinks=False)) != now:
                raise Moved
            stored = self._sink.add_bytes(target, old.entry if old else None)
            entry = Entry(mode, SYMLINK_MODE, stored.id, len(target), mtime_ns, stored.hash)
        elif kind == stat.S_IFDIR:
            entry = directory_entry(mode, mtime_ns)
        else:
            entry = Entry(mode, NO_GIT_ENTRY, None, 0, mtime_ns, None)
        return Held(entry, now, is_steady=True, is_trusted=is_trusted)

    def _read_file(self, descriptor: int, name: str, now: Stat, old: Row | None) -> Held:
        try:
            file = open_to_read(name, descriptor)
        except OSError as error:
            if stat.S_IFMT(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode) != stat.S_IFREG:
                raise Moved from error
            raise
        try:
            opened = FileToRead(file, os.fstat(file).st_dev)
            belief = self._watch.settle(opened, now)
            if self._when_unstable is Unstable.HOLD_BACK and not self._watch.shows_writes(opened, now.ctime_ns):
                raise Moved  # a network's cached times lag by seconds: the next commit will know
            read = read_unchanged(file, now, self._sink, old.entry if old is not None else None)
            self._look.look(file, read.found, self._owner, (*self._reading, name), self._not_kept)
            entry = file_entry(now, old, read.content)
            is_same = old is not None and is_read_twice(now, old.stat) and same_content(entry, old.entry)
            is_trusted = self._watch.believes(belief, opened, now.ctime_ns, is_same=is_same)
        finally:
            os.close(file)
        return Held(entry, now, is_steady=True, is_trusted=is_trusted)

    def _take_unsteady(self, descriptor: int, name: str, old: Row | None, last: FileRead | None) -> Held:
        """Take what came last of a file that does not hold still; if nothing did, read it as it comes."""
        file = open_to_read(name, descriptor)
        try:
            found = os.fstat(file)
            if stat.S_IFMT(found.st_mode) != stat.S_IFREG:
                raise FileNotFoundError(name)  # another kind by now: the next scan's business
            self._look.look(file, found, self._owner, (*self._reading, name), self._not_kept)
            read = last or read_as_it_comes(file, self._sink, old.entry if old is not None else None)
        finally:
            os.close(file)
        now = read.now._replace(size=read.content.size)
        return Held(file_entry(now, old, read.content), now, is_steady=False, is_trusted=False)

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
        mode, _ = mode_and_mtime(now, self._old_row(path))
        return directory_entry(mode, now.mtime_ns)

    def _old_row(self, path: Path) -> Row | None:
        packed = self._old.get(path[:-1])
        return packed.row(path[-1]) if packed is not None else None
