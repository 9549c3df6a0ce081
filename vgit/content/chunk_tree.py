"""Chunk tree: a file over 4 MiB as two levels of git trees.

    model.bin/                      tree
        .vgit                       file record
        0000000000000000/           group, named by its offset in the file
            .vgit                   group record: size and BLAKE3 of each chunk
            00000000                chunk (blob), named by its offset in the group
            000455d1
        0000000003a99815/
            …

Concatenating the chunks in order of name gives the file. The file record
holds a digest of the groups. Where it fails, stock git has edited the tree:
then the chunks in order *are* the file, their sizes come from their headers,
and what vouches for them is git's id. A tree with any other name in it, at
either level, is a directory.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from vgit.content.chunk_tree_record import (
    CHUNKING,
    FILE_RECORD_START,
    FileRecord,
    encode_file_record,
    encode_group_record,
    entries_digest,
    parse_file_record,
    parse_group_record,
)
from vgit.content.chunker import ends_group
from vgit.errors import CorruptObjectError
from vgit.ids import BlobId, TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry, parse_tree, serialise_tree
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, TREE
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import RECORD_NAME

_FILE_MODES = (FILE_MODE, EXECUTABLE_MODE)  # stock git may have made a chunk executable; it still is a chunk
_GROUP_NAME = re.compile(rb"[0-9a-f]{16}")
_CHUNK_NAME = re.compile(rb"[0-9a-f]{8}")


class Chunk(NamedTuple):
    """One piece of the file."""

    offset: int  # in the file, bytes
    size: int
    id: BlobId
    hash: bytes | None  # BLAKE3; None where stock git edited the tree: the id vouches alone


class Group(NamedTuple):
    """Consecutive chunks: one subtree."""

    offset: int  # in the file, bytes
    size: int
    id: TreeId


@dataclass(frozen=True, slots=True)
class ChunkTree:
    """A chunk tree as far as its first level tells; ``read_chunks`` gives the second."""

    id: TreeId
    size: int  # bytes of the file
    hash: bytes | None  # BLAKE3 of the file; None: stock git edited the tree
    chunking: str | None  # how it was cut; None: stock git edited the tree
    groups: tuple[Group, ...]


class ChunkTreeWriter:
    """Builds one file's tree from its chunks, in order; whoever adds a chunk has written its blob."""

    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._groups: list[GitEntry] = []
        self._entries: list[GitEntry] = []  # of the group that is being filled
        self._lines: list[tuple[int, bytes]] = []
        self._start = 0  # of that group, in the file
        self._length = 0  # of that group, bytes

    def add(self, id: BlobId, size: int, hash: bytes) -> None:
        """Append a chunk."""
        self._entries.append(GitEntry(FILE_MODE, b"%08x" % self._length, id))
        self._lines.append((size, hash))
        self._length += size
        if ends_group(hash, len(self._lines)):
            self._end_group()

    def finish(self, hash: bytes) -> TreeId:
        """Write the file's tree; ``hash`` is the BLAKE3 of the whole file."""
        if self._lines:
            self._end_group()
        digest = entries_digest(serialise_tree(self._groups))
        record = encode_file_record(FileRecord(self._start, hash, CHUNKING, digest))
        return self._write_tree(record, self._groups)

    def _end_group(self) -> None:
        id = self._write_tree(encode_group_record(self._lines), self._entries)
        self._groups.append(GitEntry(TREE_MODE, b"%016x" % self._start, id))
        self._start += self._length
        self._length = 0
        self._entries = []
        self._lines = []

    def _write_tree(self, record: bytes, entries: list[GitEntry]) -> TreeId:
        record_id = self._writer.write_record(record)
        return self._writer.write_tree(serialise_tree([GitEntry(FILE_MODE, RECORD_NAME, record_id), *entries]))


def open_chunk_tree(objects: ObjectDatabase, id: TreeId) -> ChunkTree | None:
    """Return the chunk tree ``id``, or None if that tree is a directory.

    Costs two small objects; where stock git edited the tree, all groups and the headers of all chunks.
    Raises CorruptObjectError for a tree or record that is missing or damaged.
    """
    entries = parse_tree(objects.read_kind(id, TREE), objects.format.id_size)
    if not entries or entries[0].name != RECORD_NAME or entries[0].mode not in _FILE_MODES:
        return None
    groups = entries[1:]
    if not all(mode == TREE_MODE and _GROUP_NAME.fullmatch(name) for mode, name, _ in groups):
        return None
    text = objects.read_kind(entries[0].id, BLOB)
    if not text.startswith(FILE_RECORD_START):
        return None
    record = parse_file_record(text)
    if record is not None and record.digest == entries_digest(serialise_tree(groups)):
        intact = _intact(id, record, groups)
        if intact is not None:
            return intact
    return _edited(objects, id, groups)


