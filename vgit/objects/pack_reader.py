"""Pack reader: objects out of one pack, whoever wrote it.

Three ways to the bytes of an object, the first that fits:

1. framed as stored blocks, small: a slice of a window
2. framed, large: read straight into place, no copy
3. any other deflate: inflated; and deltas applied to their bases

Nothing in a pack is trusted: sizes are held against the pack's own size before
memory is taken, and damage is a CorruptObjectError that names the pack.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from vgit.backend.protocol import Backend, Listed
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectFormat, ObjectId
from vgit.objects import stored_blocks
from vgit.objects.deflate import MAX_RATIO, inflate, inflate_start
from vgit.objects.delta import LONGEST_CHAIN, BaseCache, delta_sizes, patch
from vgit.objects.object_kind import KIND_NAMES, OFS_DELTA, REF_DELTA
from vgit.objects.pack_entry import LONGEST_HEADER, parse_distance, parse_header
from vgit.objects.pack_index import PackIndex, open_index
from vgit.objects.pack_key import index_key
from vgit.objects.pack_windows import Windows
from vgit.runtime.buffer import Buffer

HEADER_SIZE = 12

_IN_WINDOW = 32_768  # A framed object up to this size is read through the window, with its neighbours.
_PIECE = 65_536


Ids = tuple[ObjectId, ...]


class Elsewhere(NamedTuple):
    """Where a delta finds a base that is not in its own pack; the second argument is ``for_ids`` of the reader."""

    header: Callable[[ObjectId, Ids], tuple[int, int]]
    read: Callable[[ObjectId, Ids], tuple[int, Buffer]]


class PackReader:
    """One pack and its index, opened at the first look-up; any thread may read.

    ``find(id)`` gives the position of an object in the index or -1, and is a
    plain attribute so that 10^5 look-ups cost one call each. A pack whose
    index is damaged, or gone, has no objects and says why in ``damage``;
    ``find_anyway`` tells what a damaged index says all the same.

    ``for_ids`` are the objects whose reading led here, so that a base in another
    pack that needs one of them is known for the circle it is.
    """

    def __init__(
        self,
        key: str,
        size_bytes: int,
        backend: Backend,
        object_format: ObjectFormat,
        windows: Windows,
        bases: BaseCache,
        elsewhere: Elsewhere,
    ) -> None:
        self.key = key
        self.size_bytes = size_bytes
        self.damage: CorruptObjectError | None = None
        self.is_gone = False  # the index was, when it was to be opened
        self.index_listed: Listed | None = None  # the index as it was when the pack was found
        self.find: Callable[[bytes], int] = self._open_and_find
        self._backend = backend
        self._format = object_format
        self._windows = windows
        self._bases = bases
        self._elsewhere = elsewhere
        self.end = size_bytes - object_format.id_size  # where the trailer begins
        self._index: PackIndex | None = None
        self._checked = False
        self._is_index_whole: bool | None = None  # None: its hash was not asked for

    def _open_and_find(self, id: bytes) -> int:
        # No lock: threads that get here together read the same file, and either view will do.
        try:
            self._index = index = open_index(self._backend, self._format, self.key)
            if not index.is_small or self._has_whole_index():
                self.find = index.find
                return index.find(id)
        except NotFoundError:
            self.is_gone = True
            self.damage = CorruptObjectError(f"{index_key(self.key)} is gone")
        except CorruptObjectError as error:
            self.damage = error
        self.find = _find_nothing
        return -1

    def find_anyway(self, id: bytes) -> int:
        """Return what the index says, though it is damaged: nothing of it may be believed. -1: it says nothing."""
        return -1 if self._index is None else self._index.find(id)

    def check_index(self) -> None:
        """Ask for the hash of the index, once an object was not what the index said; ``damage`` tells."""
        if self.damage is None and self._index is not None and not self._has_whole_index():
            self.find = _find_nothing

    def _has_whole_index(self) -> bool:
        if self._is_index_whole is None and self._index is not None:
            try:
                self._index.check()
                self._is_index_whole = True
            except CorruptObjectError as error:
                self.damage = error
                self._is_index_whole = False
        return bool(self._is_index_whole)

    def header(self, position: int, for_ids: Ids) -> tuple[int, int]:
        """Return (kind, size in bytes) of an object, following deltas without applying them."""
        offset = self.offset(position)
        kind, size, body, base = self._entry(offset)
        if base is None:
            return kind, size
        size = self._delta_result_size(offset, body, size)
        for _ in range(LONGEST_CHAIN):
            if isinstance(base, bytes):
                position = self.find(base)
                if position < 0:
                    return self._elsewhere.header(ObjectId(base), for_ids)[0], size
                base = self.offset(position)
            kind, _, _, base = self._entry(base)
            if base is None:
                return kind, size
        raise self._damaged(offset, "the chain of deltas has no end")

    def read(self, position: int, for_ids: Ids, room: memoryview | None = None) -> tuple[int, Buffer]:
        """Return (kind, whole data), not verified against the id; stored data of some size in ``room``, if it fits."""
        offset = self.offset(position)
        kind, size, body, base = self._entry(offset)
        if base is None:
            return kind, self._data(offset, body, size, room)
        return self._undelta(offset, for_ids)

    def close(self) -> None:
        """Release the view of the index."""
        if self._index is not None:
            self._index.close()

    def offset(self, position: int) -> int:
        """Return where in the pack the object at ``position`` of the index begins."""
        index = self._index
        if index is None:
            raise CorruptObjectError(f"{self.key}: no index")
        if not self._checked:
            self._check(index)
        return index.offset(position)

    def _check(self, index: PackIndex) -> None:
        """Raise unless the pack is the one the index is of, and its end is there."""
        start = self._backend.get(self.key, 0, HEADER_SIZE)
        if self.end < HEADER_SIZE or start[:4] != b"PACK" or start[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            raise CorruptObjectError(f"{self.key}: no pack of version 2: begins with {start!r}")
        if int.from_bytes(start[8:], "big") != index.count:
            raise CorruptObjectError(f"{self.key}: not as many objects as its index has ({index.count})")
        if self._backend.get(self.key, self.end, self._format.id_size) != index.pack_hash:
            raise CorruptObjectError(f"{self.key}: does not end with its index's hash of it, as if it were cut off")
        self._checked = True

    def _entry(self, offset: int) -> tuple[int, int, int, int | bytes | None]:
        """Return (kind, size, where the zlib stream begins, offset or id of the base)."""
        if not HEADER_SIZE <= offset < self.end:
            raise self._damaged(offset, "outside of the pack")
        data, at = self._windows.at(self.key, offset, min(LONGEST_HEADER, self.end - offset))
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
                    raise self._damaged(offset, f"kind {kind} does not exist")
        except IndexError:
            raise self._damaged(offset, "cut off in its header") from None
        body = offset + after - at
        if size > (self.end - body) * MAX_RATIO:
            raise self._damaged(offset, f"{self.end - body} bytes cannot hold an object of {size}")
        return kind, size, body, base

    def _data(self, offset: int, body: int, size: int, room: memoryview | None = None) -> Buffer:
        """Return the ``size`` bytes that the zlib stream at ``body`` holds."""
        need = stored_blocks.HEAD_SIZE
        data, at = self._windows.at(self.key, body, need)
        framed_end = body + stored_blocks.framed_size(size)
        if data[at : at + need] == stored_blocks.head(size) and framed_end <= self.end:
            if size <= _IN_WINDOW:
                if at + need + size > len(data):
                    data, at = self._windows.at(self.key, body, need + size)
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
            raise self._damaged(offset, str(error)) from error

    def _pieces(self, body: int, size: int) -> Iterator[Buffer]:
        """Yield the pack from ``body`` on; the first piece suffices for most streams of ``size`` bytes."""
        length = min(size + (size >> 8) + 64, _PIECE)
        while body < self.end:
            data, at = self._windows.at(self.key, body, 1)
            piece = data[at : at + min(length, self.end - body)]
            if not piece:
                return
            yield piece
            body += len(piece)
            length = _PIECE

    def _read_into(self, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        return self._backend.get_into(self.key, start, buffers)

    def _undelta(self, offset: int, for_ids: Ids) -> tuple[int, Buffer]:
        """Return (kind, data) of the delta at ``offset``, its chain applied from the base up."""
        chain: list[tuple[int, bytes]] = []
        place = offset
        while True:
            found = self._bases.get(self.key, place)
            if found is not None:
                break
            kind, size, body, base = self._entry(place)
            data = self._data(place, body, size)
            if base is None:
                self._bases.put(self.key, place, kind, data)
                found = kind, data
                break
            chain.append((place, bytes(data)))
            if len(chain) > LONGEST_CHAIN:
                raise self._damaged(offset, "the chain of deltas has no end")
            if isinstance(base, bytes):
                position = self.find(base)
                if position < 0:
                    found = self._elsewhere.read(ObjectId(base), for_ids)
                    break
                base = self.offset(position)
            place = base
        return self._apply(*found, chain)

    def _apply(self, kind: int, data: Buffer, chain: list[tuple[int, bytes]]) -> tuple[int, Buffer]:
        for place, delta in reversed(chain):
            try:
                data = patch(data, delta)
            except ValueError as error:
                raise self._damaged(place, str(error)) from error
            self._bases.put(self.key, place, kind, data)
        return kind, data

    def _delta_result_size(self, offset: int, body: int, size: int) -> int:
        try:
            start = b"".join(inflate_start(piece, 20) for piece in _first(self._pieces(body, size)))
            return delta_sizes(start)[1]
        except ValueError as error:
            raise self._damaged(offset, str(error)) from error

    def _damaged(self, offset: int, why: str) -> CorruptObjectError:
        return CorruptObjectError(f"{self.key} at {offset}: {why}")


def _find_nothing(_: bytes) -> int:
    return -1


def _first(pieces: Iterator[Buffer]) -> Iterator[Buffer]:
    for piece in pieces:
        yield piece
        return
