"""Path versions: whether what stands at one path differs between two trees, for the least reading.

From the root down, one name at a time, git's rows of that name are compared:

    row of a parent is the same        nothing below it differs; no more is read
    last row differs                   it differs
    last row and its line are the same it does not
    anything else                      the directories are put together and the entries compared

So a large directory is never put together to learn of one name in it, unless
that name's mode or mtime changed, or stock git left it without a line.
"""

from typing import NamedTuple

from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import FILE_MODE, FILE_TEXT, MODES, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import TreeRow, split_tree
from vgit.objects.object_kind import BLOB, TREE
from vgit.paths import RECORD_NAME, Path, encode_name
from vgit.repository.repository import Repository
from vgit.tree.entry import Entry
from vgit.tree.escape import escape_name
from vgit.tree.stored_name import decode_stored_name, encode_stored_name

_KEPT_ROWS = 10_000
_NAME_FIELD = 5  # of a record's line: five fields and spaces, then the name


class _Rows(NamedTuple):
    """What a tree says of one name."""

    own: TreeRow | None
    record: ObjectId | None  # the directory record beside it


_NOTHING = _Rows(None, None)


class PathVersions:
    """One path, other than the root, through many trees; keeps the rows it has seen."""

    def __init__(self, repository: Repository, path: Path) -> None:
        self._repository = repository
        self._path = path
        self._names = [encode_name(name) for name in path]
        self._stored = [
            frozenset((name, encode_stored_name(name, FILE_MODE), encode_stored_name(name, SYMLINK_MODE)))
            for name in self._names
        ]
        self._known: dict[tuple[int, TreeId], _Rows] = {}

    def differ(self, old: TreeId | None, new: TreeId | None) -> bool:
        """Say whether entry or contents differ between two trees; a directory's mtime does not count."""
        last = len(self._path) - 1
        for depth in range(last):
            if old == new:
                return False
            old, new = self._subtree(old, depth), self._subtree(new, depth)
        if old == new:
            return False
        before, after = self._rows(old, last), self._rows(new, last)
        if before.own != after.own:
            return True
        if before.record == after.record or self._lines(before) == self._lines(after):
            return False
        return _version(self._entry(old)) != _version(self._entry(new))

    def _subtree(self, tree: TreeId | None, depth: int) -> TreeId | None:
        row = self._rows(tree, depth).own
        return TreeId(row[2]) if row is not None and MODES[row[0]] == TREE_MODE else None

    def _rows(self, tree: TreeId | None, depth: int) -> _Rows:
        if tree is None:
            return _NOTHING
        known = self._known.get((depth, tree))
        if known is None:
            if len(self._known) >= _KEPT_ROWS:
                self._known.clear()
            known = self._known[depth, tree] = self._read_rows(tree, depth)
        return known

    def _read_rows(self, tree: TreeId, depth: int) -> _Rows:
        objects = self._repository.objects
        try:
            rows = split_tree(objects.read_kind(tree, TREE), objects.format.id_size)
        except CorruptObjectError as error:
            raise CorruptObjectError(f"directory {tree.hex()}: {error}") from error
        own: TreeRow | None = None
        record: ObjectId | None = None
        stored_names, name = self._stored[depth], self._names[depth]
        for row in rows:
            stored = row[1]
            if stored == RECORD_NAME:  # nobody's file, whatever it is
                record = row[2] if row[0] == FILE_TEXT else None
            elif stored in stored_names and decode_stored_name(stored, MODES[row[0]]) == name:
                own = row
        return _Rows(own, record)

    def _lines(self, rows: _Rows) -> list[bytes]:
        """Return the record's lines of this name, well-formed or not, as they are."""
        if rows.record is None:
            return []
        data = self._repository.objects.read_kind(rows.record, BLOB)
        found = []
        for stored in self._stored[-1]:
            name = escape_name(stored).encode()
            end = -1
            while (end := data.find(b" " + name + b"\n", end + 1)) >= 0:
                line = data[data.rfind(b"\n", 0, end) + 1 : end + 1 + len(name)]
                if line.split(b" ", _NAME_FIELD)[_NAME_FIELD:] == [name]:
                    found.append(line)
        return found

    def _entry(self, tree: TreeId | None) -> Entry | None:
        if tree is None:
            return None
        return self._repository.directories.read(tree).entries.get(self._path[-1])


def _version(entry: Entry | None) -> tuple[object, ...]:
    if entry is None:
        return ()
    return (entry.mode, entry.id) if entry.is_directory else (entry.mode, entry.id, entry.mtime_ns)
