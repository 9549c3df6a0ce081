"""State database: the SQLite file in which a mount keeps its state, ``.vgit/state.db``.

What is written in one transaction becomes durable together, or none of it. Tables
and values are in docs/format/mount.md; ``stat_cache`` says what they mean.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from vgit.errors import BackendUnavailableError, Error, NotMountedError
from vgit.paths import ROOT, Path, decode_name, encode_name

_SCHEMA = """
CREATE TABLE IF NOT EXISTS directories (path BLOB PRIMARY KEY, names BLOB, stats BLOB, entries BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (path BLOB PRIMARY KEY, names BLOB, stats BLOB, entries BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS divergent (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
"""
_VERSION = 2
_UPGRADE = "DROP TABLE IF EXISTS pending;"  # of version 1, which kept the new rows there until they held
# Of the machine, not of the database. The extended codes have these in their low byte.
_TROUBLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class StateDatabase:
    """One database, open. Used by one thread at a time, in the process that opened it."""

    def __init__(self, path: str, *, network: bool = False) -> None:
        self._path = path
        self._network = network
        self._has_log = False
        self._connection = self._connect()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def data_version(self) -> int:
        """Return a number that is another one once another process has written."""
        with self.reading():
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a statement; to read inside ``reading``, to write inside ``transaction``."""
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement once for each of ``values``; inside ``transaction``."""
        self._connection.executemany(statement, values)

    def fact(self, name: str) -> bytes | None:
        """Return the value of a name, None if it has none."""
        with self.reading():
            found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return bytes(found[0]) if found else None

    def set_fact(self, name: str, value: bytes) -> None:
        """Set the value of a name; inside a transaction."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def drop_fact(self, name: str) -> None:
        """Take its value from a name; inside a transaction."""
        self._connection.execute("DELETE FROM facts WHERE name = ?", (name,))

    @contextmanager
    def transaction(self, *, repeatable: bool = False) -> Iterator[None]:
        """Make what is written inside durable together; nothing of it is left if that fails, or an error is raised.

        What is ``repeatable`` may be lost with the power, whole, until the next transaction is durable.
        """
        # NORMAL leaves the sync of the write-ahead log to whoever is next. A rollback journal needs its own.
        level = "NORMAL" if repeatable and self._has_log else "FULL"
        try:
            self._connection.execute(f"PRAGMA synchronous={level}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
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
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise NotMountedError, or BackendUnavailableError, for what goes wrong when something is read."""
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
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:  # before anything is written
            raise NotMountedError(
                f"the mount's state {self._path} has version {version}; expected {_VERSION}, or an older one. Nothing"
                " was changed. Use the newer version that made it, or unmount the mount with that one."
            )
        # A write-ahead log needs one fsync a transaction, but shared memory, which network file systems lack.
        mode = connection.execute(f"PRAGMA journal_mode={'DELETE' if self._network else 'WAL'}").fetchone()[0]
        self._has_log = mode == "wal"
        connection.execute("PRAGMA synchronous=FULL")
        if version != _VERSION:
            connection.executescript(_UPGRADE + _SCHEMA)
            connection.execute(f"PRAGMA user_version={_VERSION}")


def path_to_key(path: Path) -> bytes:
    """Return a path as it is stored."""
    return b"/".join([encode_name(name) for name in path])


def key_to_path(key: bytes) -> Path:
    """Return the path that is stored as ``key``."""
    return tuple(decode_name(name) for name in key.split(b"/")) if key else ROOT