def require_chunk_tree(objects: ObjectDatabase, id: TreeId) -> ChunkTree:
    """Return the chunk tree ``id``; CorruptObjectError if that tree is a directory."""
    tree = open_chunk_tree(objects, id)
    if tree is None:
        raise CorruptObjectError(f"tree {id.hex()} is a directory, expected a file's chunk tree")
    return tree


def chunk_tree_info(objects: ObjectDatabase, tree_id: TreeId) -> tuple[int, bytes | None] | None:
    """Return size and BLAKE3 (None: not known) of the file that a tree is, or None if it is a directory."""
    tree = open_chunk_tree(objects, tree_id)
    return None if tree is None else (tree.size, tree.hash)


def read_chunks(objects: ObjectDatabase, tree: ChunkTree, group: Group) -> list[Chunk]:
    """Return the chunks of ``group``; CorruptObjectError if tree and record do not fit each other."""
    if tree.hash is None:
        chunks = _edited_chunks(objects, group.id, group.offset)
        if chunks is None:
            raise CorruptObjectError(f"group {group.id.hex()} of chunk tree {tree.id.hex()} is no group")
        return chunks
    entries = parse_tree(objects.read_kind(group.id, TREE), objects.format.id_size)
    if not entries or entries[0].name != RECORD_NAME:
        raise CorruptObjectError(f"group {group.id.hex()} of chunk tree {tree.id.hex()} has no group record")
    lines = parse_group_record(objects.read_kind(entries[0].id, BLOB))
    chunks = None if lines is None else _recorded_chunks(group, entries[1:], lines)
    if chunks is None:
        raise CorruptObjectError(
            f"group {group.id.hex()} of chunk tree {tree.id.hex()}: "
            f"{len(entries) - 1} chunks in {group.size} bytes do not fit the group record"
        )
    return chunks


def _intact(id: TreeId, record: FileRecord, entries: list[GitEntry]) -> ChunkTree | None:
    """Return the tree that ``record`` describes, or None if its groups cannot cover the file once."""
    offsets = [int(entry.name, 16) for entry in entries]
    ends = [*offsets[1:], record.size]
    if offsets[:1] != [0] or any(start >= end for start, end in zip(offsets, ends, strict=True)):
        return None
    groups = tuple(
        Group(start, end - start, TreeId(entry.id)) for start, end, entry in zip(offsets, ends, entries, strict=True)
    )
    return ChunkTree(id, record.size, record.hash, record.chunking, groups)


def _recorded_chunks(group: Group, entries: list[GitEntry], lines: list[tuple[int, bytes]]) -> list[Chunk] | None:
    """Return the chunks, or None if names, modes and sizes do not agree."""
    if len(entries) != len(lines):
        return None
    chunks = []
    offset = 0
    for (mode, name, id), (size, digest) in zip(entries, lines, strict=True):
        if mode != FILE_MODE or name != b"%08x" % offset:
            return None
        chunks.append(Chunk(group.offset + offset, size, BlobId(id), digest))
        offset += size
    return chunks if offset == group.size else None


def _edited(objects: ObjectDatabase, id: TreeId, entries: list[GitEntry]) -> ChunkTree | None:
    """Return the tree that stock git left, or None if it put other names among the chunks."""
    groups = []
    offset = 0
    for entry in entries:
        group_id = TreeId(entry.id)
        chunks = _edited_chunks(objects, group_id, offset)
        if chunks is None:
            return None
        size = sum(chunk.size for chunk in chunks)
        groups.append(Group(offset, size, group_id))
        offset += size
    return ChunkTree(id, offset, None, None, tuple(groups))


def _edited_chunks(objects: ObjectDatabase, id: TreeId, offset: int) -> list[Chunk] | None:
    """Return the chunks of a group, sizes from their headers; None if it has other names among them."""
    entries = parse_tree(objects.read_kind(id, TREE), objects.format.id_size)
    if entries and entries[0].name == RECORD_NAME and entries[0].mode in _FILE_MODES:
        del entries[0]
    if not all(mode in _FILE_MODES and _CHUNK_NAME.fullmatch(name) for mode, name, _ in entries):
        return None
    chunks = []
    for entry in entries:
        chunk_id = BlobId(entry.id)
        kind, size = objects.header(chunk_id)
        if kind != BLOB:
            raise CorruptObjectError(f"chunk {chunk_id.hex()} of group {id.hex()} is not a blob")
        chunks.append(Chunk(offset, size, chunk_id, None))
        offset += size
    return chunks
