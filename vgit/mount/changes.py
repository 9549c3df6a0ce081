"""Changes: what the scan found, read once and turned into edits and new rows.

Small files go in batches (``batch_reader``), all others one by one
(``entry_reader``). What is being written is stored as read and named unstable,
or held back at its published version, as the caller wants. Nothing torn is
published silently, and a row is trusted only if the file is believed.
"""

import os
from typing import NamedTuple, Self

from vgit.errors import Error
from vgit.files.content_sink import ContentSink
from vgit.files.left_out import Omitted
from vgit.files.metadata import is_as_seen, mode_and_mtime
from vgit.files.rows import Packed, PackedRows, Row, untrusted
from vgit.files.steady_read import Moved, Watch
from vgit.ids import ObjectFormat
from vgit.localfs.file_stat import BareStat, Stat
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.batch_reader import BatchReader
from vgit.mount.entry_reader import EntryReader
from vgit.mount.policy import UnstableFiles
from vgit.mount.scan import Scan
from vgit.paths import ROOT, Path
from vgit.runtime.cancel import checkpoint
from vgit.tree.edits import Edit, Edits, Whole
from vgit.tree.entry import Entry, directory_entry


class Changes(NamedTuple):
    """What a working directory has that its mount has not published."""

    edits: Edits
    rows: dict[Path, dict[str, Row | None]]  # to be set once the edits are published; None: remove
    new_rows: dict[Path, Packed]  # the same, of files in directories that had no row: packed, there are many
    unstable: list[Path]
    left_out: list[Omitted]  # in path order
    root_mode: int
    held_back: list[Path]


class ChangeReader:
    """One reading of a scan's findings; a context manager, as other processes may help."""

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
        self._format = object_format
        self._batches = BatchReader(root, rows, sink, watch, when_unstable, object_format)
        self._entries = EntryReader(root, sink, watch, when_unstable, self._batches.not_kept)
        self._edits, self._rows = self._batches.edits, self._batches.rows
        self._unstable: list[Path] = []
        self._held_back: list[Path] = []
        self._left_out: list[Omitted] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._batches.__exit__(*exc)

    def offer(self, directory: Path, names: list[tuple[str, BareStat]]) -> list[tuple[str, BareStat]]:
        """Take what can be read in batches of a directory's changes, while the scan goes on; return the rest."""
        return self._batches.offer(directory, names)

    def read(self, scan: Scan, known_root_mode: int | None) -> Changes:
        """Read what changed, directory by directory in path order."""
        self._batches.finish()
        for directory, names in (*self._batches.unread, *scan.changed.items()):
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
        return Changes(edits, self._rows, self._batches.new_rows, self._unstable, left_out, root_mode, self._held_back)

    def _lost_of(self, edits: Edits) -> list[Omitted]:
        """Return what is not kept of files that are to be published; of one that was only read again, it was told."""
        told = {
            kind: path for kind, path in self._batches.not_kept.items() if path in edits or path[:-1] in edits.wholes
        }
        return [Omitted.of(kind, path) for kind, path in told.items()]

    def _wholes(self) -> dict[Path, Whole]:
        """Return the new trees for which an edit of their directory can stand; of others, put down each file's."""
        wholes = {}
        for path, tree in self._batches.new_trees.items():
            rows = PackedRows(*self._batches.new_rows[path], self._format)
            edit = self._edits.get(path)
            if edit is not None and edit.seen is None and edit.new is not None and edit.new.is_directory:
                wholes[path] = Whole(tree, len(rows), rows.entries)
            else:  # known without rows, as it was empty; or a file was there, or it is gone again
                self._edits |= {(*path, name): Edit(entry, None) for name, entry in rows.entries().items()}
        return wholes

    def _read_directory(self, directory: Path, names: list[tuple[str, BareStat]]) -> None:
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
                self._read_name(descriptor, (*directory, name), Stat(*now), old, rows)
        finally:
            os.close(descriptor)

    def _read_name(self, parent: int, path: Path, now: Stat, old: Row | None, rows: dict[str, Row | None]) -> None:
        try:
            read = self._entries.read(parent, path, now, old)
        except Moved:
            self._held_back.append(path)
            return  # the next commit sees what is there then
        except Error:
            raise  # the store's trouble, not this file's, though some of ours are OSErrors too
        except FileNotFoundError:
            return  # gone since the scan
        except OSError as error:
            self._left_out.append(Omitted.unreadable(path, error))
            return
        if not read.is_steady:
            self._unstable.append(path)
        rows[path[-1]] = Row(read.now if read.is_trusted else untrusted(read.now), read.entry)
        seen = old.entry if old is not None else None
        if not is_as_seen(read.entry, seen):
            self._edits[path] = Edit(read.entry, seen)

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
