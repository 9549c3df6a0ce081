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
from collections.abc import Callable
from typing import NamedTuple

from vgit.backend.forks import start_afresh_after_fork
from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId
from vgit.objects.loose import loose_id, loose_key
from vgit.objects.pack_index import index_key
from vgit.objects.pack_reader import PackReader

OBJECTS = "objects/"
_PACKS = "objects/pack/"

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
        self._indexes: dict[str, tuple[int, int]] = {}  # as listed: size and mtime
        self._changing = threading.Lock()
        start_afresh_after_fork(self)

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

    def refresh(self) -> Seen:
        """List again, keeping what is open; return what there is by a listing that began after this call."""
        begun = self._listings_begun
        with self._changing:
            if self._listings_begun == begun:
                self._listings_begun += 1
                if not self._listed or not self._is_as_listed():
                    self._take_listing()
            return Seen(self.packs, self.loose)

    def _take_listing(self) -> None:
        packs, indexes, loose = self._list()
        # A damaged index gets another try when it has been written anew.
        same = {key for key, stat in indexes.items() if self._indexes.get(key) == stat}
        known = {
            pack.key: pack
            for pack in self.packs
            if pack.damage is None or (index_key(pack.key) in same and not pack.is_gone)
        }
        self._indexes = indexes
        keys = [key for _, key in sorted(packs, reverse=True) if index_key(key) in indexes]
        sizes = {key: size for (_, key), size in packs.items()}
        self.packs = tuple(known.get(key) or self._open_pack(key, sizes[key]) for key in keys)
        self.loose = loose
        if self._last not in self.packs:
            self._last = None
        self._listed = True

    def _is_as_listed(self) -> bool:
        """Say whether there are the same packs and loose objects as before, by their names alone.

        A writer's own packs are here already, so between its commits it looks at no file. A pack
        keeps its size, since its name is its hash. Of a damaged index more is asked.
        """
        names = set(self._backend.names(OBJECTS))
        packs = {name for name in names if _is_pack(name) and index_key(name) in names}
        if packs != {pack.key for pack in self.packs if pack.damage is None}:
            return False
        return {id for name in names if (id := loose_id(name, self._id_size)) is not None} == self.loose

    def _list(self) -> tuple[dict[tuple[int, str], int], dict[str, tuple[int, int]], frozenset[bytes]]:
        packs: dict[tuple[int, str], int] = {}
        indexes: dict[str, tuple[int, int]] = {}
        loose: list[bytes] = []
        for key, size_bytes, mtime_ns in self._backend.list(OBJECTS):
            if _is_pack(key):
                packs[mtime_ns, key] = size_bytes
            elif key.endswith(".idx"):
                indexes[key] = size_bytes, mtime_ns
            elif (id := loose_id(key, self._id_size)) is not None:
                loose.append(id)
        return packs, indexes, frozenset(loose) if loose else _NONE

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
            if self._last not in self.packs:
                self._last = None
            id = loose_id(key, self._id_size)
            if id is not None:
                self.loose -= {id}

    def close(self) -> None:
        """Release every index; the set is as if never listed."""
        with self._changing:
            packs, self.packs, self._last, self._listed = self.packs, (), None, False
        for pack in packs:
            pack.close()


def _is_pack(key: str) -> bool:
    """Say whether it is a pack of this store: below ``objects/tmp_objdir-…`` are those of a push not yet let in."""
    return key.endswith(".pack") and key.startswith(_PACKS) and "/" not in key[len(_PACKS) :]
