"""Unchanged runs: stretches of a file that are as in its old version, confirmed by threads that read them themselves.

While the new file follows the old one, its chunks are known beforehand, and all
that has to be found out is whether the bytes are still those. So threads take
runs of expected chunks: read, BLAKE3 of each while it is in the cache, BLAKE3
of the whole file when it is the run's turn. The calling thread only collects.

A run counts if every chunk in it is the old one and the last one still ends
where it did, which the byte after it decides (old_chunks.py). The first run
that does not count, and all after it, leave nothing behind; what is there is read again.
"""

import os
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from vgit.content.buffer_ring import ReadInto, reading_file
from vgit.content.chunker import MAX_SIZE, Chunker
from vgit.content.hash_threads import OrderedHash, Span, spans_of
from vgit.content.old_chunks import OldChunks
from vgit.ids import BlobId
from vgit.runtime.cancel import checkpoint

if TYPE_CHECKING:
    from concurrent.futures import Future

RUN_SIZE = 3 << 20  # bytes, about
_SIGHT = 16  # bytes after a run: the first decides whether its last chunk ends there. FastCDC wants them in pairs
_RUN_COUNT = 4  # two being confirmed, two waiting, so that no thread has to


class Run(NamedTuple):
    """Confirmed chunks; ``data`` holds them until the next run is asked for."""

    data: memoryview
    spans: list[Span]
    chunks: list[tuple[BlobId, bytes]]  # id and BLAKE3


class _Waiting(NamedTuple):
    room: "_Room"
    spans: list[Span]
    is_unchanged: "Future[bool]"


class _Room:
    """What one run is read into, and what is needed to cut there."""

    def __init__(self) -> None:
        self.data = memoryview(bytearray(RUN_SIZE + MAX_SIZE + _SIGHT))
        self.chunker = Chunker()


class UnchangedRuns:
    """Confirms what follows in ``fd``, as ``old`` expects it. Memory: 16 MiB."""

    def __init__(self, fd: int, old: OldChunks, whole: OrderedHash) -> None:
        self._fd = fd
        self._old = old
        self._whole = whole
        self._rooms: deque[_Room] = deque()

    def reading(self, start: int) -> ReadInto:
        """Return what reads the file from ``start``."""
        return reading_file(self._fd, start)

    def runs(self, offset: int) -> Iterator[Run]:
        """Yield confirmed runs from ``offset`` on, the end of what was hashed; ``old`` is told of them."""
        old = self._old
        waiting: deque[_Waiting] = deque()
        ahead = 0  # chunks that are waiting
        while True:
            while len(waiting) < _RUN_COUNT and (chunks := old.expected(ahead, RUN_SIZE)):
                spans = spans_of([size for size, _ in chunks])
                room = self._rooms.popleft() if self._rooms else _Room()
                digests = [digest for _, digest in chunks]
                job = self._whole.submit_if(partial(_confirm, self._fd, offset, spans, digests, room))
                waiting.append(_Waiting(room, spans, job))
                offset += spans[-1][1]
                ahead += len(spans)
            if not waiting:
                return
            checkpoint()
            room, spans, is_unchanged = waiting.popleft()
            if not is_unchanged.result():
                break
            yield Run(room.data, spans, old.take(len(spans)))
            ahead -= len(spans)
            self._rooms.append(room)
        self._rooms.append(room)  # read into, and not wanted
        for item in waiting:
            item.is_unchanged.result()
            self._rooms.append(item.room)
        self._whole.go_on()


def _confirm(fd: int, offset: int, spans: list[Span], digests: list[bytes], room: _Room) -> memoryview | None:
    """Return the bytes of ``spans`` from ``offset`` on, None if they are not those with ``digests``."""
    data = room.data
    for (start, end), digest in zip(spans, digests, strict=True):
        piece = data[start:end]
        if _read_whole(fd, piece, offset + start) < len(piece) or blake3(piece).digest() != digest:
            return None
    start, end = spans[-1]
    end += _read_whole(fd, data[end : end + _SIGHT], offset + end)
    return data[: spans[-1][1]] if room.chunker.first(data[start:end]) == spans[-1][1] - start else None


def _read_whole(fd: int, room: memoryview, offset: int) -> int:
    """Fill ``room`` from ``offset`` and return its size, or less at the end of the file."""
    size = 0
    while size < len(room) and (count := os.preadv(fd, [room[size:]], offset + size)):
        size += count
    return size
