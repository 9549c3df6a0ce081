"""Pack writer: objects one after the other into a pack of unknown length, in bounded memory.

Up to 8 MiB the pack is parts in memory, so a small commit is one write. Beyond,
it is a staged file: small entries are gathered to 1 MiB a write, large ones go
through, by a thread if the caller can wait (pack_stream.py). The pack's hash covers
the number of objects: who can tell beforehand how many there will be at least
promises a number, and closes the pack when it has so many.

How it gets its name is in named_pack.py.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from vgit.backend.protocol import Backend, StagedFile
from vgit.errors import BackendUnavailableError
from vgit.ids import ObjectFormat
from vgit.objects.named_pack import NamedPack, name_pack
from vgit.objects.object_kind import BLOB
from vgit.objects.pack_entry import LONGEST_HEADER, Encoded, encode_entry
from vgit.objects.pack_header import HEADER_SIZE, encode_pack_header
from vgit.objects.pack_index import encode_index
from vgit.objects.pack_stream import PackStream, Written
from vgit.objects.stored_blocks import framed_size
from vgit.runtime.buffer import Buffer

if TYPE_CHECKING:
    from concurrent.futures import Future

_IN_MEMORY = 8 << 20
_BATCH = 1 << 20
_LARGE = 65_536  # An entry from this size on goes to a staged file at once, not joined with others before.
_MOST_READ_BACK = 128 << 20  # of a staged pack, for a promise that comes late


class _Savepoint(NamedTuple):
    object_count: int
    size_bytes: int
    parts: tuple[bytes, ...]  # references: no bytes are copied


_START = _Savepoint(0, HEADER_SIZE, ())


class PackWriter:
    """One pack in the making. ``entries`` maps the ids in it to their order."""

    def __init__(self, backend: Backend, object_format: ObjectFormat) -> None:
        self.entries: dict[bytes, int] = {}
        self.size_bytes = HEADER_SIZE
        self.staged: StagedFile | None = None
        self.promised: int | None = None  # objects; with so many a staged pack is full
        self._stream: PackStream | None = None
        self._later: list[Buffer] = []  # blobs that its thread is to be given
        self._jobs: deque[Future[list[Written]]] = deque()  # what it was given, in order
        self._backend = backend
        self._format = object_format
        self._crcs: array[int] = array("I")
        self._offsets: array[int] = array("Q")
        self._parts: list[bytes] = []  # not yet written, without the pack's header
        self._flushed = HEADER_SIZE  # size_bytes without them
        self._limit = _IN_MEMORY
        self._saved = _START

    def add(self, kind: int, id: bytes, data: Buffer) -> None:
        """Append an object that is not in the pack; ``data`` is not needed after return."""
        size = len(data)
        if size >= _LARGE and (self.staged is not None or self._gathered() + size >= _IN_MEMORY):
            stream = self._flush()
            self.entries[id] = len(self.entries)
            self._note(stream.add(kind, data))
        else:
            self._append(id, encode_entry(kind, data))

    def add_later(self, id: bytes, data: Buffer) -> None:
        """Append a blob; ``data`` must stay as it is until what ``send`` returns next is done."""
        size = len(data)
        if self._stream is None or size < _LARGE:
            self.add(BLOB, id, data)
            return
        if self._parts:
            self._flush()
        self.entries[id] = len(self.entries)
        self.size_bytes += LONGEST_HEADER + framed_size(size)  # at most; put right when it is written
        self._later.append(data)

    def send(self) -> "Future[list[Written]] | None":
        """Have what ``add_later`` was given written, in a thread; None: there is nothing."""
        if not self._later or self._stream is None:
            return None
        job = self._stream.add_later(BLOB, self._later)
        self._later = []
        self._jobs.append(job)
        return job

    def add_encoded(self, id: bytes, entry: bytes) -> None:
        """Append an entry as another pack has it: header and zlib stream, no delta."""
        self._append(id, entry)

    def add_all_encoded(self, objects: Iterable[Encoded]) -> None:
        """Append small objects that are not in the pack, which has no number of objects promised."""
        if self._later or self._jobs:
            self._wait()
        entries, parts, size = self.entries, self._parts, self.size_bytes
        for id, entry, crc in objects:
            entries[id] = len(entries)
            self._crcs.append(crc)
            self._offsets.append(size)
            parts.append(entry)
            size += len(entry)
        self.size_bytes = size
        if self._gathered() >= self._limit:
            self._flush()

    def _append(self, id: bytes, entry: bytes) -> None:
        if self._later or self._jobs:
            self._wait()
        entries = self.entries
        entries[id] = len(entries)
        self._crcs.append(isal_zlib.crc32(entry))
        self._offsets.append(self.size_bytes)
        self._parts.append(entry)
        self.size_bytes += len(entry)
        if self._gathered() >= self._limit:
            self._flush()

    def _gathered(self) -> int:
        return self.size_bytes - self._flushed

    def promise(self, count: int) -> None:
        """Say that ``count`` objects will be in the pack if it gets large, so that its hash can run along.

        Nothing is wrong if they are not: the pack is then read for its hash.
        """
        if self.promised is not None or count <= len(self.entries) or self.size_bytes > _MOST_READ_BACK:
            return
        self.promised = count
        if self._stream is not None:
            self._flush()
            self._stream.promise(encode_pack_header(count))

    @property
    def is_full(self) -> bool:
        """Whether as many objects are in the pack as were promised."""
        return self._stream is not None and len(self.entries) == self.promised

    def _wait(self) -> None:
        """Wait until the thread has nothing more to write; raise what went wrong there."""
        self.send()
        while self._jobs:
            for written in self._jobs.popleft().result():
                self._note(written)

    def _note(self, written: Written) -> None:
        self._crcs.append(written.crc)
        self._offsets.append(self._flushed)
        self._flushed += written.size_bytes
        if not self._jobs:
            self.size_bytes = self._flushed

    def _flush(self) -> PackStream:
        """Have what is gathered written, after what the thread has."""
        self._wait()
        stream = self._stream
        if stream is None:
            self.staged = self._backend.stage()
            self._limit = _BATCH
            self._stream = stream = PackStream(self.staged, self._format, encode_pack_header(0))
            if self.promised is not None:
                stream.promise(encode_pack_header(self.promised))
        if self._parts:
            stream.write([b"".join(self._parts)])
            self._parts = []
            self._flushed = self.size_bytes
        return stream

    def savepoint(self) -> None:
        """Remember this moment for ``rollback``; only while the pack is in memory."""
        assert self.staged is None, "a staged pack cannot be cut back"
        self._saved = _Savepoint(len(self.entries), self.size_bytes, tuple(self._parts))

    def rollback(self) -> None:
        """Drop what was added since the savepoint, even if the pack has been staged since."""
        count, self.size_bytes, parts = self._saved
        self.discard()
        self._parts = list(parts)
        self._flushed = HEADER_SIZE
        self._limit = _IN_MEMORY
        del self._crcs[count:], self._offsets[count:]
        for _ in range(len(self.entries) - count):
            self.entries.popitem()  # A dict gives back the youngest first.

    def discard(self) -> None:
        """Drop what was staged."""
        self._close_stream()
        if self.staged is not None:
            self.staged.discard()
            self.staged = None

    def finish(self) -> NamedPack:
        """Complete the pack and give it its name."""
        if self.staged is None:
            staged, digest = self._stage_whole()
        else:
            staged, digest = self.staged, self._complete(self.staged)
        self.staged = staged
        index = encode_index(self.entries, self._crcs, self._offsets, digest, self._format)
        named = name_pack(self._backend, staged, digest, index)
        self.staged = None
        return named

    def _stage_whole(self) -> tuple[StagedFile, bytes]:
        pack = b"".join([encode_pack_header(len(self.entries)), *self._parts])
        digest: bytes = self._format.new(pack).digest()
        staged = self._backend.stage()
        self.staged = staged
        staged.write([pack, digest])
        return staged, digest

    def _complete(self, staged: StagedFile) -> bytes:
        stream = self._flush()
        if staged.size_bytes != self.size_bytes or len(self._crcs) != len(self.entries):
            raise BackendUnavailableError(
                f"a pack of {self.size_bytes} bytes has {staged.size_bytes}: a write before failed"
            )
        digest = stream.finish(encode_pack_header(len(self.entries)))
        self._close_stream()
        return digest

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._later.clear()
            self._jobs.clear()
