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

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from vgit.backend.protocol import Backend
from vgit.errors import BackendUnavailableError, NotFoundError
from vgit.ids import BlobId, CommitId, ObjectFormat, ObjectId, TreeId
from vgit.objects.deflate import STORED_BELOW
from vgit.objects.named_pack import NamedPack
from vgit.objects.object_kind import BLOB, COMMIT, KIND_NAMES, TREE
from vgit.objects.pack_entry import Encoded, EncodedBlob
from vgit.objects.pack_finish import PackFinish
from vgit.objects.pack_key import PACKS, index_key
from vgit.objects.pack_set import PackSet
from vgit.objects.pack_stream import Written
from vgit.objects.pack_writer import EMPTY_PACK_BYTES, PackWriter
from vgit.runtime.buffer import Buffer

if TYPE_CHECKING:
    from concurrent.futures import Future

_LARGEST_PACK = 1 << 30
_WORTH_A_PROMISE = 256 << 20  # bytes to come: each promise kept makes a pack, and there should not be many
_SURE_PERCENT = 90  # of the objects that are expected are promised
_MOST_OBJECTS = 1 << 19  # in a pack: what is kept of each until the index is written takes 150 bytes


class PackVanished(Exception):
    """A pack with objects that were therefore not written is gone. Stays below the repository layer."""


