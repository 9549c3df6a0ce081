"""Object search: the first copy of an object that is whole, wherever it is; or what is wrong with each.

An object may be in several packs, and loose. In order:

1. every pack whose index has it, newest first, and the loose file; a damaged
   copy is passed over
2. the packs are listed again, for one that vanished means that its objects are
   elsewhere by now. Back to 1 with what is new, until a listing that began after
   everything had been tried shows the same. What other threads found out meanwhile
   does not count: they may have listed between our look and our listing
3. packs that others have taken the place of, and that are still there
4. packs whose index is damaged, by what it says all the same: the object is read
   whole and its id computed, so that it is right or it is not given
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectFormat, ObjectId
from vgit.objects.object_kind import KIND_NAMES
from vgit.objects.pack_reader import Ids, PackReader
from vgit.objects.pack_set import PackSet, Seen
from vgit.runtime.buffer import Buffer

T = TypeVar("T")

_LISTINGS = 100  # A bound for a store that never comes to rest; the second mostly says that it did.
_LOOSE = "its loose file"


class Ask(NamedTuple, Generic[T]):
    """What is wanted of an object, in each place where it may be found."""

    in_pack: Callable[[PackReader, int], T]
    loose: Callable[[], T]
    whole: Callable[[int, Buffer], T]  # of kind and data, where they had to be read and checked anyway


class Search(Generic[T]):
    """One search. ``for_ids`` is as in ``PackReader``; ``damage`` of copies by where they are."""

    def __init__(self, packs: PackSet, object_format: ObjectFormat, id: ObjectId, ask: Ask[T], for_ids: Ids) -> None:
        self.damage: dict[str, CorruptObjectError] = {}
        self._packs = packs
        self._format = object_format
        self._id = id
        self._ask = ask
        self._for_ids = for_ids
        self._tried: set[PackReader] = set()

    def run(self) -> T:
        """Return what was asked for; CorruptObjectError if no copy is whole."""
        seen = self._packs.seen()
        for _ in range(_LISTINGS):
            for found in self._copies(seen):
                return found
            before, seen = seen, self._packs.refresh()
            if self._has_tried_all(seen.packs) and seen.is_as(before):
                break
        for found in self._copies(Seen(self._packs.open_replaced(), frozenset())):
            return found
        for found in self._copies_by_damaged_indexes(seen):
            return found
        raise self._failure(seen)

    def note(self, pack: PackReader, error: NotFoundError | CorruptObjectError) -> None:
        """Take note that the copy in a pack has gone, or is damaged: perhaps it is only the index that is."""
        if isinstance(error, NotFoundError):
            self._packs.forget(pack.key)
            return
        pack.check_index()
        self.damage[pack.key] = pack.damage or error

    def _copies(self, seen: Seen) -> Iterator[T]:
        for pack in seen.packs:
            if pack in self._tried or pack.key in self.damage:
                continue
            self._tried.add(pack)
            position = pack.find(self._id)
            if position >= 0:
                try:
                    yield self._ask.in_pack(pack, position)
                except (NotFoundError, CorruptObjectError) as error:
                    self.note(pack, error)
        if self._id in seen.loose and _LOOSE not in self.damage:
            try:
                yield self._ask.loose()
            except NotFoundError:
                pass  # Packed by somebody meanwhile; the next listing shows where.
            except CorruptObjectError as error:
                self.damage[_LOOSE] = error

    def _has_tried_all(self, packs: Iterable[PackReader]) -> bool:
        return all(pack in self._tried or pack.key in self.damage for pack in packs)

    def _copies_by_damaged_indexes(self, seen: Seen) -> Iterator[T]:
        for pack in seen.packs:
            if pack.damage is None:
                continue
            try:
                position = pack.find_anyway(self._id)
                if position >= 0:
                    kind, data = pack.read(position, self._for_ids)
                    yield self._ask.whole(kind, checked(self._format, self._id, kind, data))
            except (NotFoundError, CorruptObjectError):
                self.damage.setdefault(pack.key, pack.damage)

    def _failure(self, seen: Seen) -> CorruptObjectError:
        id = self._id.hex()
        for where, first in self.damage.items():
            return _caused(f"object {id} in {where} is damaged: {first}", first)
        for pack in seen.packs:
            if pack.damage is not None:
                return _caused(f"object {id} is missing; perhaps because of {pack.damage}", pack.damage)
        return CorruptObjectError(f"object {id} is missing")


def checked(object_format: ObjectFormat, id: ObjectId, kind: int, data: Buffer) -> bytes:
    """Return an object's data; CorruptObjectError if it has another id."""
    if object_format.object_id(KIND_NAMES[kind], data) != id:
        raise CorruptObjectError("its bytes have another id")
    return bytes(data)


def _caused(message: str, cause: CorruptObjectError) -> CorruptObjectError:
    error = CorruptObjectError(message)
    error.__cause__ = cause
    return error
