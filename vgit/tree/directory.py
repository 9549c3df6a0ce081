"""Directory: a git tree and its record, put together to entries by name.

Git has the last word on what is there and what kind it is; the record adds
modes, times, sizes and hashes, line by line, where it speaks of the very id
that the tree has. An entry without such a line (stock git made or changed
it) is derived: ordinary modes, mtime 0, size from the object, hash unknown.
"""

import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import NamedTuple, TypeAlias

from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import (
    FILE_MODE,
    FILE_TEXT,
    GITLINK_MODE,
    MODES,
    SYMLINK_MODE,
    TREE_MODE,
    TREE_TEXT,
)
from vgit.objects.git_tree import TreeRow, sort_key, split_tree
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, TREE
from vgit.paths import RECORD_NAME, Path, decode_name, encode_name
from vgit.runtime.forks import reset_after_fork
from vgit.tree.directory_record import (
    Record,
    RecordLine,
    file_mode,
    is_bare,
    parse_record,
    split_header,
)
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, NO_GIT_ENTRY, Entry, subtree
from vgit.tree.escape import needs_escape
from vgit.tree.record_columns import read_columns
from vgit.tree.stored_name import decode_stored_name, encode_stored_name

ChunkTreeInfo: TypeAlias = Callable[[TreeId], tuple[int, bytes | None] | None]

_KEPT_ENTRIES = 250_000  # about 400 bytes each: 100 MB of directories at most
IMPOSSIBLE_NAMES = frozenset(("", ".", ".."))  # no directory has an entry of that name
_SYMLINK_MODE = stat.S_IFLNK | 0o777


class Directory(NamedTuple):
    """What one directory holds. Shared between readers: never changed by anybody."""

    mode: int | None  # its own st_mode, in a volume's root; any other directory's is in its parent
    entries: dict[str, Entry]  # by the user's name, in git's order of stored names


class DirectoryReader:
    """Reads directories, and keeps the latest; any thread may use it.

    ``chunk_tree_info`` says size and BLAKE3 of a tree that is a large file, and None of any other tree.
    """

    def __init__(
        self, store: ObjectDatabase, chunk_tree_info: ChunkTreeInfo, *, kept_entries: int = _KEPT_ENTRIES
    ) -> None:
        self._store = store
        self._chunk_tree_info = chunk_tree_info
        self._limit = kept_entries
        self._lock = Lock()
        reset_after_fork(self)
        self._kept: OrderedDict[TreeId, Directory] = OrderedDict()
        self._count = 0  # of all entries in _kept, and one for each directory

    def after_fork(self) -> None:
        """Make a new lock: the thread that held it does not exist in a child."""
        self._lock = Lock()

    def read(self, tree_id: TreeId) -> Directory:
        """Return the directory stored as ``tree_id``; one that was read lately costs a look into a dict.

        Raise CorruptObjectError for a tree or record that is missing or
        damaged, and for a tree that cannot be a directory: names that no file
        system takes, or that come to the same.
        """
        with self._lock:
            known = self._kept.get(tree_id)
            if known is not None:
                self._kept.move_to_end(tree_id)
                return known
        try:
            directory = self._read(tree_id)
        except CorruptObjectError as error:
            raise CorruptObjectError(f"directory {tree_id.hex()}: {error}") from error
        self.keep(tree_id, directory)
        return directory

    def keep(self, tree_id: TreeId, directory: Directory) -> None:
        """Remember a directory as one that was read lately: what reading ``tree_id`` gives."""
        with self._lock:
            if tree_id in self._kept:
                return
            self._kept[tree_id] = directory
            self._count += len(directory.entries) + 1
            while self._count > self._limit and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._count -= len(dropped.entries) + 1

    def _read(self, tree_id: TreeId) -> Directory:
        store = self._store
        rows = split_tree(store.read_kind(tree_id, TREE), store.format.id_size)
        data = b""
        at = next((at for at, row in enumerate(rows) if row[1] == RECORD_NAME), None)
        if at is not None:
            mode, _, id = rows.pop(at)  # whatever it is, so that no checkout ever meets a file of this name
            if mode == FILE_TEXT:
                data = store.read_kind(id, BLOB)
        # No name has a slash, so all are decoded in one call.
        joined = decode_name(b"/".join([name for _, name, _ in rows]))
        stored_names = joined.split("/") if rows else []
        names = _user_names(rows) if ".vgit~" in joined else stored_names
        if not needs_escape(joined):
            root_mode, lines = split_header(data)
            entries = read_columns(rows, stored_names, lines)
            if entries is not None:
                return Directory(root_mode, _by_name(names, entries))
        record = parse_record(data)
        found = _by_name(names, self._entries(rows, stored_names, record.lines))
        return Directory(record.mode, _with_specials(found, record))

    def _entries(self, rows: list[TreeRow], stored_names: list[str], lines: dict[str, RecordLine]) -> list[Entry]:
        """Put git's rows and the record's lines together, line by line."""
        entries: list[Entry] = []
        line_of, git_modes = lines.get, MODES
        from_hex, new = bytes.fromhex, tuple.__new__
        for stored, (git_mode, _, id) in zip(stored_names, rows, strict=True):
            line = line_of(f"{id[:8].hex()} {stored}")
            mode = file_mode(line[0], git_mode) if line else None
            if line and mode:
                hash = None if line[3] == "-" else from_hex(line[3])
                # As Entry(…), without its way through Python: half the time of the loop.
                entry = new(Entry, (mode, git_modes[git_mode], id, int(line[2]), int(line[1]), hash))
            else:
                line = line_of(f"- {stored}")
                entry = _directory(git_mode, id, line) or self._derive(git_modes[git_mode], id)
            entries.append(entry)
        return entries

    def _derive(self, git_mode: int, id: ObjectId) -> Entry:
        """Return the entry of a tree's row that no line of the record speaks of."""
        if git_mode == GITLINK_MODE:
            return Entry(GITLINK_MODE, GITLINK_MODE, id, 0, 0, None)
        if git_mode == TREE_MODE:
            info = self._chunk_tree_info(TreeId(id))
            if info is not None:
                return Entry(FILE_MODE, TREE_MODE, id, info[0], 0, info[1])
            return Entry(DEFAULT_DIRECTORY_MODE, TREE_MODE, id, 0, 0, None)
        kind, size = self._store.header(id)
        if kind != BLOB:
            raise CorruptObjectError(f"object {id.hex()} is in the tree as a file, but is not a blob")
        # Of a file the two are one: git's 100644 is S_IFREG and 0o644.
        mode = _SYMLINK_MODE if git_mode == SYMLINK_MODE else git_mode
        return Entry(mode, git_mode, id, size, 0, None)


