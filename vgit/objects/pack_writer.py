"""Pack writer: objects one after the other into a pack of unknown length, in bounded memory.

Up to 8 MiB the pack is parts in memory, so a small commit is one write. Beyond,
it is a staged file; small entries are gathered to 1 MiB a write, large ones go
through without a copy. How many objects there are is known at the end only: a
staged pack gets its count patched in and is read back for its hash.

Names appear in an order that a crash cannot harm: bytes durable, ``.keep``
mark, pack, index. A pack without an index does not exist for anybody.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

from isal import isal_zlib

from vgit.backend.protocol import Backend, Buffer, StagedFile
from vgit.errors import BackendUnavailableError
from vgit.ids import ObjectFormat
from vgit.objects.deflate import STORED_BELOW, encode
from vgit.objects.encoded_blob import EncodedBlob
from vgit.objects.pack_entry import encode_header, encode_small
from vgit.objects.pack_index import encode_index

PACKS = "objects/pack"

_IN_MEMORY = 8 << 20
_BATCH = 1 << 20
_LARGE = 65_536  # An entry from this size on goes to a staged file as it is, unjoined.
_HEADER = b"PACK\x00\x00\x00\x02"
EMPTY_PACK_BYTES = 12  # the header: magic, version, count


class WrittenPack(NamedTuple):
    """A pack that has its name."""

    key: str
    keep_key: str
    size_bytes: int
    index_size_bytes: int


class _Savepoint(NamedTuple):
    object_count: int
    size_bytes: int
    parts: tuple[bytes, ...]  # references: no bytes are copied


_START = _Savepoint(0, EMPTY_PACK_BYTES, ())


class PackWriter:
    """One pack in the making. ``entries`` maps the ids in it to their order."""

    def __init__(self, backend: Backend, form: ObjectFormat) -> None:
        self.entries: dict[bytes, int] = {}
        self.size_bytes = EMPTY_PACK_BYTES
        self.staged: StagedFile | None = None
        self._backend = backend
        self._format = form
        self._crcs: array[int] = array("I")
        self._offsets: array[int] = array("Q")
        self._parts: list[bytes] = []  # not yet written, without the pack's header
        self._flushed = EMPTY_PACK_BYTES  # size_bytes without them
        self._limit = _IN_MEMORY
        self._saved = _START

    def add(self, kind: int, id: bytes, data: Buffer) -> None:
        """Append an object that is not in the pack; ``data`` is not needed after return."""
        size = len(data)
        if size < STORED_BELOW:
            entry = encode_small(kind, data)
        else:
            parts = encode(data)
            parts.insert(0, encode_header(kind, size))
            if size >= _LARGE and (self.staged is not None or self._gathered() + size >= _IN_MEMORY):
                self._add_through(id, parts)
                return
            entry = b"".join(parts)
        self._append(id, entry)

    def add_encoded(self, id: bytes, entry: bytes) -> None:
        """Append an entry as another pack has it: header and zlib stream, no delta."""
        self._append(id, entry)

    def add_blobs(self, blobs: Iterable[EncodedBlob]) -> None:
        """Append blobs that are not in the pack."""
        entries, parts, size = self.entries, self._parts, self.size_bytes
        for id, entry, crc in blobs:
            entries[id] = len(entries)
            self._crcs.append(crc)
            self._offsets.append(size)
            parts.append(entry)
            size += len(entry)
        self.size_bytes = size
        if self._gathered() >= self._limit:
            self._flush([])

    def _append(self, id: bytes, entry: bytes) -> None:
        entries = self.entries
        entries[id] = len(entries)
        self._crcs.append(isal_zlib.crc32(entry))
        self._offsets.append(self.size_bytes)
        self._parts.append(entry)
        self.size_bytes += len(entry)
        if self._gathered() >= self._limit:
            self._flush([])

    def _gathered(self) -> int:
        return self.size_bytes - self._flushed

    def _add_through(self, id: bytes, parts: list[Buffer]) -> None:
        crc = size = 0
        for part in parts:
            crc = isal_zlib.crc32(part, crc)
            size += len(part)
        self.entries[id] = len(self.entries)
        self._crcs.append(crc)
        self._offsets.append(self.size_bytes)
        self.size_bytes += size
        self._flush(parts)

    def _flush(self, more: list[Buffer]) -> None:
        """Write what is gathered, then ``more``."""
        if self.staged is None:
            self.staged = self._backend.stage()
            self._limit = _BATCH
            self._parts.insert(0, _HEADER + bytes(4))
        parts: list[Buffer] = [*self._parts, *more]
        self._parts = []
        self.staged.write(parts)
        self._flushed = self.size_bytes

    def savepoint(self) -> None:
        """Remember this moment for ``rollback``; only while the pack is in memory."""
        assert self.staged is None, "a staged pack cannot be cut back"
        self._saved = _Savepoint(len(self.entries), self.size_bytes, tuple(self._parts))

    def rollback(self) -> None:
        """Drop what was added since the savepoint, even if the pack has been staged since."""
        count, self.size_bytes, parts = self._saved
        self.discard()
        self._parts = list(parts)
        self._flushed = EMPTY_PACK_BYTES
        self._limit = _IN_MEMORY
        del self._crcs[count:], self._offsets[count:]
        for _ in range(len(self.entries) - count):
            self.entries.popitem()  # A dict gives back the youngest first.

    def discard(self) -> None:
        """Drop what was staged."""
        if self.staged is not None:
            self.staged.discard()
            self.staged = None

    def finish(self) -> WrittenPack:
        """Give pack and index their names, durable after the next ``sync`` of ``PACKS``."""
        if self.staged is None:
            staged, digest = self._stage_whole()
        else:
            staged, digest = self._complete(self.staged)
        self.staged = staged
        index = encode_index(self.entries, self._crcs, self._offsets, digest, self._format)
        name = f"{PACKS}/pack-{digest.hex()}"
        with self._backend.stage() as staged_index:
            staged_index.write([index])
            self._backend.mark(name + ".keep")
            staged.publish(name + ".pack")
            staged_index.publish(name + ".idx")
        self.staged = None
        return WrittenPack(name + ".pack", name + ".keep", self.size_bytes + len(digest), len(index))

    def _stage_whole(self) -> tuple[StagedFile, bytes]:
        pack = b"".join([_HEADER, self._count(), *self._parts])
        digest: bytes = self._format.new(pack).digest()
        staged = self._backend.stage()
        self.staged = staged
        staged.write([pack, digest])
        return staged, digest

    def _complete(self, staged: StagedFile) -> tuple[StagedFile, bytes]:
        self._flush([])
        if staged.size_bytes != self.size_bytes:
            raise BackendUnavailableError(
                f"a pack of {self.size_bytes} bytes has {staged.size_bytes}: a write before failed"
            )
        staged.patch(8, self._count())
        hasher = self._format.new(b"")
        for offset in range(0, self.size_bytes, _BATCH):
            hasher.update(staged.read(offset, min(_BATCH, self.size_bytes - offset)))
        digest: bytes = hasher.digest()
        staged.write([digest])
        return staged, digest

    def _count(self) -> bytes:
        return len(self.entries).to_bytes(4, "big")