class ObjectWriter:
    """A transaction of one thread; as a context manager it discards what has no name yet and drops the marks.

    ``bytes_added`` counts packs and indexes that have their names, ``bytes_pending`` what waits in memory for its.
    """

    def __init__(self, backend: Backend, object_format: ObjectFormat, packs: PackSet) -> None:
        self.bytes_added = 0
        self.relied_on: set[str] = set()
        self._backend = backend
        self._format = object_format
        self._packs = packs
        self._hash = object_format.new
        self._pack = PackWriter(backend, object_format)
        self._finishing: PackFinish | None = None
        self._own: dict[str, NamedPack] = {}
        self._unsynced = False
        self._expected = 0  # bytes that are still to come
        self._mean_bytes = 1  # of an object among them

    @property
    def bytes_pending(self) -> int:
        """Bytes of objects in the pack that is not closed yet, without header, trailer and index."""
        return self._pack.size_bytes - EMPTY_PACK_BYTES

    def __enter__(self) -> "ObjectWriter":
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._settle()
        finally:
            self._pack.discard()
            self.release()

    def write_blob(self, data: Buffer) -> BlobId:
        """Write content, unless it is here already."""
        size = len(data)
        if size < STORED_BELOW:
            id = BlobId(self._hash(b"blob %d\0" % size + data).digest())
        else:
            id = BlobId(self._format.object_id(b"blob", data))
        if id not in self._pack.entries and not self.has_blob(id):
            self._add(BLOB, id, data)
        return id

    def write_hashed_blobs(self, blobs: Iterable[tuple[BlobId, Buffer]]) -> "list[Future[list[Written]]]":
        """Write contents whose ids the caller has computed; they must stay as they are until all futures are done."""
        jobs = []
        for id, data in blobs:
            if self.has_blob(id):
                continue
            if self._is_full_for(data):
                jobs.append(self._pack.send())
            self._pack_for(data).add_later(id, data)
        jobs.append(self._pack.send())
        return [job for job in jobs if job is not None]

    def expect(self, size_bytes: int, mean_bytes: int) -> None:
        """Take note that so many bytes come next, in objects of ``mean_bytes`` on average: a guess, to save time."""
        self._expected = size_bytes
        self._mean_bytes = mean_bytes
        self._promise()

    def write_encoded_blobs(self, blobs: Iterable[EncodedBlob]) -> None:
        """Write small blobs that are not here already; some may be the same."""
        fresh: dict[bytes, EncodedBlob] = {}
        for blob in blobs:
            if not self.has_blob(blob[0]):
                fresh[blob[0]] = blob
        if fresh:
            self._add_encoded(fresh.values())

    def has_blob(self, id: ObjectId) -> bool:
        """Say whether a blob need not be written. Its pack is then touched, and relied on from here."""
        if id in self._pack.entries or (self._finishing is not None and id in self._finishing.entries):
            return True
        while (key := self._packs.holder(id)) is not None:
            if key in self.relied_on or key in self._own:
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
        fresh = {encoded[0]: encoded for encoded in objects if encoded[0] not in self._pack.entries}
        if fresh:
            self._add_encoded(fresh.values())

    def write_commit(self, data: bytes) -> CommitId:
        """Write a commit."""
        return CommitId(self._write_once(COMMIT, data))

    def savepoint(self) -> None:
        """Remember this moment for ``rollback``; what is staged is sealed first."""
        self.seal()
        self._pack.savepoint()

    def rollback(self) -> None:
        """Drop what was written since the savepoint; a pack named since stays, for gc."""
        self._pack.rollback()

    def seal(self) -> None:
        """Close and name a pack that outgrew memory; a small one stays open for the trees."""
        self._settle()
        if self._pack.staged is not None:
            self._finish()

    def sync(self) -> None:
        """Make everything durable under its name; afterwards a ref may name it."""
        self._settle()
        if self._pack.entries:
            self._finish()
        if self._unsynced:
            self._backend.sync(PACKS)
            self._unsynced = False

    def check_relied_on(self) -> None:
        """Raise PackVanished unless every pack relied on is there; under ``exclusive``, before the swap.

        BackendUnavailableError if it is one of our own: what was in it is gone.
        """
        for key in self._own:
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
        while self._own:
            key, pack = self._own.popitem()
            self.relied_on.add(key)  # From now on like anybody's pack.
            with suppress(BackendUnavailableError):
                pack.mark.remove()

    def _write_once(self, kind: int, data: Buffer) -> ObjectId:
        id = self._format.object_id(KIND_NAMES[kind], data)
        if id not in self._pack.entries:
            self._add(kind, id, data)
        return id

    def _add(self, kind: int, id: bytes, data: Buffer) -> None:
        self._pack_for(data).add(kind, id, data)

    def _add_encoded(self, objects: Collection[Encoded]) -> None:
        pack = self._pack
        size_bytes = pack.size_bytes + sum(len(entry) for _, entry, _ in objects)
        count = len(pack.entries) + len(objects)
        if pack.promised is None and size_bytes <= _LARGEST_PACK and count <= _MOST_OBJECTS:
            pack.add_all_encoded(objects)
            return
        for id, entry, _ in objects:
            self._pack_for(entry).add_encoded(id, entry)

    def _pack_for(self, data: Buffer) -> PackWriter:
        """Return the pack that takes ``data``."""
        pack = self._pack
        if self._is_full_for(data):
            if pack.is_full:  # what was guessed too small or too large is known better now
                self._mean_bytes = pack.size_bytes // len(pack.entries)
            self._settle()
            self._finishing = PackFinish(pack)
            self._pack = pack = PackWriter(self._backend, self._format)
            self._promise()
        self._expected -= len(data)
        return pack

    def _is_full_for(self, data: Buffer) -> bool:
        pack = self._pack
        count = len(pack.entries)
        full = pack.size_bytes + len(data) > _LARGEST_PACK or count >= _MOST_OBJECTS or pack.is_full
        return full and count > 0

    def _promise(self) -> None:
        if self._expected >= _WORTH_A_PROMISE:
            room = min(self._expected, _LARGEST_PACK - self._pack.size_bytes)
            count = room * _SURE_PERCENT // 100 // self._mean_bytes
            self._pack.promise(len(self._pack.entries) + count)

    def _settle(self) -> None:
        """Wait for the pack that is being finished."""
        if self._finishing is not None:
            finishing, self._finishing = self._finishing, None
            self._enter(finishing.wait())

    def _finish(self) -> None:
        self._enter(self._pack.finish())
        self._pack = PackWriter(self._backend, self._format)

    def _enter(self, written: NamedPack) -> None:
        self._own[written.key] = written
        self._unsynced = True
        self.bytes_added += written.size_bytes + written.index_size_bytes
        self._packs.adopt(written.key, written.size_bytes)
