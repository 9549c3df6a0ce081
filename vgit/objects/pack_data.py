"""Pack data: what lies at a place in a pack, whoever wrote it.

Three ways to the bytes of an entry, the first that fits:

1. framed as stored blocks, small: a slice of a window
2. framed, large: read straight into place, no copy
3. any other deflate: inflated

Nothing in a pack is trusted: sizes are held against the pack's own size before
memory is taken, and damage is a CorruptObjectError that names the pack.
"""

from collections.abc import Iterator, Sequence

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectFormat
from vgit.objects import stored_blocks
from vgit.objects.deflate import MAX_RATIO, inflate, inflate_start
from vgit.objects.delta import delta_sizes
from vgit.objects.object_kind import KIND_NAMES, OFS_DELTA, REF_DELTA
from vgit.objects.pack_entry import LONGEST_HEADER, parse_distance, parse_header
from vgit.objects.pack_header import HEADER_SIZE, parse_pack_header
from vgit.objects.pack_windows import PackWindows
from vgit.runtime.buffer import Buffer

_IN_WINDOW = 32_768  # A framed object up to this size is read through the window, with its neighbours.
_PIECE = 65_536


class PackData:
    """The entries of one pack by their offsets; any thread may read."""

    def __init__(
        self, key: str, size_bytes: int, backend: Backend, object_format: ObjectFormat, windows: PackWindows
    ) -> None:
        self.end = size_bytes - object_format.id_size  # where the trailer begins
        self._key = key
        self._backend = backend
        self._format = object_format
        self._windows = windows

    def check(self, count: int, pack_hash: bytes) -> None:
        """Raise unless the pack has so many objects, and ends with this hash: its index's."""
        start = self._backend.get(self._key, 0, HEADER_SIZE)
        found = parse_pack_header(start)
        if self.end < HEADER_SIZE or found is None:
            raise CorruptObjectError(f"{self._key}: no pack of version 2: begins with {start!r}")
        if found != count:
            raise CorruptObjectError(f"{self._key}: not as many objects as its index has ({count})")
        if self._backend.get(self._key, self.end, self._format.id_size) != pack_hash:
            raise CorruptObjectError(f"{self._key}: does not end with its index's hash of it, as if it were cut off")

    def entry(self, offset: int) -> tuple[int, int, int, int | bytes | None]:
        """Return (kind, size, where the zlib stream begins, offset or id of the base)."""
        if not HEADER_SIZE <= offset < self.end:
            raise self.damaged(offset, "outside of the pack")
        data, at = self._windows.at(self._key, offset, min(LONGEST_HEADER, self.end - offset))
        base: int | bytes | None = None
        try:
            kind, size, after = parse_header(data, at)
            if kind not in KIND_NAMES:
                if kind == OFS_DELTA:
                    distance, after = parse_distance(data, after)
                    base = offset - distance if distance else -1
                elif kind == REF_DELTA:
                    base = data[after : after + self._format.id_size]
                    after += len(base)
                    if len(base) < self._format.id_size:
                        raise IndexError
                else:
                    raise self.damaged(offset, f"kind {kind} does not exist")
        except IndexError:
            raise self.damaged(offset, "cut off in its header") from None
        body = offset + after - at
        if size > (self.end - body) * MAX_RATIO:
            raise self.damaged(offset, f"{self.end - body} bytes cannot hold an object of {size}")
        return kind, size, body, base

    def read(self, offset: int, body: int, size: int, room: memoryview | None = None) -> Buffer:
        """Return the ``size`` bytes in the zlib stream at ``body``; in ``room``, if they are stored, many, and fit."""
        need = stored_blocks.HEAD_SIZE
        data, at = self._windows.at(self._key, body, need)
        framed_end = body + stored_blocks.framed_size(size)
        if data[at : at + need] == stored_blocks.head(size) and framed_end <= self.end:
            if size <= _IN_WINDOW:
                if at + need + size > len(data):
                    data, at = self._windows.at(self._key, body, need + size)
                at += need
                found = data[at : at + size]
                if len(found) == size:
                    return found
            else:
                framed = stored_blocks.read_framed(self._read_into, body, size, room)
                if framed is not None:
                    return framed
        try:
            return inflate(self._pieces(body, size), size)
        except ValueError as error:
            raise self.damaged(offset, str(error)) from error

    def delta_result_size(self, offset: int, body: int, size: int) -> int:
        """Return the size of what a delta of ``size`` bytes makes."""
        try:
            start = b"".join(inflate_start(piece, 20) for piece in _first(self._pieces(body, size)))
            return delta_sizes(start)[1]
        except ValueError as error:
            raise self.damaged(offset, str(error)) from error

    def damaged(self, offset: int, why: str) -> CorruptObjectError:
        """Return the error that says what is wrong at ``offset``."""
        return CorruptObjectError(f"{self._key} at {offset}: {why}")

    def _pieces(self, body: int, size: int) -> Iterator[Buffer]:
        """Yield the pack from ``body`` on; the first piece suffices for most streams of ``size`` bytes."""
        length = min(size + (size >> 8) + 64, _PIECE)
        while body < self.end:
            data, at = self._windows.at(self._key, body, 1)
            piece = data[at : at + min(length, self.end - body)]
            if not piece:
                return
            yield piece
            body += len(piece)
            length = _PIECE

    def _read_into(self, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        return self._backend.get_into(self._key, start, buffers)


def _first(pieces: Iterator[Buffer]) -> Iterator[Buffer]:
    for piece in pieces:
        yield piece
        return
