"""Object store: every git object of a repository, by id.

Reading never locks and never trusts: ``read`` recomputes the id; damage and
absence are CorruptObjectError. An object may be in several packs; a damaged
copy is passed over for a good one. A pack that vanished (somebody's gc) means
that its objects are elsewhere by now: list again, try again.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from vgit.backend.protocol import Backend, Buffer
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import SHA1, ObjectFormat, ObjectId
from vgit.objects.blob_run import BlobRun
from vgit.objects.delta import BaseCache
from vgit.objects.kinds import KIND_NAMES
from vgit.objects.loose import loose_header, read_loose
from vgit.objects.pack_reader import Elsewhere, Ids, PackReader
from vgit.objects.pack_set import PackSet
from vgit.objects.windows import Windows
from vgit.objects.writer import ObjectWriter

T = TypeVar("T")

_LISTINGS = 100  # A bound for a store that never comes to rest; the second mostly says that it did.
_MOST_HOPS = 50  # packs that one chain of deltas may lead through
_LOOSE = "its loose file"


class ObjectStore:
    """Git objects of the repository in ``backend``. Any thread may read; a writer belongs to one thread."""

    def __init__(self, backend: Backend, object_format: ObjectFormat = SHA1) -> None:
        self.backend = backend
        self.format = object_format
        self._windows = Windows(backend)
        self._bases = BaseCache()
        self._elsewhere = Elsewhere(self._base_header, self._base)
        self._packs = PackSet(backend, object_format.id_size, self._open_pack)

    def read(self, id: ObjectId) -> tuple[int, bytes]:
        """Return (kind, whole data); the id is checked."""
        return self._read(id, ())

    def read_kind(self, id: ObjectId, kind: int) -> bytes:
        """Return the data, checked to have this id and to be of this kind."""
        found, data = self._read(id, ())
        if found != kind:
            names = KIND_NAMES[found].decode(), KIND_NAMES[kind].decode()
            raise CorruptObjectError(f"object {id.hex()} is a {names[0]}, expected a {names[1]}")
        return data

    def read_unverified(self, id: ObjectId, room: memoryview | None = None) -> Buffer:
        """Return the data without computing its id, for callers that check its BLAKE3.

        Stored data is returned as it lies on disk; only its framing is checked. It may be put into ``room``,
        whose beginning is then what is returned: memory that is used again costs no page faults.
        """
        return self._find(
            id, lambda pack, position: pack.read(position, (), room)[1], lambda: read_loose(self.backend, id)[1]
        )

    def blob_run(self) -> BlobRun:
        """Return what reads small blobs in the order in which they lie."""
        return BlobRun(self.backend, self._packs)

    def read_range(self, id: ObjectId, start: int, length: int) -> Buffer:
        """Return ``length`` bytes from ``start``, fewer only at the end; nothing is verified.

        Of stored data this reads the blocks of 64 KiB that are touched, of all else the whole.
        """
        return self._find(
            id,
            lambda pack, position: pack.read_range(position, start, length, ()),
            lambda: read_loose(self.backend, id)[1][start : start + length],
        )

    def header(self, id: ObjectId) -> tuple[int, int]:
        """Return (kind, size in bytes) without reading the data."""
        return self._header(id, ())

    def contains(self, id: ObjectId) -> bool:
        """Say whether the object is there: a yes as of the last listing, 1 µs a pack; a no is sure, and costs two."""
        try:
            return self._find(id, lambda pack, position: True, lambda: True)
        except CorruptObjectError:
            return False

    def pack_of(self, id: ObjectId) -> str | None:
        """Return the key of a pack that holds the object; None if it is loose or absent."""
        key = self._packs.holder(id)
        return key if key is not None and key.endswith(".pack") else None

    def pack_sizes(self) -> list[int]:
        """Return the size in bytes of each pack that there was at the last listing, or that was made since."""
        return [pack.size_bytes for pack in self._packs.packs]

    def refresh(self) -> None:
        """List packs and loose objects again: another process may have added or removed some."""
        self._packs.refresh()

    def writer(self) -> ObjectWriter:
        """Begin a transaction. Lists again, so that what others published is not written twice."""
        self._packs.refresh()
        return ObjectWriter(self.backend, self.format, self._packs)

    def close(self) -> None:
        """Release indexes and windows."""
        self._packs.close()
        self._windows.clear()
        self._bases.clear()

    def _open_pack(self, key: str, size_bytes: int) -> PackReader:
        return PackReader(key, size_bytes, self.backend, self.format, self._windows, self._bases, self._elsewhere)

    def _read(self, id: ObjectId, for_ids: Ids) -> tuple[int, bytes]:
        def from_pack(pack: PackReader, position: int) -> tuple[int, bytes]:
            return self._verified(id, *pack.read(position, for_ids))

        return self._find(id, from_pack, lambda: self._verified(id, *read_loose(self.backend, id)))

    def _verified(self, id: ObjectId, kind: int, data: Buffer) -> tuple[int, bytes]:
        if self.format.object_id(KIND_NAMES[kind], data) != id:
            raise CorruptObjectError("its bytes have another id")
        return kind, bytes(data)

    def _header(self, id: ObjectId, for_ids: Ids) -> tuple[int, int]:
        return self._find(
            id, lambda pack, position: pack.header(position, for_ids), lambda: loose_header(self.backend, id)
        )

    def _base(self, id: ObjectId, for_ids: Ids) -> tuple[int, Buffer]:
        return self._read(id, _onward(id, for_ids))

    def _base_header(self, id: ObjectId, for_ids: Ids) -> tuple[int, int]:
        return self._header(id, _onward(id, for_ids))

    def _find(self, id: ObjectId, in_pack: Callable[[PackReader, int], T], loose: Callable[[], T]) -> T:
        """Return what ``in_pack`` or ``loose`` makes of the first copy of ``id`` that is whole."""
        found = self._packs.locate(id)
        if found is None:
            return self._search(id, in_pack, loose, {})
        try:
            return in_pack(*found)
        except NotFoundError:
            self._packs.forget(found[0].key)
            return self._search(id, in_pack, loose, {})
        except CorruptObjectError as error:
            return self._search(id, in_pack, loose, {found[0].key: error})

    def _search(
        self,
        id: ObjectId,
        in_pack: Callable[[PackReader, int], T],
        loose: Callable[[], T],
        damage: dict[str, CorruptObjectError],
    ) -> T:
        """Try every copy but those known to be damaged, list again, and try what is new.

        Gives up when a listing that began after it had tried everything shows the same. What other
        threads found out meanwhile does not count: they may have listed between our look and our listing.
        """
        seen, search = self._packs.seen(), _Search(id, damage)
        for _ in range(_LISTINGS):
            for pack in seen.packs:
                position = search.position(pack)
                if position < 0:
                    continue
                try:
                    return in_pack(pack, position)
                except NotFoundError:
                    self._packs.forget(pack.key)
                except CorruptObjectError as error:
                    damage[pack.key] = error
            if id in seen.loose and _LOOSE not in damage:
                try:
                    return loose()
                except NotFoundError:
                    pass  # Packed by somebody meanwhile; the next listing shows where.
                except CorruptObjectError as error:
                    damage[_LOOSE] = error
            before, seen = seen, self._packs.refresh()
            if search.has_tried_all(seen.packs) and seen.is_as(before):
                break
        raise search.failure()


class _Search:
    """What was tried to find one object. ``damage`` is of its copies, by where they are."""

    def __init__(self, id: ObjectId, damage: dict[str, CorruptObjectError]) -> None:
        self._id = id
        self._damage = damage
        self._tried: set[PackReader] = set()
        self._unreadable: dict[str, CorruptObjectError] = {}  # indexes that are damaged

    def position(self, pack: PackReader) -> int:
        """Return where the object is in a pack, -1 if it is not, or that was tried in vain."""
        if pack in self._tried or pack.key in self._damage:
            return -1
        self._tried.add(pack)
        position = pack.find(self._id)
        if pack.damage is not None and not pack.is_gone:
            self._unreadable[pack.key] = pack.damage
        return position

    def has_tried_all(self, packs: Iterable[PackReader]) -> bool:
        """Whether there is no other to try; a damaged index is opened again by the next listing, but is not new."""
        return all(pack in self._tried or pack.key in self._unreadable or pack.key in self._damage for pack in packs)

    def failure(self) -> CorruptObjectError:
        """Return what is to be said when nothing is left."""
        for where, first in self._damage.items():
            return _caused(f"object {self._id.hex()} in {where} is damaged: {first}", first)
        for unreadable in self._unreadable.values():
            return _caused(f"object {self._id.hex()} is missing; perhaps because of {unreadable}", unreadable)
        return CorruptObjectError(f"object {self._id.hex()} is missing")


def _caused(message: str, cause: CorruptObjectError) -> CorruptObjectError:
    error = CorruptObjectError(message)
    error.__cause__ = cause
    return error


def _onward(id: ObjectId, for_ids: Ids) -> Ids:
    if id in for_ids or len(for_ids) > _MOST_HOPS:
        raise CorruptObjectError("the chain of deltas through the packs has no end")
    return (*for_ids, id)
