"""Content reader: a stored file's bytes, whole or a range, verified before they are given out.

What vouches for them is BLAKE3: of the blob, or of each chunk (from its group
record); where it is not known (stock git wrote the file), git's id. A range of
a chunk tree reads only the chunks it touches: the group by bisection over the
groups' offsets, the chunk by bisection over the record's sizes.

A blob is read whole even for a range, because nothing vouches for part of it.
Blobs that vgit writes have at most 4 MiB; one that stock git wrote takes as
much memory as it is large.
"""

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter

from blake3 import blake3

from vgit.content.chunk_tree import Chunk, ChunkTree, read_chunks, require_chunk_tree
from vgit.content.stored_content import Content
from vgit.errors import CorruptObjectError, InvalidError
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB
from vgit.runtime.buffer import Buffer
from vgit.runtime.cancel import checkpoint

PIECE_SIZE = 8 << 20  # the most bytes that are given out at a time

_offset = attrgetter("offset")


def read_content(
    objects: ObjectDatabase, content: Content, start: int = 0, length: int | None = None
) -> Iterator[Buffer]:
    """Yield ``length`` bytes from ``start``, or all to the end; fewer only where the file ends.

    In pieces of 1 byte to 8 MiB, each verified. Raises CorruptObjectError, which names the object,
    before a byte that is not the file's would be given out.
    """
    if start < 0 or (length is not None and length < 0):
        raise InvalidError(f"cannot read {length} bytes from {start}: neither may be negative")
    end = content.size if length is None else min(start + length, content.size)
    if content.git_mode == TREE_MODE:
        yield from _read_tree(objects, open_content(objects, content), start, end)
    elif start < end:
        yield from _pieces(read_blob(objects, content), start, end)


def open_content(objects: ObjectDatabase, content: Content) -> ChunkTree:
    """Return the chunk tree of ``content``; CorruptObjectError if it is a file of another size or BLAKE3."""
    tree = require_chunk_tree(objects, TreeId(content_id(content)))
    if tree.size != content.size:
        raise CorruptObjectError(f"chunk tree {tree.id.hex()} has {tree.size} bytes, expected {content.size}")
    if None not in (tree.hash, content.hash) and tree.hash != content.hash:
        raise wrong_hash(f"file record of chunk tree {tree.id.hex()}", tree.hash, content.hash)
    return tree


def read_blob(objects: ObjectDatabase, content: Content) -> Buffer:
    """Return the whole of a file that is one blob, verified."""
    id = content_id(content)
    return _verified(objects, id, content.size, content.hash, "file in one blob")


def read_chunk(objects: ObjectDatabase, chunk: Chunk) -> Buffer:
    """Return the bytes of ``chunk``, verified."""
    return _verified(objects, chunk.id, chunk.size, chunk.hash, f"chunk at offset {chunk.offset}")


def content_id(content: Content) -> ObjectId:
    """Return the id of ``content``; InvalidError for what has no bytes to read."""
    if content.id is None:
        raise InvalidError("cannot read the content of a FIFO or socket: it has none")
    return content.id


def wrong_hash(what: str, seen: bytes | None, expected: bytes | None) -> CorruptObjectError:
    """Return the error that says that ``what`` has one BLAKE3 where another was expected."""
    names = [digest.hex() if digest else "unknown" for digest in (seen, expected)]
    return CorruptObjectError(f"{what} has BLAKE3 {names[0]}, expected {names[1]}")


def _verified(objects: ObjectDatabase, id: ObjectId, size: int, digest: bytes | None, what: str) -> Buffer:
    """Return the blob ``id``; CorruptObjectError if it has another size or BLAKE3."""
    if digest is None:
        data: Buffer = objects.read_kind(id, BLOB)
    else:
        data = objects.read_unverified(id)
        if blake3(data).digest() != digest:
            # Another pack may have a copy that is whole; if none has, this says where the damage is.
            data = objects.read_kind(id, BLOB)
            seen = blake3(data).digest()
            if seen != digest:
                raise wrong_hash(f"blob {id.hex()} ({what})", seen, digest)
    if len(data) != size:
        raise CorruptObjectError(f"blob {id.hex()} ({what}) has {len(data)} bytes, expected {size}")
    return data


def _read_tree(objects: ObjectDatabase, tree: ChunkTree, start: int, end: int) -> Iterator[Buffer]:
    """Yield the bytes from ``start`` to before ``end``."""
    if start >= end:
        return
    for group in tree.groups[bisect_right(tree.groups, start, key=_offset) - 1 :]:
        if group.offset >= end:
            return
        chunks = read_chunks(objects, tree, group)
        for chunk in chunks[max(bisect_right(chunks, start, key=_offset) - 1, 0) :]:
            if chunk.offset >= end:
                return
            checkpoint()
            data = read_chunk(objects, chunk)
            yield from _pieces(data, max(start - chunk.offset, 0), min(end - chunk.offset, len(data)))


def _pieces(data: Buffer, start: int, end: int) -> Iterator[Buffer]:
    """Yield ``data`` from ``start`` to before ``end``; without a copy if that is all of it."""
    if start == 0 and end == len(data) <= PIECE_SIZE:
        if data:
            yield data
        return
    view = memoryview(data)
    for position in range(start, end, PIECE_SIZE):
        yield view[position : min(position + PIECE_SIZE, end)]
