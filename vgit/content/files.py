"""Files: storing one file's bytes, read from a descriptor or a stream, or at hand.

Up to 4 MiB a file is one blob; above, a chunk tree. Only what is read counts:
the size that the caller saw beforehand is a hint. While the calling thread
reads, cuts and writes, two workers hash (measured: SHA-1 of the chunks is more
than half of the work, then their BLAKE3 and that of the whole file).
"""

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from blake3 import blake3

from vgit.backend import Buffer
from vgit.cancel import checkpoint
from vgit.content.chunk_tree import ChunkTreeWriter
from vgit.content.chunking import BLOB_LIMIT, USUAL_SIZE, Chunker
from vgit.content.hashing import OrderedHash, spans_of, workers
from vgit.content.old_chunks import load_old_chunks
from vgit.content.planners import CuttingPlanner, FollowingPlanner, Plan, Planner
from vgit.content.stored_content import BLOB_CONTENT, StoredContent
from vgit.content.windows import BUFFER_COUNT, Body, ReadInto, Windows, after, reading_file
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_tree import TREE_MODE
from vgit.objects.store import ObjectStore
from vgit.objects.writer import ObjectWriter

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Watch: TypeAlias = Callable[[int], object]  # called with a number of bytes, each time that so many more were read

_HASH_READ_SIZE = 1 << 20  # BLAKE3 gets at least so much a call
_HASHED_WINDOWS = 2
_WRITTEN_WINDOWS = BUFFER_COUNT - 2 - _HASHED_WINDOWS
_FIRST_READ = 1 << 16  # of a stream: most end here, and then need no windows


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
    store: ObjectStore,
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
    Memory: 25 MiB, and with ``old`` about 300 bytes for each of its chunks.
    """
    if size_hint <= BLOB_LIMIT:
        data = os.pread(fd, size_hint + 1, 0)
        if len(data) != size_hint:  # else the short read was the end
            data = _read_on(fd, data)
        if len(data) <= BLOB_LIMIT:
            return StoredContent(BLOB_CONTENT, writer.write_blob(data), len(data), blake3(data).digest())
    return _store_windows(Windows(reading_file(fd)), size_hint, writer, store, old, pool, watch)


def store_stream(
    read_into: ReadInto,
    writer: ObjectWriter,
    store: ObjectStore,
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
    return _store_windows(Windows(after(start, read_into)), 0, writer, store, None, pool, watch)


def hash_file(fd: int) -> tuple[int, bytes]:
    """Return size in bytes and BLAKE3 of what ``fd`` has from its first byte to its end."""
    digest = blake3()
    size = 0
    while data := os.pread(fd, _HASH_READ_SIZE, size):
        checkpoint()
        digest.update(data)
        size += len(data)
    return size, digest.digest()


class _Pending(NamedTuple):
    """A window whose chunks are still being hashed or not yet written."""

    window: memoryview
    plan: Plan
    whole: "Future[None]"


_Writing: TypeAlias = "list[Future[Any]]"  # what still uses a window's buffer


def _read_on(fd: int, data: bytes) -> bytes:
    """Return ``data`` and what follows it in the file, up to one byte more than a blob may have."""
    parts = [data]
    size = len(data)
    while size <= BLOB_LIMIT and (more := os.pread(fd, BLOB_LIMIT + 1 - size, size)):
        parts.append(more)
        size += len(more)
    return b"".join(parts)


def _store_windows(
    windows: Windows,
    size_hint: int,
    writer: ObjectWriter,
    store: ObjectStore,
    old: tuple[ObjectId, bytes] | None,
    pool: "Executor | None",
    watch: Watch | None,
) -> StoredContent:
    """Write all that ``windows`` read: small after all, or a chunk tree."""
    body = windows.read()
    if body.at_end and body.size <= BLOB_LIMIT:
        return store_bytes(body.data, writer)
    writer.expect(size_hint, USUAL_SIZE)
    with workers(pool) as running:
        chunks = None if old is None else load_old_chunks(store, TreeId(old[0]), old[1])
        if chunks is None:
            planner: Planner = CuttingPlanner(store.format, running)
        else:
            planner = FollowingPlanner(store.format, running, chunks)
        return _store_chunks(windows, body, planner, writer, OrderedHash(running), watch)


def _store_chunks(
    windows: Windows, body: Body, planner: Planner, writer: ObjectWriter, whole: OrderedHash, watch: Watch | None
) -> StoredContent:
    """Write the file that starts with ``body`` as a chunk tree."""
    tree = ChunkTreeWriter(writer)
    pending: deque[_Pending] = deque()
    written: deque[_Writing] = deque()
    rest = memoryview(b"")
    size = 0
    while True:
        checkpoint()
        window = body.window(rest)
        hashed = whole.submit(body.data)
        planner.begin(window, at_end=body.at_end)
        size += body.size
        if watch is not None:
            watch(body.size)
        at_end = body.at_end
        if not at_end:
            # The next body goes into the oldest buffer, so that one must be done with.
            while len(pending) > _HASHED_WINDOWS:
                written.append(_write(pending.popleft(), writer, tree))
            while len(written) > _WRITTEN_WINDOWS:
                _wait(written.popleft())
            body = windows.read()
        plan = planner.finish()
        pending.append(_Pending(window, plan, hashed))
        if at_end:
            break
        rest = window[plan.spans[-1][1] if plan.spans else 0 :]
    for item in pending:
        written.append(_write(item, writer, tree))
    for jobs in written:
        _wait(jobs)
    digest = whole.digest()
    return StoredContent(TREE_MODE, tree.finish(digest), size, digest)


def _write(item: _Pending, writer: ObjectWriter, tree: ChunkTreeWriter) -> _Writing:
    """Have the chunks of a window written; once all that is returned is done nothing uses the window's buffer."""
    hashed = list(zip(item.plan.spans, item.plan.result(), strict=True))
    writing = writer.write_hashed_blobs((id, item.window[start:end]) for (start, end), (id, _) in hashed)
    for (start, end), (id, digest) in hashed:
        tree.add(id, end - start, digest)
    return [item.whole, *writing]


def _wait(jobs: _Writing) -> None:
    for job in jobs:
        job.result()
