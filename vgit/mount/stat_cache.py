"""Stat cache: what a mount last saw of each path, kept so that no crash makes it lie.

One row of a database per directory (which loads several times faster than one
per file). The same database has *base* (the commit last reloaded from), the
*divergent* paths (whose seen version is not base's), and the journal of a commit
or reload under way, so that they change together. The caller holds the mount's
lock; what other processes wrote while they held it is read again.

It describes the working directory, not head: what others published and this
mount has not reloaded is not in it, and so never looks removed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import Packed, PackedRows, Row, pack_rows
from vgit.ids import CommitId, ObjectFormat
from vgit.mount.state_database import StateDatabase, key_to_path, path_to_key
from vgit.mount.undo_log import UndoLog
from vgit.paths import Path

Changed: TypeAlias = Mapping[Path, Mapping[str, Row | None]]  # rows by directory and name; None: to be removed

_RECENT_DIRECTORIES = 1_000
_BASE = "base"
_NEWEST = "newest"
_JOURNAL = "journal"
_ROOT_MODE = "root_mode"
_LEFT_OUT = "left_out"
_MOUNTED = "mounted"


class StatCache:
    """What one mount knows. Used by one thread at a time, in the process that opened it."""

    def __init__(self, path: str, object_format: ObjectFormat, *, network: bool = False) -> None:
        self._format = object_format
        self._loaded: dict[Path, PackedRows] | None = None
        self._recent: dict[Path, PackedRows | None] = {}
        self._seen_version = -1
        self._database = StateDatabase(path, network=network)
        self._undo_log = UndoLog(self._database, object_format)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def refresh(self) -> None:
        """Forget what is cached in memory if another process has written since."""
        version = self._database.data_version()
        if version != self._seen_version:
            self._seen_version = version
            self._forget()

    def _forget(self) -> None:
        self._loaded = None
        self._recent.clear()

    def directories(self) -> dict[Path, PackedRows]:
        """Return every directory that has rows; not to be changed by the caller."""
        if self._loaded is None:
            with self._database.reading():
                rows = self._database.execute("SELECT path, names, stats, entries FROM directories")
                self._loaded = {
                    key_to_path(path): PackedRows(names, stats, entries, self._format)
                    for path, names, stats, entries in rows
                }
        return self._loaded

    def rows(self, directory: Path) -> dict[str, Row]:
        """Return the rows of one directory, a dict of its own; empty if there are none."""
        packed = self._packed(directory)
        return dict(packed.items()) if packed is not None else {}

    def row(self, path: Path) -> Row | None:
        """Return what was last seen of ``path``, None if there is no row; reads its directory's rows only."""
        packed = self._packed(path[:-1])
        return packed.row(path[-1]) if packed is not None and path else None

    def _packed(self, directory: Path) -> PackedRows | None:
        if self._loaded is not None:
            return self._loaded.get(directory)
        if directory not in self._recent:
            if len(self._recent) >= _RECENT_DIRECTORIES:
                self._recent.clear()
            with self._database.reading():
                found = self._database.execute(
                    "SELECT names, stats, entries FROM directories WHERE path = ?", (path_to_key(directory),)
                ).fetchone()
                self._recent[directory] = _unpack(found, self._format) if found else None
        return self._recent[directory]

    @property
    def base(self) -> CommitId | None:
        """The commit last reloaded from; None before the first checkout was done."""
        value = self._database.fact(_BASE)
        return CommitId(value) if value else None  # type: ignore[arg-type]

    @property
    def newest(self) -> CommitId | None:
        """The newest commit that this mount knows to be published: base, or one that it made on others' since."""
        value = self._database.fact(_NEWEST)
        return CommitId(value) if value else self.base  # type: ignore[arg-type]

    @property
    def root_mode(self) -> int | None:
        """The mode of the volume's root directory as this mount last saw it."""
        value = self._database.fact(_ROOT_MODE)
        return int(value) if value is not None else None

    @property
    def journal(self) -> bytes | None:
        """The journal of what was under way, None if all came to its end."""
        return self._database.fact(_JOURNAL)

    def left_out(self) -> tuple[Omitted, ...]:
        """Return what of base cannot be in this mount, and why: it is no removal."""
        value = self._database.fact(_LEFT_OUT)
        found = json.loads(value) if value is not None else []
        return tuple(Omitted(tuple(path), LeftOutKind(kind), reason) for path, kind, reason in found)

    def mounted(self) -> dict[Path, str]:
        """Return where something else was mounted in the mount, and what tells it from another."""
        value = self._database.fact(_MOUNTED)
        return {tuple(path): what for path, what in json.loads(value)} if value is not None else {}

    def divergent(self) -> set[Path]:
        """Return the paths whose seen version is not base's."""
        with self._database.reading():
            return {key_to_path(path) for (path,) in self._database.execute("SELECT path FROM divergent")}

    def write_journal(
        self, journal: bytes, changed: Changed | None = None, new: Mapping[Path, Packed] | None = None
    ) -> None:
        """Note what is about to happen, set the rows that hold once it has, and keep those before; durable on return.

        ``new`` are rows of directories that had none; ``changed`` may add to them.
        """
        with self.transaction():
            self._database.set_fact(_JOURNAL, journal)
            for directory, packed in (new or {}).items():
                self._undo_log.add_new_directory(directory)
                self.replace_packed(directory, packed)
            for directory, names in (changed or {}).items():
                rows = self.rows(directory)
                if not rows:
                    self._undo_log.add_new_directory(directory)
                elif new is None or directory not in new:
                    self._undo_log.add(directory, {name: rows.get(name) for name in names})
                self._update(directory, rows, names)

    def undo(self) -> None:
        """Set the rows that a commit's journal has set back to what they were; inside a transaction."""
        for directory, before in self._undo_log.rows():
            if before is None:
                self.replace(directory, {})
            else:
                self._update(directory, self.rows(directory), before)

    def journaled(self) -> list[Path]:
        """Return the paths whose rows a commit's journal has set."""
        paths: list[Path] = []
        for directory, before in self._undo_log.rows():
            names = before if before is not None else self.rows(directory)
            paths += [(*directory, name) for name in names]
        return paths

    @contextmanager
    def transaction(self, *, repeatable: bool = False) -> Iterator["StatCache"]:
        """All that is written inside becomes durable together, or none of it.

        What is ``repeatable`` may be lost with the power, whole, until the next
        transaction is durable: the journal that it drops is then there again and
        says the same, or the files are read again.
        """
        try:
            with self._database.transaction(repeatable=repeatable):
                yield self
        except BaseException:
            self._forget()
            raise

    def put(self, changed: Changed) -> None:
        """Set rows (None: remove) directory by directory; inside a transaction."""
        for directory, names in changed.items():
            self._update(directory, self.rows(directory), names)

    def _update(self, directory: Path, rows: dict[str, Row], names: Mapping[str, Row | None]) -> None:
        for name, row in names.items():
            if row is None:
                rows.pop(name, None)
            else:
                rows[name] = row
        self.replace(directory, rows)

    def replace(self, directory: Path, rows: dict[str, Row]) -> None:
        """Set all rows of one directory; inside a transaction."""
        self._recent.pop(directory, None)
        if not rows:
            self._database.execute("DELETE FROM directories WHERE path = ?", (path_to_key(directory),))
            if self._loaded is not None:
                self._loaded.pop(directory, None)
            return
        self.replace_packed(directory, pack_rows(rows, self._format))

    def replace_packed(self, directory: Path, packed: Packed) -> None:
        """Set all rows of one directory, some at least, as they are stored; inside a transaction."""
        self._recent.pop(directory, None)
        self._database.execute(
            "INSERT OR REPLACE INTO directories VALUES (?, ?, ?, ?)", (path_to_key(directory), *packed)
        )
        if self._loaded is not None:
            self._loaded[directory] = PackedRows(*packed, self._format)

    def set_base(self, base: CommitId) -> None:
        """Set the commit last reloaded from, the newest that is known of; inside a transaction."""
        self._database.set_fact(_BASE, base)
        self._database.drop_fact(_NEWEST)

    def set_newest(self, newest: CommitId) -> None:
        """Set the newest commit that is known to be published, base staying as it is; inside a transaction."""
        self._database.set_fact(_NEWEST, newest)

    def set_root_mode(self, mode: int) -> None:
        """Set the root directory's mode as last seen; inside a transaction."""
        self._database.set_fact(_ROOT_MODE, str(mode).encode())

    def set_left_out(self, left_out: Iterable[Omitted]) -> None:
        """Set what of base cannot be in this mount; inside a transaction."""
        self._database.set_fact(_LEFT_OUT, json.dumps(list(left_out)).encode())

    def set_mounted(self, mounted: Mapping[Path, str]) -> None:
        """Set where something else is mounted in the mount; inside a transaction."""
        self._database.set_fact(_MOUNTED, json.dumps(list(mounted.items())).encode())

    def add_divergent(self, paths: Iterable[Path]) -> None:
        """Add to the divergent paths; inside a transaction."""
        self._database.execute_many(
            "INSERT OR IGNORE INTO divergent VALUES (?)", ((path_to_key(path),) for path in paths)
        )

    def set_divergent(self, paths: Iterable[Path]) -> None:
        """Set the divergent paths; inside a transaction."""
        self._database.execute("DELETE FROM divergent")
        self.add_divergent(paths)

    def drop_journal(self) -> None:
        """Say that what the journal noted is done or given up; inside a transaction."""
        self._database.drop_fact(_JOURNAL)
        self._undo_log.clear()


def _unpack(found: tuple[bytes, bytes, bytes], object_format: ObjectFormat) -> PackedRows:
    return PackedRows(*found, object_format)
