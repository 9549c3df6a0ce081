"""Directory writer: entries by name written as a git tree and its record, which ``directory`` reads again."""

import stat
from bisect import bisect
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from vgit.errors import InvalidError
from vgit.ids import BlobId, TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, FILE_TEXT, GITLINK_MODE, SYMLINK_MODE, TREE_MODE
from vgit.paths import RECORD_NAME, decode_name, encode_name
from vgit.runtime.buffer import Buffer
from vgit.tree.directory import IMPOSSIBLE_NAMES, Directory, git_order
from vgit.tree.directory_record import serialise_record
from vgit.tree.entry import NO_GIT_ENTRY, Entry
from vgit.tree.escape import escape_name, needs_escape
from vgit.tree.stored_name import encode_stored_name

_RECORD_ROW = b"%b %b\0" % (FILE_TEXT, RECORD_NAME)  # without its id
_GIT_MODES = {
    stat.S_IFREG: (FILE_MODE, EXECUTABLE_MODE, TREE_MODE),
    stat.S_IFDIR: (TREE_MODE,),
    stat.S_IFLNK: (SYMLINK_MODE,),
    stat.S_IFIFO: (NO_GIT_ENTRY,),
    stat.S_IFSOCK: (NO_GIT_ENTRY,),
    GITLINK_MODE: (GITLINK_MODE,),
}


class TreeWriter(Protocol):
    """What writes trees and their records: an ObjectWriter, or something that only encodes them."""

    def write_record(self, data: Buffer) -> BlobId:
        """Write a record."""

    def write_tree(self, data: Buffer) -> TreeId:
        """Write a tree."""


def write_directory(writer: TreeWriter, entries: Mapping[str, Entry], mode: int | None) -> TreeId:
    """Write record and tree of a directory, and return the tree's id.

    ``entries`` are by the user's names, in any order; ``.vgit`` is added here.
    ``mode`` is the directory's own and only for the root, which has no parent
    to say it. Git's executable bit is the owner's, whatever an entry's
    ``git_mode`` says. Raise InvalidError for names that no tree can hold.
    """
    _check_names(entries)
    rows = sorted(_rows(entries))
    record = writer.write_record(serialise_record([line for _, _, line in rows], mode))
    parts = [part for _, part, _ in rows]
    parts.insert(bisect(rows, (RECORD_NAME, b"", "")), _RECORD_ROW + record)
    return writer.write_tree(b"".join(parts))


def as_read(entries: Mapping[str, Entry], mode: int | None) -> Directory:
    """Return what reading gives for a directory that ``write_directory`` wrote."""
    in_order = sorted(entries.items(), key=git_order)
    return Directory(mode, {name: _entry_as_read(entry) for name, entry in in_order})


def _entry_as_read(entry: Entry) -> Entry:
    mode, git_mode, id, _, mtime_ns, _ = entry
    tree_mode, octal, bare = _row_form(mode, git_mode)
    if not octal:
        return Entry(mode, git_mode, id, 0, 0, None)
    stored = int(tree_mode or b"0", 8)
    if bare:
        return Entry(mode, stored, id, 0, mtime_ns, None)
    return entry if stored == git_mode else entry._replace(git_mode=stored)


def _check_names(entries: Mapping[str, Entry]) -> None:
    together = "/".join(entries)
    if not IMPOSSIBLE_NAMES.isdisjoint(entries) or together.count("/") >= max(len(entries), 1) or "\0" in together:
        raise InvalidError("Invalid name: a directory cannot hold '', '.', '..', nor a name with '/' or NUL.")
    # Surrogates that spell valid UTF-8 would be a second form of another name; others are no bytes at all.
    try:
        clean = together.isascii() or decode_name(encode_name(together)) == together
    except UnicodeEncodeError:
        clean = False
    if not clean:
        raise InvalidError("Invalid name: it has surrogates that no bytes decode to.")


def _rows(entries: Mapping[str, Entry]) -> list[tuple[bytes, bytes, str]]:
    """Return for each entry its sort key, its row of the tree and its line of the record; the hot loop."""
    rows = []
    escape = needs_escape("".join(entries))
    form, encode_stored = _row_form, encode_stored_name
    for name, (mode, git_mode, id, size, mtime_ns, hash) in entries.items():
        tree_mode, octal, bare = form(mode, git_mode)
        raw = name.encode("utf-8", "surrogateescape")
        stored = encode_stored(raw, git_mode)
        row, line = b"", ""
        if tree_mode:
            assert id is not None
            row = b"%b %b\0%b" % (tree_mode, stored, id)
        if escape or stored is not raw:
            name = escape_name(stored)
        if not bare:
            assert id is not None
            line = f"{octal} {mtime_ns} {size} {hash.hex() if hash else '-'} {id[:8].hex()} {name}\n"
        elif octal:
            line = f"{octal} {mtime_ns} 0 - - {name}\n"
        rows.append((stored + b"/" if git_mode == TREE_MODE else stored, row, line))
    return rows


@lru_cache(maxsize=4096)
def _row_form(mode: int, git_mode: int) -> tuple[bytes, str, bool]:
    """Return an entry's mode in the tree (or b""), in the record (or ""), and whether its line is bare."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFREG and git_mode in (FILE_MODE, EXECUTABLE_MODE):
        git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
    if mode >> 16 or git_mode not in _GIT_MODES.get(kind, ()):
        raise InvalidError(f"Invalid entry: mode {mode:o} cannot be stored as {git_mode:o} in git.")
    tree_mode = b"%o" % git_mode if git_mode else b""
    octal = "" if git_mode == GITLINK_MODE else f"{mode:o}"
    return tree_mode, octal, kind not in (stat.S_IFREG, stat.S_IFLNK)
