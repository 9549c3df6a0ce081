"""Pack reader: objects out of one pack, whoever wrote it: found by its index, deltas applied to their bases.

What lies at a place in the pack is the matter of pack_data.py. An index that is
damaged, or gone, is found out here, at the first look-up or when an object is
not what the index said.
"""

from collections.abc import Callable
from typing import NamedTuple

from vgit.backend.protocol import Backend, KeyStat
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectFormat, ObjectId
from vgit.objects.delta import LONGEST_CHAIN, BaseCache, patch
from vgit.objects.pack_data import PackData
from vgit.objects.pack_index import PackIndex, open_index
from vgit.objects.pack_key import index_key
from vgit.objects.pack_windows import PackWindows
from vgit.runtime.buffer import Buffer

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
        windows: PackWindows,
        bases: BaseCache,
        elsewhere: Elsewhere,
    ) -> None:
        self.key = key
        self.size_bytes = size_bytes
        self.damage: CorruptObjectError | None = None
        self.is_gone = False  # the index was, when it was to be opened
        self.index_stat: KeyStat | None = None  # the index as it was when the pack was found
        self.find: Callable[[bytes], int] = self._open_and_find
        self._backend = backend
        self._format = object_format
        self._data = PackData(key, size_bytes, backend, object_format, windows)
        self._bases = bases
        self._elsewhere = elsewhere
        self.end = self._data.end
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
        kind, size, body, base = self._data.entry(offset)
        if base is None:
            return kind, size
        size = self._data.delta_result_size(offset, body, size)
        for _ in range(LONGEST_CHAIN):
            if isinstance(base, bytes):
                position = self.find(base)
                if position < 0:
                    return self._elsewhere.header(ObjectId(base), for_ids)[0], size
                base = self.offset(position)
            kind, _, _, base = self._data.entry(base)
            if base is None:
                return kind, size
        raise self._data.damaged(offset, "the chain of deltas has no end")

    def read(self, position: int, for_ids: Ids, room: memoryview | None = None) -> tuple[int, Buffer]:
        """Return (kind, whole data), not verified against the id; stored data of some size in ``room``, if it fits."""
        offset = self.offset(position)
        kind, size, body, base = self._data.entry(offset)
        if base is None:
            return kind, self._data.read(offset, body, size, room)
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
            self._data.check(index.count, index.pack_hash)
            self._checked = True
        return index.offset(position)

    def _undelta(self, offset: int, for_ids: Ids) -> tuple[int, Buffer]:
        """Return (kind, data) of the delta at ``offset``, its chain applied from the base up."""
        chain: list[tuple[int, bytes]] = []
        place = offset
        while True:
            found = self._bases.get(self.key, place)
            if found is not None:
                break
            kind, size, body, base = self._data.entry(place)
            data = self._data.read(place, body, size)
            if base is None:
                self._bases.put(self.key, place, kind, data)
                found = kind, data
                break
            chain.append((place, bytes(data)))
            if len(chain) > LONGEST_CHAIN:
                raise self._data.damaged(offset, "the chain of deltas has no end")
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
                raise self._data.damaged(place, str(error)) from error
            self._bases.put(self.key, place, kind, data)
        return kind, data


def _find_nothing(_: bytes) -> int:
    return -1
