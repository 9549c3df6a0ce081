"""Pack index: where in a pack each object is; git's index version 2.

Layout (normative text: docs/format/pack.md):

    magic      ff 74 4f 63, version 2 (u32 BE)
    fan-out    256 u32 BE: how many ids have a first byte up to this
    ids        sorted
    crc32      u32 BE each, of the entry's bytes in the pack
    offsets    u32 BE each; with the top bit set: position in the next table
    large      u64 BE each, offsets from 2 GiB on
    pack hash  trailer of the pack
    hash       of all before
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from struct import Struct, unpack_from

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectFormat
from vgit.objects.pack_key import index_key, pack_of

_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_LARGE = 0x8000_0000
_CHECKED_WHEN_OPENED = 4 << 20  # bytes of an index whose hash is checked then: 150,000 objects
_SPAN = 32  # ids read by one step of a search
_WIDE_SPAN = 96  # the same where
_MANY = 512  # ids share a first byte
_KEY = Struct(">xI").unpack_from  # the part of an id that the fan-out has not used
_U32 = Struct(">I")
_U64 = Struct(">Q")


def encode_index(
    entries: Mapping[bytes, int],
    crcs: "array[int]",
    offsets: "array[int]",
    pack_hash: bytes,
    object_format: ObjectFormat,
) -> bytes:
    """Return the index of a pack; ``entries`` maps an id to its place in ``crcs`` and ``offsets``."""
    ids = sorted(entries)
    order = [entries[id] for id in ids]
    ends = [bisect_left(ids, bytes((first,))) for first in range(1, 256)]
    small, large = _offset_tables([offsets[place] for place in order])
    body = b"".join(
        [
            _MAGIC,
            _big_endian(array("I", [*ends, len(ids)])),
            *ids,
            _big_endian(array("I", [crcs[place] for place in order])),
            _big_endian(small),
            _big_endian(large),
            pack_hash,
        ]
    )
    return body + bytes(object_format.new(body).digest())


def _offset_tables(offsets: list[int]) -> tuple["array[int]", "array[int]"]:
    large: array[int] = array("Q")
    if not offsets or max(offsets) < _LARGE:
        return array("I", offsets), large
    small: array[int] = array("I")
    for offset in offsets:
        if offset < _LARGE:
            small.append(offset)
        else:
            small.append(_LARGE | len(large))
            large.append(offset)
    return small, large


def _big_endian(numbers: "array[int]") -> bytes:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def open_index(backend: Backend, object_format: ObjectFormat, pack_key: str) -> "PackIndex":
    """Return the index of a pack; NotFoundError if it is gone, CorruptObjectError for what is none."""
    key = index_key(pack_key)
    return PackIndex(backend.view(key), key, object_format)


class PackIndex:
    """An index, read in place from a view, which it owns and ``close`` releases.

    The frame is checked here: CorruptObjectError naming ``key`` for a file that is
    cut off or no index. ``check`` asks whether it has the hash that it ends with.
    """

    def __init__(self, view: memoryview, key: str, object_format: ObjectFormat) -> None:
        self._view = view
        self._key = key
        self._format = object_format
        self._id_size = size = object_format.id_size
        if len(view) < 1032 + 2 * size or view[:8] != _MAGIC:
            raise CorruptObjectError(f"{key}: not a pack index of version 2, or cut off ({len(view)} bytes)")
        self._fan: tuple[int, ...] = (0, *unpack_from(">256I", view, 8))
        self.count = count = self._fan[256]
        rest = len(view) - (1032 + count * (size + 8) + 2 * size)
        if list(self._fan) != sorted(self._fan) or rest < 0 or rest % 8 or rest // 8 > count:
            raise CorruptObjectError(f"{key}: {len(view)} bytes do not fit a pack index of {count} objects")
        ids_end = 1032 + count * size
        self._offsets = ids_end + 4 * count
        self._large = self._offsets + 4 * count
        self._large_count = rest // 8
        self.pack_hash = bytes(view[-2 * size : -size])
        self._ids = view[1032:ids_end]

    @property
    def is_small(self) -> bool:
        """Whether its hash costs little, so that it is checked whenever the index is opened."""
        return len(self._view) <= _CHECKED_WHEN_OPENED

    def check(self) -> None:
        """Raise CorruptObjectError unless it has the hash that it ends with; reads all of it."""
        view = self._view
        if self._format.new(view[: -self._id_size]).digest() != bytes(view[-self._id_size :]):
            pack = pack_of(self._key)
            raise CorruptObjectError(
                f"{self._key} does not have the hash that it ends with; move it out of the repository, and run"
                f" `git index-pack {pack}` there, which makes it anew if the pack is whole"
            )

    def find(self, id: bytes) -> int:
        """Return the position of ``id`` among the sorted ids, -1 if it is not there.

        Ids are hashes, hence evenly spread: the guess by proportion is nearly
        always within the one span of ids that is then looked at whole.
        """
        fan = self._fan
        first = id[0]
        low, high = fan[first], fan[first + 1]
        if low == high:
            return -1
        size = self._id_size
        if high - low <= _SPAN:
            span = self._ids[low * size : high * size].tobytes()
        else:
            low, span = self._span_around(id, low, high)
        at = span.find(id)
        while at % size and at > 0:  # The tail of one id and the head of the next may look like it.
            at = span.find(id, at + 1)
        return low + at // size if at >= 0 else -1

    def _span_around(self, id: bytes, low: int, high: int) -> tuple[int, bytes]:
        """Return (position, bytes) of the span of ids that holds ``id`` if any does."""
        size = self._id_size
        ids = self._ids
        # The spread of the guess grows with the root of how many ids there are.
        width = _SPAN if high - low < _MANY else _WIDE_SPAN
        half = width // 2
        key: int = _KEY(id)[0]
        low_key, high_key = 0, 1 << 32
        while high - low > width:
            start = low + (high - low) * (key - low_key) // (high_key - low_key or 1) - half
            if start > high - width:
                start = high - width
            if start < low:
                start = low
            span = ids[start * size : (start + width) * size].tobytes()
            if id < span[:size]:
                high = start
                high_key = _KEY(span)[0]
            elif id > span[-size:]:
                low = start + width
                low_key = _KEY(span, len(span) - size)[0]
            else:
                return start, span
        return low, ids[low * size : high * size].tobytes()

    def offset(self, position: int) -> int:
        """Return where in the pack the object at ``position`` begins."""
        offset: int = _U32.unpack_from(self._view, self._offsets + 4 * position)[0]
        if offset < _LARGE:
            return offset
        large = offset & ~_LARGE
        if large >= self._large_count:
            raise CorruptObjectError(f"{self._key}: large offset {large} of {self._large_count}")
        wide: int = _U64.unpack_from(self._view, self._large + 8 * large)[0]
        return wide

    def in_pack_order(self) -> list[tuple[int, bytes, int]]:
        """Return (offset, id, CRC-32 of the entry) of every object, as they come in the pack."""
        size, ids = self._id_size, self._ids
        crcs = unpack_from(f">{self.count}I", self._view, self._offsets - 4 * self.count)
        return sorted(
            (self.offset(at), ids[at * size : (at + 1) * size].tobytes(), crcs[at]) for at in range(self.count)
        )

    def close(self) -> None:
        """Release the view; nothing may be looked up afterwards."""
        self._ids.release()
        self._view.release()
