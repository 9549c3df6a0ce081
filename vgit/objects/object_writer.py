"""Object writer: one transaction's new objects, in packs that nobody sees before ``sync``.

The life of a commit::

    with store.writer() as writer:
        writer.write_blob(…)        content, outside of any lock
        writer.seal()               large packs closed, hashed, named
        ─ commit lock ─
        writer.savepoint()
        writer.write_tree(…) …      write_commit(…)
        writer.sync()               all durable under its name
        writer.check_relied_on()    then swap the ref
        writer.rollback()           only if the swap was lost: again from savepoint
        ─ unlock ─
        writer.release()

A ``.keep`` mark guards each pack from its name to ``release``. An object that
the store already has is not written again, but its pack is first touched, which
tells gc to leave it, and must still be there under the lock.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from vgit.backend.protocol import Backend
from vgit.errors import BackendUnavailableError, NotFoundError
from vgit.ids import BlobId, CommitId, ObjectFormat, ObjectId, TreeId
from vgit.objects.deflate import STORED_BELOW
from vgit.objects.object_kind import BLOB, COMMIT, KIND_NAMES, TREE
from vgit.objects.pack_entry import Encoded, EncodedBlob
from vgit.objects.pack_key import index_key
from vgit.objects.pack_sequence import PackSequence
from vgit.objects.pack_set import PackSet
from vgit.objects.pack_stream import Written
from vgit.runtime.buffer import Buffer

if TYPE_CHECKING:
    from concurrent.futures import Future


class PackVanished(Exception):
    """A pack with objects that were therefore not written is gone. Stays below the repository layer."""


class ObjectWriter:
    """A transaction of one thread; as a context manager it discards what has no name yet and drops the marks."""

    def __init__(self, backend: Backend, object_format: ObjectFormat, packs: PackSet) -> None:
        self.relied_on: set[str] = set()
        self._backend = backend
        self._format = object_format
        self._packs = packs
        self._hash = object_format.new
        self._own = PackSequence(backend, object_format, packs)

    @property
    def bytes_added(self) -> int:
        """Bytes of packs and indexes that have their names."""
        return self._own.bytes_named

    @property
    def bytes_pending(self) -> int:
        """Bytes of objects in the pack that is not closed yet, without header, trailer and index."""
        return self._own.bytes_open

    def __enter__(self) -> "ObjectWriter":
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._own.close()
        finally:
            self.release()

    def write_blob(self, data: Buffer) -> BlobId:
        """Write content, unless it is here already."""
        size = len(data)
        if size < STORED_BELOW:
            id = BlobId(self._hash(b"blob %d\0" % size + data).digest())
        else:
            id = BlobId(self._format.object_id(b"blob", data))
        if not self.has_blob(id):
            self._own.add(BLOB, id, data)
        return id

    def write_hashed_blobs(self, blobs: Iterable[tuple[BlobId, Buffer]]) -> "list[Future[list[Written]]]":
        """Write contents whose ids the caller has computed; they must stay as they are until all futures are done."""
        return self._own.add_later((id, data) for id, data in blobs if not self.has_blob(id))

    def expect(self, size_bytes: int, mean_bytes: int) -> None:
        """Take note that so many bytes come next, in objects of ``mean_bytes`` on average: a guess, to save time."""
        self._own.expect(size_bytes, mean_bytes)

    def write_encoded_blobs(self, blobs: Iterable[EncodedBlob]) -> None:
        """Write small blobs that are not here already; some may be the same."""
        fresh: dict[bytes, EncodedBlob] = {}
        for blob in blobs:
            if not self.has_blob(blob[0]):
                fresh[blob[0]] = blob
        if fresh:
            self._own.add_encoded(fresh.values())

    def has_blob(self, id: ObjectId) -> bool:
        """Say whether a blob need not be written. Its pack is then touched, and relied on from here."""
        if self._own.has(id):
            return True
        while (key := self._packs.holder(id)) is not None:
            if key in self.relied_on or key in self._own.named:
                return True
            try:
                self._backend.touch(key)
            except NotFoundError:
                self._packs.forget(key)
                continue
            except BackendUnavailableError:  # another user's pack, which we may not touch: written again then
                return False
            self.relied_on.add(key)
            return True
        return False

    def write_tree(self, data: Buffer) -> TreeId:
        """Write a tree, once in this transaction.

        Whether the store has it does not count: a tree left behind by a lost
        commit says nothing of what it names.
        """
        return TreeId(self._write_once(TREE, data))

    def write_record(self, data: Buffer) -> BlobId:
        """Write a blob that belongs to the trees, and is rolled back with them."""
        return BlobId(self._write_once(BLOB, data))

    def write_encoded_trees(self, objects: Iterable[Encoded]) -> None:
        """Write trees and records, as ``write_tree`` and ``write_record`` do, but before the savepoint."""
        fresh = {encoded[0]: encoded for encoded in objects if encoded[0] not in self._own.open_entries}
        if fresh:
            self._own.add_encoded(fresh.values())

    def write_commit(self, data: bytes) -> CommitId:
        """Write a commit."""
        return CommitId(self._write_once(COMMIT, data))

    def savepoint(self) -> None:
        """Remember this moment for ``rollback``; what is staged is sealed first."""
        self._own.savepoint()

    def rollback(self) -> None:
        """Drop what was written since the savepoint; a pack named since stays, for gc."""
        self._own.rollback()

    def seal(self) -> None:
        """Close and name a pack that outgrew memory; a small one stays open for the trees."""
        self._own.seal()

    def sync(self) -> None:
        """Make everything durable under its name; afterwards a ref may name it."""
        self._own.sync()

    def check_relied_on(self) -> None:
        """Raise PackVanished unless every pack relied on is there; under ``exclusive``, before the swap.

        BackendUnavailableError if it is one of our own: what was in it is gone.
        """
        for key in self._own.named:
            for part in (key, index_key(key)):
                try:
                    self._backend.touch(part)
                except NotFoundError as error:
                    self._packs.forget(key)
                    raise BackendUnavailableError(
                        f"{part}, which this commit had just written, is gone: somebody removed it, or swept it away by"
                        " a clock. Nothing was published; commit again, which writes the content again."
                    ) from error
        if self.relied_on and self._packs.has_new_records():
            self._packs.refresh()
        for key in sorted(self.relied_on):
            if self._packs.is_replaced(key):  # it will go: what has its objects is to be relied on
                self.relied_on.discard(key)
                raise PackVanished(key)
            try:
                self._backend.touch(key)
            except NotFoundError as error:
                self.relied_on.discard(key)
                self._packs.forget(key)
                raise PackVanished(key) from error

    def release(self) -> None:
        """Remove the marks: the ref has moved, or never will. One that cannot be removed is left to be swept."""
        named = self._own.named
        while named:
            key, pack = named.popitem()
            self.relied_on.add(key)  # From now on like anybody's pack.
            with suppress(BackendUnavailableError):
                pack.mark.remove()

    def _write_once(self, kind: int, data: Buffer) -> ObjectId:
        id = self._format.object_id(KIND_NAMES[kind], data)
        if id not in self._own.open_entries:
            self._own.add(kind, id, data)
        return id
