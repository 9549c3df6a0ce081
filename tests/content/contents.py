"""Contents: stores and files in memory, and what tests ask about them."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from vgit.backend.memory import MemoryBackend
from vgit.content import Content, StoredContent, read_content, store_bytes, store_file, write_content
from vgit.content.chunk_tree import Chunk, read_chunks, require_chunk_tree
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_tree import GitEntry, parse_tree, serialise_tree
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import TREE

MIB = 1 << 20


def new_store() -> ObjectDatabase:
    return ObjectDatabase(MemoryBackend())


def store_with(data: bytes) -> tuple[ObjectDatabase, StoredContent]:
    """Return a store of its own that has ``data``, a constant of the test's module, and what that is in it."""
    stored, content = _stored(data)
    backend = MemoryBackend()
    for listed in stored.list(""):
        backend.put(listed.key, stored.get(listed.key))
    return ObjectDatabase(backend), content


@lru_cache
def _stored(data: bytes) -> tuple[MemoryBackend, StoredContent]:
    backend = MemoryBackend()
    return backend, put(ObjectDatabase(backend), data)[0]


def forget_stored() -> None:
    """Let go of what ``store_with`` keeps: processes that are large take long to fork."""
    _stored.cache_clear()


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@contextmanager
def file_of(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("content")
    try:
        os.truncate(fd, len(data))
        os.pwrite(fd, data, 0)
        yield fd
    finally:
        os.close(fd)


def put(store: ObjectDatabase, data: bytes, old: StoredContent | None = None) -> tuple[StoredContent, int]:
    """Store ``data`` through a file; return the content and how many bytes the store grew by."""
    with file_of(data) as fd:
        return put_fd(store, fd, len(data), old)


def put_fd(
    store: ObjectDatabase, fd: int, size_hint: int, old: StoredContent | None = None
) -> tuple[StoredContent, int]:
    with store.writer() as writer:
        before = None if old is None else (old.id, old.hash)
        content = store_file(fd, size_hint, writer, store, before)
        writer.sync()
        return content, writer.bytes_added


def put_bytes(store: ObjectDatabase, data: bytes) -> StoredContent:
    with store.writer() as writer:
        content = store_bytes(data, writer)
        writer.sync()
        return content


def get(store: ObjectDatabase, content: Content, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(read_content(store, content, start, length))


def checked_out(store: ObjectDatabase, content: Content) -> bytes:
    with file_of(b"") as fd:
        write_content(store, content, fd)
        return os.pread(fd, os.fstat(fd).st_size, 0)


def chunks_of(store: ObjectDatabase, content: StoredContent) -> list[Chunk]:
    tree = require_chunk_tree(store, TreeId(content.id))
    return [chunk for group in tree.groups for chunk in read_chunks(store, tree, group)]


def tree_entries(store: ObjectDatabase, id: ObjectId) -> list[GitEntry]:
    return parse_tree(store.read_kind(id, TREE), store.format.id_size)


def write_tree(store: ObjectDatabase, entries: list[GitEntry]) -> TreeId:
    with store.writer() as writer:
        id = writer.write_tree(serialise_tree(entries))
        writer.sync()
        return id
