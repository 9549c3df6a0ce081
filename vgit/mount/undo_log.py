"""Undo log: the rows as they were before a commit set those that hold once it is published.

It stands in the transaction of the commit's journal, and goes with it.
"""

from collections.abc import Mapping

from vgit.files.rows import PackedRows, Row, pack_rows
from vgit.ids import ObjectFormat
from vgit.localfs.file_stat import Stat
from vgit.mount.state_database import StateDatabase, key_to_path, path_to_key
from vgit.paths import Path
from vgit.tree.entry import Entry

_NO_ROW = Row(Stat(0, 0, 0, 0, 0), Entry(0, 0, None, 0, 0, None))  # how the log says that there was none


class UndoLog:
    """The undo log of one mount."""

    def __init__(self, database: StateDatabase, object_format: ObjectFormat) -> None:
        self._database = database
        self._format = object_format

    def add_new_directory(self, directory: Path) -> None:
        """Note that a directory had no rows; inside a transaction."""
        self._insert(directory, None, None, None)

    def add(self, directory: Path, before: Mapping[str, Row | None]) -> None:
        """Note some rows of a directory, None for a name that had none; inside a transaction."""
        rows = {name: row if row is not None else _NO_ROW for name, row in before.items()}
        self._insert(directory, *pack_rows(rows, self._format))

    def _insert(self, directory: Path, *packed: bytes | None) -> None:
        key = path_to_key(directory)
        self._database.execute("INSERT OR REPLACE INTO undo VALUES (?, ?, ?, ?)", (key, *packed))

    def rows(self) -> list[tuple[Path, dict[str, Row | None] | None]]:
        """Return by directory what was noted, None for one that had no rows."""
        with self._database.reading():
            found = self._database.execute("SELECT path, names, stats, entries FROM undo").fetchall()
            return [
                (key_to_path(path), self._unpack(names, stats, entries) if names is not None else None)
                for path, names, stats, entries in found
            ]

    def _unpack(self, names: bytes, stats: bytes, entries: bytes) -> dict[str, Row | None]:
        rows = PackedRows(names, stats, entries, self._format).items()
        return {name: row if row.stat != _NO_ROW.stat else None for name, row in rows}

    def clear(self) -> None:
        """Forget all; inside a transaction."""
        self._database.execute("DELETE FROM undo")
