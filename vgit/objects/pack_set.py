"""Pack set: which packs and loose objects there are, and which of them holds an id.

One listing tells both. It is taken when the store is opened, when a writer
begins, and when an object is missing: packs come from other processes, and go
to their gc. In between, a look-up costs one search per pack and no system call;
so an object that somebody made since the listing may count as absent, and is
then written twice, which harms nothing.

Threads share the listings. One that waits for another's takes what came of it
only if that listing began after it asked. What changed since *its own* look is
the caller's to compare (``Seen``): in between, other threads may have listed.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import itemgetter
from typing import NamedTuple

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectId
from vgit.objects.loose_object import loose_id, loose_key
from vgit.objects.pack_key import index_key, pack_of
from vgit.objects.pack_reader import PackReader
from vgit.objects.replaced_packs import ReplacedPacks, list_records
from vgit.runtime.forks import reset_after_fork

OBJECTS = "objects/"

_NONE: frozenset[bytes] = frozenset()


class Seen(NamedTuple):
    """What there was at some moment."""

    packs: tuple[PackReader, ...]
    loose: frozenset[bytes]

    def is_as(self, before: "Seen") -> bool:
        """Whether nothing came and nothing went, by the names."""
        return self.loose == before.loose and self.keys() == before.keys()

    def keys(self) -> set[str]:
        """Return the keys of the packs."""
        return {pack.key for pack in self.packs}


class PackSet:
    """The packs of a store, newest first. Any thread may look up; a change replaces ``packs`` whole."""

    def __init__(self, backend: Backend, id_size: int, open_pack: Callable[[str, int], PackReader]) -> None:
        self.packs: tuple[PackReader, ...] = ()
        self.loose: frozenset[bytes] = _NONE
        self._backend = backend
        self._id_size = id_size
        self._open_pack = open_pack
        self._last: PackReader | None = None  # the pack of the last hit: neighbours are asked for together
        self._listed = False
        self._listings_begun = 0
        self._names: frozenset[str] = frozenset()
        self._replaced = ReplacedPacks(backend)
        self._opened: dict[str, PackReader] = {}  # of those
        self._changing = threading.Lock()
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Make a new lock: the thread that held it does not exist in a child."""
        self._changing = threading.Lock()

    def locate(self, id: bytes) -> tuple[PackReader, int] | None:
        """Return a pack that holds ``id`` and its position there."""
        last = self._last
        if last is not None and (position := last.find(id)) >= 0:
            return last, position
        if not self._listed:
            self.refresh()
        for pack in self.packs:
            if pack is not last and (position := pack.find(id)) >= 0:
                self._last = pack
                return pack, position
        return None

    def holder(self, id: ObjectId) -> str | None:
        """Return the key of the pack, or of the loose object, that holds ``id``; it may have gone since."""
        found = self.locate(id)
        if found is not None:
            return found[0].key
        return loose_key(id) if id in self.loose else None

    def seen(self) -> Seen:
        """Return what there is, as of the last listing."""
        with self._changing:
            return Seen(self.packs, self.loose)

    def damage(self) -> dict[str, CorruptObjectError]:
        """Return what is wrong with each pack whose index was found to be damaged."""
        return {pack.key: pack.damage for pack in self.packs if pack.damage is not None and not pack.is_gone}

    def is_replaced(self, key: str) -> bool:
        """Say whether another pack has taken the place of this one, as of the last listing."""
        return key in self._replaced.packs

    def has_new_records(self) -> bool:
        """Say whether packs were replaced, or went, since the last listing."""
        return not self._replaced.is_as_listed(list_records(self._backend))

    def open_replaced(self) -> tuple[PackReader, ...]:
        """Return packs that others have taken the place of: copies to be read if nothing else is whole."""
        with self._changing:
            known = {
                key: pack for key, pack in self._opened.items() if key in self._replaced.packs and not pack.is_gone
            }
            fresh = self._open(self._replaced.packs - known.keys())
            self._opened = known | {pack.key: pack for pack in fresh}
            return tuple(self._opened.values())

    def count_replaced(self) -> int:
        """Return how many packs wait to be removed, as of the last listing."""
        return len(self._replaced.packs)

    def refresh(self) -> Seen:
        """List again, keeping what is open; return what there is by a listing that began after this call."""
        begun = self._listings_begun
        with self._changing:
            if self._listings_begun == begun:
                self._listings_begun += 1
                self._list()
            return Seen(self.packs, self.loose)

    def _list(self) -> None:
        """List names, and look at what came, went or was replaced; of a damaged index, whether it was written anew.

        A pack keeps its size, since its name is its hash. So a listing costs little for what
        was there before, though there may be many packs that were replaced.
        """
        names = frozenset(self._backend.names(OBJECTS))
        records = list_records(self._backend)  # after the packs: who is replaced by one not listed is read all the same
        damaged = {pack.key for pack in self.packs if pack.damage is not None}
        if self._listed and not damaged and names == self._names and self._replaced.is_as_listed(records):
            return
        before = self._replaced.packs
        self._replaced.take(records)
        changed = names ^ self._names
        touched = {key for name in changed if (key := pack_of(name)) is not None}
        touched |= damaged | (before ^ self._replaced.packs)
        there = {key for key in touched if key in names and index_key(key) in names} - self._replaced.packs
        kept = tuple(pack for pack in self.packs if pack.key not in touched or self._is_still(pack, there))
        fresh = there - {pack.key for pack in kept}
        opened = self._open(fresh)
        self.packs = (*opened, *kept)
        ids = {id for name in changed if (id := loose_id(name, self._id_size)) is not None}
        if ids:
            self.loose = frozenset((self.loose | ids) - {id for id in ids if loose_key(id) not in names})
        self._names = names - (fresh - {pack.key for pack in opened})
        if self._last not in self.packs:
            self._last = None
        self._listed = True

    def _is_still(self, pack: PackReader, there: set[str]) -> bool:
        """Say whether an open pack is of use still: a damaged index gets another try when it was written anew."""
        if pack.key not in there or pack.is_gone:
            return False
        if pack.damage is None:
            return True
        with suppress(NotFoundError):
            return self._backend.stat(index_key(pack.key)) == pack.index_stat
        return False

    def _open(self, keys: Iterable[str]) -> list[PackReader]:
        """Return readers of those packs that are there still, newest first."""
        found: list[tuple[int, PackReader]] = []
        for key in sorted(keys):
            with suppress(NotFoundError):
                listed = self._backend.stat(key)
                pack = self._open_pack(key, listed.size_bytes)
                pack.index_stat = self._backend.stat(index_key(key))
                found.append((listed.mtime_ns, pack))
        found.sort(key=itemgetter(0), reverse=True)
        return [pack for _, pack in found]

    def adopt(self, key: str, size_bytes: int) -> None:
        """Add a pack just made, without listing; one of that name had the same objects, but perhaps a damaged index."""
        with self._changing:
            others = tuple(pack for pack in self.packs if pack.key != key or pack.damage is None)
            if self._listed and all(pack.key != key for pack in others):
                self.packs = (self._open_pack(key, size_bytes), *others)

    def forget(self, key: str) -> None:
        """Drop a pack or loose object that has gone."""
        with self._changing:
            self.packs = tuple(pack for pack in self.packs if pack.key != key)
            self._names -= {key, index_key(key)}  # it is new, if a listing shows it again
            if self._last not in self.packs:
                self._last = None
            id = loose_id(key, self._id_size)
            if id is not None:
                self.loose -= {id}

    def close(self) -> None:
        """Release every index; the set is as if never listed."""
        with self._changing:
            packs, self.packs, self._last, self._listed = self.packs, (), None, False
            self._names, self.loose, self._opened = frozenset(), _NONE, {}
        for pack in packs:
            pack.close()
