"""Stat cache: what a mount last saw of each path, kept so that no crash makes it lie.

A SQLite database, one row per directory (which loads several times faster than
one per file). Beside the rows it has *base* (the
commit last reloaded from), the *divergent* paths (whose seen version is not
base's), and the journal of a commit or reload under way. The caller holds the
mount's lock; what other processes wrote while they held it is read again.

It describes the working directory, not head: what others published and this
mount has not reloaded is not in it, and so never looks removed.
"""

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypeAlias

from vgit.errors import BackendUnavailableError, Error, NotMountedError
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import Packed, PackedRows, Row, pack_rows
from vgit.ids import CommitId, ObjectFormat
from vgit.localfs.file_stat import Stat
from vgit.paths import ROOT, Path, decode_name, encode_name
from vgit.tree.entry import Entry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS directories (path BLOB PRIMARY KEY, names BLOB, stats BLOB, entries BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (path BLOB PRIMARY KEY, names BLOB, stats BLOB, entries BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS divergent (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
"""
Changed: TypeAlias = Mapping[Path, Mapping[str, Row | None]]  # rows by directory and name; None: to be removed

_VERSION = 2
_UPGRADE = "DROP TABLE IF EXISTS pending;"  # of version 1, which kept the new rows there until they held
# Of the machine, not of the database. The extended codes have these in their low byte.
_TROUBLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_NO_ROW = Row(Stat(0, 0, 0, 0, 0), Entry(0, 0, None, 0, 0, None))  # how the journal says that there was none
_RECENT_DIRECTORIES = 1_000
_BASE = "base"
_NEWEST = "newest"
_JOURNAL = "journal"
_ROOT_MODE = "root_mode"
_LEFT_OUT = "left_out"
_MOUNTED = "mounted"


class StatCache:
    """The database of one mount; a context manager. Used by one thread at a time, in the process that opened it."""

    def __init__(self, path: str, object_format: ObjectFormat, *, network: bool = False) -> None:
        self._format = object_format
        self._loaded: dict[Path, PackedRows] | None = None
        self._recent: dict[Path, PackedRows | None] = {}
        self._seen_version = -1
        self._path = path
        self._network = network
        self._has_log = False
        self._connection = self._connect()

    def __enter__(self) -> "StatCache":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def refresh(self) -> None:
        """Forget what is cached in memory if another process has written since."""
        with self._reading():
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._seen_version = version
            self._forget()

    def _forget(self) -> None:
        self._loaded = None
        self._recent.clear()

    def directories(self) -> dict[Path, PackedRows]:
        """Return every directory that has rows; not to be changed by the caller."""
        if self._loaded is None:
            with self._reading():
                rows = self._connection.execute("SELECT path, names, stats, entries FROM directories")
                self._loaded = {
                    _path(path): PackedRows(names, stats, entries, self._format) for path, names, stats, entries in rows
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
            with self._reading():
                found = self._connection.execute(
                    "SELECT names, stats, entries FROM directories WHERE path = ?", (_key(directory),)
                ).fetchone()
                self._recent[directory] = _unpack(found, self._format) if found else None
        return self._recent[directory]

    @property
    def base(self) -> CommitId | None:
        """The commit last reloaded from; None before the first checkout was done."""
        value = self._fact(_BASE)
        return CommitId(value) if value else None  # type: ignore[arg-type]

    @property
    def newest(self) -> CommitId | None:
        """The newest commit that this mount knows to be published: base, or one that it made on others' since."""
        value = self._fact(_NEWEST)
        return CommitId(value) if value else self.base  # type: ignore[arg-type]

    @property
    def root_mode(self) -> int | None:
        """The mode of the volume's root directory as this mount last saw it."""
        value = self._fact(_ROOT_MODE)
        return int(value) if value is not None else None

    @property
    def journal(self) -> bytes | None:
        """The journal of what was under way, None if all came to its end."""
        return self._fact(_JOURNAL)

    def left_out(self) -> tuple[Omitted, ...]:
        """Return what of base cannot be in this mount, and why: it is no removal."""
        value = self._fact(_LEFT_OUT)
        found = json.loads(value) if value is not None else []
        return tuple(Omitted(tuple(path), LeftOutKind(kind), reason) for path, kind, reason in found)

    def mounted(self) -> dict[Path, str]:
        """Return where something else was mounted in the mount, and what tells it from another."""
        value = self._fact(_MOUNTED)
        return {tuple(path): what for path, what in json.loads(value)} if value is not None else {}

    def divergent(self) -> set[Path]:
        """Return the paths whose seen version is not base's."""
        with self._reading():
            return {_path(path) for (path,) in self._connection.execute("SELECT path FROM divergent")}

    def write_journal(
        self, journal: bytes, changed: Changed | None = None, new: Mapping[Path, Packed] | None = None
    ) -> None:
        """Note what is about to happen, set the rows that hold once it has, and keep those before; durable on return.

        ``new`` are rows of directories that had none; ``changed`` may add to them.
        """
        with self.transaction():
            self._set(_JOURNAL, journal)
            for directory, packed in (new or {}).items():
                self._keep_for_undo(directory, None)
                self.replace_packed(directory, packed)
            for directory, names in (changed or {}).items():
                rows = self.rows(directory)
                if not rows:
                    self._keep_for_undo(directory, None)
                elif new is None or directory not in new:
                    before = {name: rows.get(name, _NO_ROW) for name in names}
                    self._keep_for_undo(directory, pack_rows(before, self._format))
                self._update(directory, rows, names)

    def _keep_for_undo(self, directory: Path, packed: Packed | None) -> None:
        """Keep rows as they were; None: the directory had none."""
        self._connection.execute(
            "INSERT OR REPLACE INTO undo VALUES (?, ?, ?, ?)", (_key(directory), *(packed or (None, None, None)))
        )

    def undo(self) -> None:
        """Set the rows that a commit's journal has set back to what they were; inside a transaction."""
        with self._reading():
            found = self._connection.execute("SELECT path, names, stats, entries FROM undo").fetchall()
            for path, names, stats, entries in found:
                directory = _path(path)
                if names is None:
                    self.replace(directory, {})
                    continue
                rows = PackedRows(names, stats, entries, self._format).items()
                before = {name: row if row.stat != _NO_ROW.stat else None for name, row in rows}
                self._update(directory, self.rows(directory), before)

    def journaled(self) -> list[Path]:
        """Return the paths whose rows a commit's journal has set."""
        with self._reading():
            found = self._connection.execute("SELECT path, names FROM undo").fetchall()
            paths: list[Path] = []
            for path, names in found:
                directory = _path(path)
                known = self.rows(directory) if names is None else [decode_name(name) for name in names.split(b"\0")]
                paths += [(*directory, name) for name in known]
            return paths

    @contextmanager
    def transaction(self, *, repeatable: bool = False) -> Iterator["StatCache"]:
        """All that is written inside becomes durable together, or none of it.

        What is ``repeatable`` may be lost with the power, whole, until the next
        transaction is durable: the journal that it drops is then there again and
        says the same, or the files are read again.
        """
        # NORMAL leaves the sync of the write-ahead log to whoever is next. A rollback journal needs its own.
        level = "NORMAL" if repeatable and self._has_log else "FULL"
        try:
            self._connection.execute(f"PRAGMA synchronous={level}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                self._roll_back()
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise BackendUnavailableError(
                f"the mount's state {self._path} cannot be written: {error}. Nothing was lost; make room or"
                " restore the permission and run the command again."
            ) from error

    def _roll_back(self) -> None:
        """End a transaction without what it wrote; SQLite may have done so by itself, or not even when it failed."""
        self._forget()
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

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
            self._connection.execute("DELETE FROM directories WHERE path = ?", (_key(directory),))
            if self._loaded is not None:
                self._loaded.pop(directory, None)
            return
        self.replace_packed(directory, pack_rows(rows, self._format))

    def replace_packed(self, directory: Path, packed: Packed) -> None:
        """Set all rows of one directory, some at least, as they are stored; inside a transaction."""
        self._recent.pop(directory, None)
        self._connection.execute("INSERT OR REPLACE INTO directories VALUES (?, ?, ?, ?)", (_key(directory), *packed))
        if self._loaded is not None:
            self._loaded[directory] = PackedRows(*packed, self._format)

    def set_base(self, base: CommitId) -> None:
        """Set the commit last reloaded from, the newest that is known of; inside a transaction."""
        self._set(_BASE, base)
        self._connection.execute("DELETE FROM facts WHERE name = ?", (_NEWEST,))

    def set_newest(self, newest: CommitId) -> None:
        """Set the newest commit that is known to be published, base staying as it is; inside a transaction."""
        self._set(_NEWEST, newest)

    def set_root_mode(self, mode: int) -> None:
        """Set the root directory's mode as last seen; inside a transaction."""
        self._set(_ROOT_MODE, str(mode).encode())

    def set_left_out(self, left_out: Iterable[Omitted]) -> None:
        """Set what of base cannot be in this mount; inside a transaction."""
        self._set(_LEFT_OUT, json.dumps(list(left_out)).encode())

    def set_mounted(self, mounted: Mapping[Path, str]) -> None:
        """Set where something else is mounted in the mount; inside a transaction."""
        self._set(_MOUNTED, json.dumps(list(mounted.items())).encode())

    def add_divergent(self, paths: Iterable[Path]) -> None:
        """Add to the divergent paths; inside a transaction."""
        self._connection.executemany("INSERT OR IGNORE INTO divergent VALUES (?)", ((_key(path),) for path in paths))

    def set_divergent(self, paths: Iterable[Path]) -> None:
        """Set the divergent paths; inside a transaction."""
        self._connection.execute("DELETE FROM divergent")
        self.add_divergent(paths)

    def drop_journal(self) -> None:
        """Say that what the journal noted is done or given up; inside a transaction."""
        self._connection.execute("DELETE FROM facts WHERE name = ?", (_JOURNAL,))
        self._connection.execute("DELETE FROM undo")

    def _fact(self, name: str) -> bytes | None:
        with self._reading():
            found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return bytes(found[0]) if found else None

    def _set(self, name: str, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, struct.error, ValueError, TypeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLE:
            return BackendUnavailableError(
                f"the mount's state {self._path} cannot be opened: {error}. Nothing was lost; make room or"
                " restore the permission and run the command again."
            )
        return NotMountedError(
            f"the mount's state {self._path} cannot be read: {error}. If it is damaged, delete it and mount the volume"
            " there again: no file is overwritten, and those that differ from the volume are local changes."
        )

    def _connect(self) -> sqlite3.Connection:
        try:
            # Any thread may hold the mount's lock, one at a time, so SQLite's own check is not wanted.
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # A write-ahead log needs one fsync a transaction, but shared memory, which network file systems lack.
        mode = connection.execute(f"PRAGMA journal_mode={'DELETE' if self._network else 'WAL'}").fetchone()[0]
        self._has_log = mode == "wal"
        connection.execute("PRAGMA synchronous=FULL")
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            connection.executescript(_UPGRADE + _SCHEMA)
            connection.execute(f"PRAGMA user_version={_VERSION}")


def _unpack(found: tuple[bytes, bytes, bytes], object_format: ObjectFormat) -> PackedRows:
    return PackedRows(*found, object_format)


def _key(path: Path) -> bytes:
    return b"/".join([encode_name(name) for name in path])


def _path(key: bytes) -> Path:
    return tuple(decode_name(name) for name in key.split(b"/")) if key else ROOT
