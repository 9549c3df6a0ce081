"""Batch reader: small files that changed, read in batches while the scan goes on, by other processes too."""

import stat
from collections import deque
from functools import partial
from typing import Self

from vgit.files.content_sink import ContentSink
from vgit.files.left_out import LeftOutKind
from vgit.files.metadata import file_entry, is_as_seen
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
from vgit.files.steady_read import Watch
from vgit.ids import ObjectFormat, TreeId
from vgit.localfs.file_stat import FARTHEST_NS, BareStat, Stat
from vgit.localfs.filesystem_clock import trusted
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.policy import UnstableFiles
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE
from vgit.paths import Path
from vgit.runtime.worker_processes import WorkerProcesses
from vgit.tree.edits import Edit
from vgit.tree.entry import Entry


class BatchReader:
    """What came of the batches, and what could not be read in one; a context manager, for the processes that help."""

    def __init__(
        self,
        root: RootDirectory,
        rows: dict[Path, PackedRows],
        sink: ContentSink,
        watch: Watch,
        when_unstable: UnstableFiles,
        object_format: ObjectFormat,
    ) -> None:
        self._root = root
        self._old = rows
        self._sink = sink
        self._watch = watch
        self._when_unstable = when_unstable
        self._format = object_format
        self._clock = watch.clock(root.fd)
        self._kind = watch.kind(root.fd)
        self._batches = FileBatches()
        self._jobs: deque[FileBatch] = deque()
        encode = sink.stores
        there = partial(worker, root.path, root.fd, object_format.name, encode=encode)
        here = SmallFileReader(root, object_format, encode=encode)
        self._workers: WorkerProcesses[FileBatch, BatchRead] = WorkerProcesses(there, here.read, (root.fd,))
        self.edits: dict[Path, Edit] = {}
        self.rows: dict[Path, dict[str, Row | None]] = {}
        self.new_rows: dict[Path, Packed] = {}  # of directories that had none
        self.new_trees: dict[Path, TreeId] = {}  # of these, those that are made whole; without edits
        self.not_kept: dict[LeftOutKind, Path] = {}
        self.unread: list[tuple[Path, list[tuple[str, BareStat]]]] = []

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

    def finish(self) -> None:
        """Read what was taken and is not read yet."""
        self._batches.flush()
        self._jobs.extend(self._batches.take())
        self._workers.run(self._jobs, self._take)

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
        return is_told or self._when_unstable is UnstableFiles.STORE

    def _take(self, batch: FileBatch, read: BatchRead) -> None:
        """Take over what was read of a batch."""
        for kind, path in read.not_kept.items():
            self.not_kept.setdefault(kind, path)
        for group, found in zip(batch, read.groups, strict=True):
            if isinstance(found, NewTree):
                self._sink.add_new_tree(found)
                self.new_rows[group.directory] = found.rows
                self.new_trees[group.directory] = found.id
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
            self.unread.append((group.directory, [(name, now) for name, now, small in files if small is None]))

    def _take_new(self, directory: Path, files: list[tuple[str, BareStat, SmallFile | None]], before: int) -> None:
        """Take over files of a directory that had no row; the hot loop of a first commit."""
        stored = self._sink.add_small_files(
            [(small, size, None) for _, (_, size, _, _, _), small in files if small is not None]
        )
        rows: dict[str, tuple[BareStat, Entry]] = {}
        edits, new = self.edits, tuple.__new__
        for (name, now, _), kept in zip(files, stored, strict=True):
            mode, size, mtime_ns, ctime_ns, ino = now
            git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
            # As Entry(…) and Edit(…), without their way through Python.
            entry = new(Entry, (mode, git_mode, kept.id, size, mtime_ns, kept.hash))
            rows[name] = now if ctime_ns < before else (mode, size, mtime_ns, UNTRUSTED_CTIME, ino), entry
            edits[(*directory, name)] = new(Edit, (entry, None))
        packed = pack_rows(rows, self._format)
        known = self.new_rows.get(directory)
        self.new_rows[directory] = packed if known is None else join_rows(known, packed)

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
        rows = self.rows.setdefault(directory, {})
        for ((name, bare, _), old), kept in zip(together, stored, strict=True):
            now = Stat(*bare)
            entry = file_entry(now, old, kept)
            rows[name] = Row(now if now.ctime_ns < before else untrusted(now), entry)
            seen = old.entry if old is not None else None
            if not is_as_seen(entry, seen):
                self.edits[(*directory, name)] = Edit(entry, seen)
