"""Content sink: where content that was read goes, into packs, or only through a hash to be compared."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3

from vgit.content import StoredContent, Watch, hash_file, store_bytes, store_file
from vgit.content.stored_content import BLOB_CONTENT
from vgit.files.new_tree import NewTree
from vgit.files.small_files import SmallFile
from vgit.ids import ObjectFormat, ObjectId
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_writer import ObjectWriter
from vgit.tree.entry import Entry

if TYPE_CHECKING:
    from concurrent.futures import Executor


class ContentSink(Protocol):
    """Where content goes: into a pack, or only through a hash."""

    @property
    def stores(self) -> bool:
        """Whether it goes into a pack."""

    def add_bytes(self, data: bytes, seen: Entry | None) -> StoredContent:
        """Take content that is in memory, at most ``BLOB_LIMIT`` bytes; ``seen`` is what was there before."""

    def add_small_files(self, files: Iterable[tuple[SmallFile, int, Entry | None]]) -> list[StoredContent]:
        """Take small files that were read already: each with its size and what was seen there."""

    def add_new_tree(self, new: NewTree) -> None:
        """Take a directory of small files that were read already, of which nothing was seen."""

    def add_file(self, descriptor: int, size: int, seen: Entry | None) -> StoredContent:
        """Take a file's content, from its first byte to its end."""


class PackSink:
    """Content goes into the packs of a commit under way; ``pool`` and ``watch`` as for ``store_file``."""

    stores = True

    def __init__(
        self, store: ObjectDatabase, writer: ObjectWriter, *, pool: "Executor | None" = None, watch: Watch | None = None
    ) -> None:
        self._store = store
        self._writer = writer
        self._pool = pool
        self._watch = watch

    def add_bytes(self, data: bytes, seen: Entry | None) -> StoredContent:
        """Store content in memory, unless it is what was seen."""
        if seen is not None and seen.size == len(data) and seen.id is not None:
            hash = blake3(data).digest()
            if hash == seen.hash:
                return _as_seen(seen, len(data), hash)
        return store_bytes(data, self._writer)

    def add_small_files(self, files: Iterable[tuple[SmallFile, int, Entry | None]]) -> list[StoredContent]:
        """Store small files that were read already, each with its size and what was seen."""
        contents, new = [], []
        for (hash, blob), size, seen in files:
            if seen is not None and seen.hash == hash and seen.id is not None:
                contents.append(_as_seen(seen, size, hash))
            else:
                assert blob is not None
                new.append(blob)
                contents.append(StoredContent(BLOB_CONTENT, blob[0], size, hash))
        self._writer.write_encoded_blobs(new)
        return contents

    def add_new_tree(self, new: NewTree) -> None:
        """Store small files that were read already, their directory's record, and its tree."""
        self._writer.write_encoded_blobs(new.blobs)
        self._writer.write_encoded_trees(new.trees)

    def add_file(self, descriptor: int, size: int, seen: Entry | None) -> StoredContent:
        """Store a file's content; chunks that the seen version has at the same borders are not cut again."""
        old = None
        if seen is not None and seen.is_chunked and seen.id is not None and seen.hash is not None:
            old = (seen.id, seen.hash)
        return store_file(descriptor, size, self._writer, self._store, old, pool=self._pool, watch=self._watch)


class HashSink:
    """Content is only compared with what was seen."""

    stores = False

    def __init__(self, object_format: ObjectFormat) -> None:
        self._nothing = ObjectId(bytes(object_format.id_size))

    def add_bytes(self, data: bytes, seen: Entry | None) -> StoredContent:
        """Compare content in memory."""
        return self._compare(len(data), blake3(data).digest(), seen)

    def add_small_files(self, files: Iterable[tuple[SmallFile, int, Entry | None]]) -> list[StoredContent]:
        """Compare small files that were read already."""
        return [self._compare(size, small[0], seen) for small, size, seen in files]

    def add_new_tree(self, new: NewTree) -> None:
        """Do nothing: what nobody saw is different, and only the caller needs to know."""

    def add_file(self, descriptor: int, size: int, seen: Entry | None) -> StoredContent:
        """Compare a file's content."""
        return self._compare(*hash_file(descriptor), seen)

    def _compare(self, size: int, hash: bytes, seen: Entry | None) -> StoredContent:
        if seen is not None and seen.hash == hash and seen.id is not None:
            return _as_seen(seen, size, hash)
        return StoredContent(0, self._nothing, size, hash)


def _as_seen(seen: Entry, size: int, hash: bytes) -> StoredContent:
    assert seen.id is not None
    return StoredContent(TREE_MODE if seen.is_chunked else 0, seen.id, size, hash)
