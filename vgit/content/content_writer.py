"""Content writer: one file's bytes, read from a descriptor or a stream or at hand, into the object database.

Up to 4 MiB a file is one blob; above, a chunk tree. Only what is read counts:
the size that the caller saw beforehand is a hint. While the calling thread
reads and cuts, two threads hash, and the pack's thread writes (objects/pack_stream.py).
"""

import os
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from vgit.content.buffer_ring import BufferRing, ReadInto, after, reading_file
from vgit.content.chunk_tree import ChunkTreeWriter
from vgit.content.chunker import BLOB_LIMIT, USUAL_SIZE, Chunker
from vgit.content.cutter import FollowingCutter, PlainCutter
from vgit.content.hash_threads import OrderedHash, spans_of, thread_pool
from vgit.content.large_file import LargeFile, Watch
from vgit.content.old_chunks import load_old_chunks
from vgit.content.stored_content import BLOB_CONTENT, StoredContent
from vgit.content.unchanged_runs import UnchangedRuns
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_writer import ObjectWriter
from vgit.runtime.buffer import Buffer
from vgit.runtime.cancel import checkpoint

if TYPE_CHECKING:
    from concurrent.futures import Executor

_HASH_READ_SIZE = 1 << 20  # BLAKE3 gets at least so much a call
_FIRST_READ = 1 << 16  # of a stream: most end here, and then need no ring


def store_bytes(data: Buffer, writer: ObjectWriter) -> StoredContent:
    """Write ``data`` as a file's content; the same bytes give the same id as ``store_file``."""
    digest = blake3(data).digest()
    if len(data) <= BLOB_LIMIT:
        return StoredContent(BLOB_CONTENT, writer.write_blob(data), len(data), digest)
    view = memoryview(data)
    tree = ChunkTreeWriter(writer)
    for start, end in spans_of(Chunker().cut(view, at_end=True)):
        chunk = view[start:end]
        tree.add(writer.write_blob(chunk), end - start, blake3(chunk).digest())
    return StoredContent(TREE_MODE, tree.finish(digest), len(data), digest)


def store_file(
    fd: int,
    size_hint: int,
    writer: ObjectWriter,
    objects: ObjectDatabase,
    old: tuple[ObjectId, bytes] | None = None,
    *,
    pool: "Executor | None" = None,
    watch: Watch | None = None,
) -> StoredContent:
    """Read ``fd`` from its first byte to its end, once, and write what is there.

    ``size_hint`` is the size to expect. ``old`` is the chunk tree and the BLAKE3 of the version
    that this one replaces: what is the same costs a BLAKE3 only, and the result does not depend on
    it. ``pool`` takes the hashing of files over 4 MiB; without it each of them starts two threads
    of its own. ``watch`` is called as a file over 4 MiB is read. An OSError of reading is passed on.
    Memory: 25 MiB, and with ``old`` 16 MiB more, and about 300 bytes for each of its chunks.
    """
    if size_hint <= BLOB_LIMIT:
        data = os.pread(fd, size_hint + 1, 0)
        if len(data) != size_hint:  # else the short read was the end
            data = _read_on(fd, data)
        if len(data) <= BLOB_LIMIT:
            return StoredContent(BLOB_CONTENT, writer.write_blob(data), len(data), blake3(data).digest())
    replaced = None if old is None else _Old(fd, *old)
    return _store_ring(BufferRing(reading_file(fd)), size_hint, writer, objects, pool, watch, replaced)


def store_stream(
    read_into: ReadInto,
    writer: ObjectWriter,
    objects: ObjectDatabase,
    *,
    pool: "Executor | None" = None,
    watch: Watch | None = None,
) -> StoredContent:
    """Write what ``read_into`` reads up to its end; the same bytes give the same id as ``store_file``.

    ``pool``, ``watch`` and memory as there. What ``read_into`` raises is passed on.
    """
    start = memoryview(bytearray(_FIRST_READ))
    size = 0
    while size < _FIRST_READ:
        count = read_into(start[size:])
        if count == 0:
            return store_bytes(start[:size], writer)
        size += count
    return _store_ring(BufferRing(after(start, read_into)), 0, writer, objects, pool, watch)


def hash_file(fd: int) -> tuple[int, bytes]:
    """Return size in bytes and BLAKE3 of what ``fd`` has from its first byte to its end."""
    digest = blake3()
    size = 0
    while data := os.pread(fd, _HASH_READ_SIZE, size):
        checkpoint()
        digest.update(data)
        size += len(data)
    return size, digest.digest()


class _Old(NamedTuple):
    """The version that is replaced, and where the new one can be read anew."""

    fd: int
    id: ObjectId
    hash: bytes


def _read_on(fd: int, data: bytes) -> bytes:
    """Return ``data`` and what follows it in the file, up to one byte more than a blob may have."""
    parts = [data]
    size = len(data)
    while size <= BLOB_LIMIT and (more := os.pread(fd, BLOB_LIMIT + 1 - size, size)):
        parts.append(more)
        size += len(more)
    return b"".join(parts)


def _store_ring(
    ring: BufferRing,
    size_hint: int,
    writer: ObjectWriter,
    objects: ObjectDatabase,
    pool: "Executor | None",
    watch: Watch | None,
    old: _Old | None = None,
) -> StoredContent:
    """Write all that ``ring`` reads: small after all, or a chunk tree."""
    body = ring.read()
    if body.at_end and body.size <= BLOB_LIMIT:
        return store_bytes(body.data, writer)
    writer.expect(size_hint, USUAL_SIZE)
    with thread_pool(pool) as running:
        whole = OrderedHash(running)
        chunks = None if old is None else load_old_chunks(objects, TreeId(old.id), old.hash)
        if old is None or chunks is None:
            return LargeFile(ring, writer, PlainCutter(objects.format, running), whole, watch).store(body)
        cutter = FollowingCutter(objects.format, running, chunks)
        return LargeFile(ring, writer, cutter, whole, watch).store(body, UnchangedRuns(old.fd, chunks, whole))