def _by_name(names: list[str], entries: list[Entry]) -> dict[str, Entry]:
    by_name = dict(zip(names, entries, strict=True))
    if len(by_name) != len(names):
        raise CorruptObjectError("two entries of the tree come to the same name")
    return by_name


def _user_names(rows: list[TreeRow]) -> list[str]:
    return [decode_name(decode_stored_name(stored, MODES[git_mode])) for git_mode, stored, _ in rows]


def _directory(git_mode: bytes, id: ObjectId, line: RecordLine | None) -> Entry | None:
    """Return the entry of a directory with such a line; None if it is not one."""
    if line is None or git_mode != TREE_TEXT or not is_bare(line):
        return None
    mode = int(line[0], 8)
    return Entry(mode, TREE_MODE, id, 0, int(line[1]), None) if stat.S_ISDIR(mode) else None


def _with_specials(entries: dict[str, Entry], record: Record) -> dict[str, Entry]:
    """Return ``entries`` and, each at its place, the FIFOs and sockets of ``record``."""
    specials = {}
    for stored, line in record.specials.items():
        raw = encode_name(stored)
        name = decode_name(decode_stored_name(raw, NO_GIT_ENTRY))
        if name in entries or name in IMPOSSIBLE_NAMES or "/" in name or "\0" in name:
            continue
        if encode_stored_name(encode_name(name), NO_GIT_ENTRY) == raw:
            specials[name] = Entry(int(line[0], 8), NO_GIT_ENTRY, None, 0, int(line[1]), None)
    return dict(sorted((entries | specials).items(), key=git_order)) if specials else entries


def git_order(item: tuple[str, Entry]) -> bytes:
    """Return what sorts the entries of a directory by name as git sorts them."""
    name, entry = item
    return sort_key(entry.git_mode, encode_stored_name(encode_name(name), entry.git_mode))


def find_entry(directories: DirectoryReader, tree: TreeId, path: Path) -> Entry | None:
    """Return what stands at ``path`` below ``tree``, None if nothing does, be it that a file is on the way."""
    found = list(entries_to(directories, tree, path))
    return found[-1] if len(found) > len(path) else None


def entries_to(directories: DirectoryReader, tree: TreeId, path: Path) -> Iterator[Entry]:
    """Yield the entries on the way to ``path``, as far as there are any: the root's, made up from its record, first."""
    entry: Entry | None = Entry(directories.read(tree).mode or DEFAULT_DIRECTORY_MODE, TREE_MODE, tree, 0, 0, None)
    names = iter(path)
    while entry is not None:
        yield entry
        below, name = subtree(entry), next(names, None)
        entry = directories.read(below).entries.get(name) if below is not None and name is not None else None
