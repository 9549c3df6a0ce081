"""File writer: a stored file's bytes into a new, empty file.

A chunk tree is read by threads, a batch of chunks ahead of the writing. Its
chunks are not verified one by one: the BLAKE3 of the whole file, checked at
the end, vouches for all of them in less time: it may, because the caller lets
nobody see the file before that. Zeros are not written: they become holes.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from vgit.content.chunk_tree import Chunk, ChunkTree, read_chunks
from vgit.content.chunker import MAX_SIZE
from vgit.content.content_reader import open_content, read_blob, read_chunk, read_content, wrong_hash
from vgit.content.hash_threads import thread_pool
from vgit.content.stored_content import Content
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.runtime.buffer import Buffer
from vgit.runtime.cancel import checkpoint

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

HOLE_SIZE = 64 << 10  # aligned blocks of so many zeros become holes
_ZEROS = bytes(HOLE_SIZE)
_BATCH_SIZE = 2 << 20  # bytes of chunks a job, or up to one chunk more; at most _JOB_COUNT + 1 batches are in memory
_JOB_COUNT = 3


def write_content(
    objects: ObjectDatabase,
    content: Content,
    fd: int,
    *,
    pool: "Executor | None" = None,
    wrote: Callable[[int], None] | None = None,
) -> bytes:
    """Write ``content`` to ``fd``, a new empty file, and return its BLAKE3.

    Raises CorruptObjectError, which names the object, for damage; what the file holds then is of no
    worth. An OSError of writing is passed on. ``pool`` reads files over 4 MiB; without it each of
    them starts two threads of its own. ``wrote`` is told of bytes as they are written. Memory: about 15 MiB.
    """
    if content.git_mode != TREE_MODE:
        digest = _write_blob(objects, content, fd)
        if wrote is not None:
            wrote(content.size)
        return digest
    tree = open_content(objects, content)
    with thread_pool(pool) as running:
        digest = _write_tree(objects, tree, fd, running, wrote)
    expected = content.hash or tree.hash
    if expected is not None and digest != expected:
        # Chunk by chunk: raises at the one that is damaged, or finds a whole copy of it in another pack.
        digest = _write_verified(objects, content, fd)
        if digest != expected:
            raise wrong_hash(f"chunk tree {tree.id.hex()}", digest, expected)
    return digest


def _write_blob(objects: ObjectDatabase, content: Content, fd: int) -> bytes:
    data = read_blob(objects, content)
    if len(data) < HOLE_SIZE:
        _write_all(fd, memoryview(data), 0)
    else:
        _write_sparse(fd, data, 0)
        os.ftruncate(fd, len(data))
    return content.hash or blake3(data).digest()


def _write_verified(objects: ObjectDatabase, content: Content, fd: int) -> bytes:
    """Write from the beginning and return the BLAKE3 of what was written."""
    os.ftruncate(fd, 0)
    whole = blake3()
    offset = 0
    for data in read_content(objects, content):
        checkpoint()
        whole.update(data)
        _write_sparse(fd, data, offset)
        offset += len(data)
    os.ftruncate(fd, offset)
    return whole.digest()


def _write_tree(
    objects: ObjectDatabase, tree: ChunkTree, fd: int, pool: "Executor", wrote: Callable[[int], None] | None
) -> bytes:
    """Write the chunks and return the BLAKE3 of what was written."""
    whole = blake3()
    jobs: deque[Future[list[Buffer]]] = deque()
    rooms: deque[memoryview] = deque()  # of the jobs, and behind them those that are free
    last: Future[list[Buffer]] | None = None
    offset = 0

    def write_oldest() -> None:
        nonlocal offset
        for data in jobs.popleft().result():
            _write_sparse(fd, data, offset)
            offset += len(data)
            if wrote is not None:
                wrote(len(data))
        rooms.rotate(-1)

    try:
        for batch in _batches(objects, tree):
            checkpoint()
            if len(rooms) == len(jobs):
                rooms.append(memoryview(bytearray(_BATCH_SIZE + MAX_SIZE)))
            last = pool.submit(_read_batch, objects, batch, rooms[len(jobs)], whole, last)
            jobs.append(last)
            if len(jobs) > _JOB_COUNT:
                write_oldest()
        while jobs:
            write_oldest()
    finally:
        for job in jobs:
            job.cancel()
    os.ftruncate(fd, tree.size)
    return whole.digest()


def _batches(objects: ObjectDatabase, tree: ChunkTree) -> Iterator[list[Chunk]]:
    """Yield the file's chunks in order, in batches of ``_BATCH_SIZE`` bytes, or up to one chunk more."""
    batch: list[Chunk] = []
    size = 0
    for group in tree.groups:
        for chunk in read_chunks(objects, tree, group):
            batch.append(chunk)
            size += chunk.size
            if size >= _BATCH_SIZE:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _read_batch(
    objects: ObjectDatabase, chunks: list[Chunk], room: memoryview, whole: Any, before: "Future[list[Buffer]] | None"
) -> list[Buffer]:
    """Return the bytes of ``chunks``, in ``room`` or not, after adding them to ``whole`` when it is their turn."""
    first = chunks[0].offset
    parts = [_read_chunk(objects, chunk, room[chunk.offset - first :]) for chunk in chunks]
    # Cannot wait for ever: a pool starts its jobs in order, so ``before`` is running or done.
    if before is not None:
        before.result()
    for data in parts:
        whole.update(data)
    return parts


def _read_chunk(objects: ObjectDatabase, chunk: Chunk, room: memoryview) -> Buffer:
    """Return the bytes of ``chunk``, not verified where the BLAKE3 of the whole file will be."""
    if chunk.hash is None:
        return read_chunk(objects, chunk)
    data = objects.read_unverified(chunk.id, room)
    # A chunk of another size would put all that follows in the wrong place.
    return data if len(data) == chunk.size else read_chunk(objects, chunk)


def _write_sparse(fd: int, data: Buffer, offset: int) -> None:
    """Write ``data`` at ``offset`` of a file that is a hole there, leaving out blocks of zeros.

    Blocks are aligned in the file. The shorter ones at both ends of ``data`` count too: a run of
    zeros that goes on in the next piece of the file is then one hole.
    """
    view = memoryview(data)
    start = 0  # of what is still to be written
    position = 0
    while position < len(view):
        end = min(position + HOLE_SIZE - (offset + position) % HOLE_SIZE, len(view))
        # The two bytes first: they settle it for nearly every block that is not zeros.
        if view[position] == 0 == view[end - 1] and _ZEROS.startswith(view[position:end]):
            _write_all(fd, view[start:position], offset + start)
            start = end
        position = end
    _write_all(fd, view[start:], offset + start)


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(fd, data, offset)
        data = data[count:]
        offset += count
