"""Pack stream: a staged pack's bytes on their way to disk; large objects are encoded, hashed and written by a thread.

A pack ends with the hash of all that it holds, and begins with the number of its
objects, which is known at the end only. Where the number is promised before,
the hash runs along while the bytes are in the processor's cache. Otherwise, or
if the promise was not kept, the pack is read once more at its end.

The thread takes one object after the other. While it has any, its maker may
call nothing but ``add_later``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from isal import isal_zlib

from vgit.backend.protocol import StagedFile
from vgit.ids import ObjectFormat
from vgit.objects.deflate import encode, stored
from vgit.objects.pack_entry import encode_header
from vgit.runtime.buffer import Buffer
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")

_ROOM = 5 << 18  # bytes: the largest chunk of a file fits, framed
# Chunks of large files are tried less often after so many that did not shrink.
_SURE_RUN = 16
_TRY_EVERY = 4
_REREAD = 1 << 18  # bytes; more at a time would be read into memory that is in no cache


class Written(NamedTuple):
    """What the index wants to know of an entry."""

    size_bytes: int
    crc: int


class PackStream:
    """Writes ``staged``, which it does not own; ``close`` must be called."""

    def __init__(self, staged: StagedFile, object_format: ObjectFormat, header: bytes) -> None:
        self._staged = staged
        self._format = object_format
        self._header = header
        self._hash: Any = None
        self._stored_run = 0  # chunks in a row that did not shrink
        self._room = memoryview(bytearray(_ROOM))
        self._thread = futures.ThreadPoolExecutor(1, "vgit-pack-stream")
        self.write([header])

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append ``parts``."""
        if self._hash is not None:
            for part in parts:
                self._hash.update(part)
        self._staged.write(parts)

    def add(self, kind: int, data: Buffer) -> Written:
        """Append an object."""
        return self._add(kind, data, encode(data))

    def add_later(self, kind: int, objects: Sequence[Buffer]) -> "futures.Future[list[Written]]":
        """Append objects in the thread; they must stay as they are until then."""
        return self._thread.submit(self._add_all, kind, objects)

    def promise(self, header: bytes) -> None:
        """Let the hash run along from here; ``header`` is the pack's if the promise is kept."""
        self._hash = self._hashed_anew(header)

    def finish(self, header: bytes) -> bytes:
        """Complete the pack, whose header is ``header``, and return its hash."""
        hasher = self._hash if self._hash is not None and header == self._header else self._hashed_anew(header)
        digest: bytes = hasher.digest()
        self._staged.write([digest])
        return digest

    def close(self) -> None:
        """End the thread; what it has not begun yet is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _add(self, kind: int, data: Buffer, stream: Sequence[Buffer]) -> Written:
        parts = [encode_header(kind, len(data)), *stream]
        size = sum(map(len, parts))
        if size <= _ROOM:
            # A copy within the cache costs less than a call of each hash for each of the blocks.
            parts = [_join(parts, self._room[:size])]
        crc = 0
        for part in parts:
            crc = isal_zlib.crc32(part, crc)
        self.write(parts)
        return Written(size, crc)

    def _add_all(self, kind: int, objects: Sequence[Buffer]) -> list[Written]:
        written = []
        for data in objects:
            is_tried = self._stored_run < _SURE_RUN or self._stored_run % _TRY_EVERY == 0
            stream = encode(data) if is_tried else stored(data)
            self._stored_run = self._stored_run + 1 if len(stream) > 1 else 0
            written.append(self._add(kind, data, stream))
        return written

    def _hashed_anew(self, header: bytes) -> Any:
        self._header = header
        self._staged.patch(0, header)
        hasher = self._format.new(b"")
        size_bytes = self._staged.size_bytes
        for offset in range(0, size_bytes, _REREAD):
            hasher.update(self._staged.read(offset, min(_REREAD, size_bytes - offset)))
        return hasher


def _join(parts: Sequence[Buffer], room: memoryview) -> memoryview:
    start = 0
    for part in parts:
        end = start + len(part)
        room[start:end] = part
        start = end
    return room
