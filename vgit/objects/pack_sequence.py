"""Pack sequence: the packs that one transaction writes, one after the other.

The last one is open. It is closed when it is full: of bytes, of objects, or of as
many objects as were promised, so that its hash could run along (pack_stream.py). Its
hash, its fsync and its name then take as long as the disk wants, all of it
without the interpreter lock: a thread sees to them while the next pack fills.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from vgit.backend.protocol import Backend
from vgit.ids import BlobId, ObjectFormat
from vgit.objects.named_pack import NamedPack
from vgit.objects.pack_entry import Encoded
from vgit.objects.pack_header import HEADER_SIZE
from vgit.objects.pack_key import PACKS
from vgit.objects.pack_set import PackSet
from vgit.objects.pack_stream import Written
from vgit.objects.pack_writer import PackWriter
from vgit.runtime.buffer import Buffer
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")

_LARGEST_PACK = 1 << 30
_MOST_OBJECTS = 1 << 19  # in a pack: what is kept of each until the index is written takes 150 bytes
_WORTH_A_PROMISE = 256 << 20  # bytes to come: each promise kept makes a pack, and there should not be many
_SURE_PERCENT = 90  # of the objects that are expected are promised


class PackSequence:
    """Used by one thread; ``close`` must be called. ``named`` are the packs that have their names, by key."""

    def __init__(self, backend: Backend, object_format: ObjectFormat, packs: PackSet) -> None:
        self.named: dict[str, NamedPack] = {}
        self.bytes_named = 0  # of packs and indexes
        self._backend = backend
        self._format = object_format
        self._packs = packs
        self._pack = PackWriter(backend, object_format)
        self._closing: _ClosingPack | None = None
        self._unsynced = False
        self._expected = 0  # bytes that are still to come
        self._mean_bytes = 1  # of an object among them

    @property
    def open_entries(self) -> Mapping[bytes, int]:
        """The ids in the open pack."""
        return self._pack.entries

    @property
    def bytes_open(self) -> int:
        """Bytes of objects in the open pack, without header, trailer and index."""
        return self._pack.size_bytes - HEADER_SIZE

    def has(self, id: bytes) -> bool:
        """Say whether the object is in a pack that has no name yet."""
        return id in self._pack.entries or (self._closing is not None and id in self._closing.entries)

    def expect(self, size_bytes: int, mean_bytes: int) -> None:
        """Take note that so many bytes come next, in objects of ``mean_bytes`` on average: a guess, to save time."""
        self._expected = size_bytes
        self._mean_bytes = mean_bytes
        self._promise()

    def add(self, kind: int, id: bytes, data: Buffer) -> None:
        """Append an object that is in no pack."""
        self._pack_for(data).add(kind, id, data)

    def add_later(self, blobs: Iterable[tuple[BlobId, Buffer]]) -> "list[futures.Future[list[Written]]]":
        """Append blobs that are in no pack; they must stay as they are until all futures are done."""
        jobs = []
        for id, data in blobs:
            if self._is_full_for(data):
                jobs.append(self._pack.send())
            self._pack_for(data).add_later(id, data)
        jobs.append(self._pack.send())
        return [job for job in jobs if job is not None]

    def add_encoded(self, objects: Collection[Encoded]) -> None:
        """Append small objects that are in no pack."""
        pack = self._pack
        size_bytes = pack.size_bytes + sum(len(entry) for _, entry, _ in objects)
        count = len(pack.entries) + len(objects)
        if pack.promised is None and size_bytes <= _LARGEST_PACK and count <= _MOST_OBJECTS:
            pack.add_all_encoded(objects)
            return
        for id, entry, _ in objects:
            self._pack_for(entry).add_encoded(id, entry)

    def savepoint(self) -> None:
        """Remember this moment for ``rollback``; a pack that outgrew memory is named first."""
        self.seal()
        self._pack.savepoint()

    def rollback(self) -> None:
        """Drop what was added since the savepoint; a pack named since stays, for gc."""
        self._pack.rollback()

    def seal(self) -> None:
        """Close and name a pack that outgrew memory; a small one stays open."""
        self._settle()
        if self._pack.staged is not None:
            self._name_open_pack()

    def sync(self) -> None:
        """Close the open pack; make all packs durable under their names."""
        self._settle()
        if self._pack.entries:
            self._name_open_pack()
        if self._unsynced:
            self._backend.sync(PACKS)
            self._unsynced = False

    def close(self) -> None:
        """Drop what has no name, once a pack that is being closed has its."""
        try:
            self._settle()
        finally:
            self._pack.discard()

    def _pack_for(self, data: Buffer) -> PackWriter:
        """Return the pack that takes ``data``."""
        pack = self._pack
        if self._is_full_for(data):
            if pack.is_full:  # what was guessed too small or too large is known better now
                self._mean_bytes = pack.size_bytes // len(pack.entries)
            self._settle()
            self._closing = _ClosingPack(pack)
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
        """Wait for the pack that is being closed."""
        if self._closing is not None:
            closing, self._closing = self._closing, None
            self._enter(closing.wait())

    def _name_open_pack(self) -> None:
        self._enter(self._pack.finish())
        self._pack = PackWriter(self._backend, self._format)

    def _enter(self, named: NamedPack) -> None:
        self.named[named.key] = named
        self._unsynced = True
        self.bytes_named += named.size_bytes + named.index_size_bytes
        self._packs.adopt(named.key, named.size_bytes)


class _ClosingPack:
    """A pack that nobody writes any more, on its way to its name in a thread; ``wait`` must be called."""

    def __init__(self, pack: PackWriter) -> None:
        self.entries: Mapping[bytes, int] = pack.entries
        self._pack = pack
        self._thread = futures.ThreadPoolExecutor(1, "vgit-pack-close")
        self._named = self._thread.submit(pack.finish)

    def wait(self) -> NamedPack:
        """Return the pack once it has its name, or raise what went wrong, the pack discarded."""
        try:
            return self._named.result()
        finally:
            self._thread.shutdown()
            self._pack.discard()
