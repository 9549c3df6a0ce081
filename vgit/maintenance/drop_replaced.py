"""Drop replaced: packs that roll-ups have replaced go, at a later roll-up, when they have waited long enough.

They wait ten minutes, by the store's own clock, so that a listing, a copy of the
store or a stock git finds them that saw them, and not what replaced them. Who listed
both and reads slowly may still find one gone; so they go rarely and many at once:
when the first has waited twice as long, or when there are more than 2,048, as each
costs every listing two names. Then it is the older half that goes.

A pack goes only if all that its index names is in packs that stay; and the pack that
replaced it is first read whole and held against its hashes. Else the record of it
goes, and the packs count again as they did before.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from vgit.backend.protocol import Backend, KeyStat
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectId
from vgit.objects.pack_index import open_index
from vgit.objects.pack_join import ids_of_whole_pack
from vgit.objects.pack_key import PACKS, index_key, mark_key
from vgit.objects.replaced_packs import REPLACED, Replaced, read_replaced
from vgit.repository.repository import Repository

GRACE_SECONDS = 600.0
MOST_WAITING = 2048


def drop_replaced(repository: Repository) -> dict[str, CorruptObjectError]:
    """Remove the packs that have waited long enough; return, by key, the damage for which some stay."""
    backend = repository.backend
    listed = sorted(backend.list(REPLACED), key=lambda one: one.mtime_ns)
    going = _going(listed, backend.now_ns(), repository.objects.count_replaced()) if listed else []
    if not going:
        return {}
    damaged: dict[str, CorruptObjectError] = {}
    repository.objects.refresh()
    for one in going:
        record = read_replaced(backend, one.key)
        if record is not None:
            try:
                _drop(repository, record)
            except CorruptObjectError as error:
                damaged[record.by] = error
        backend.delete(one.key)
    backend.sync(REPLACED)
    return damaged


def _going(listed: Sequence[KeyStat], now_ns: int, waiting: int) -> Sequence[KeyStat]:
    """Return the records, of those ``listed`` oldest first, whose packs are to go."""
    if waiting > MOST_WAITING:
        return listed[: (len(listed) + 1) // 2]
    grace_ns = int(GRACE_SECONDS * 1e9)
    if listed[0].mtime_ns >= now_ns - 2 * grace_ns:
        return []
    return [one for one in listed if one.mtime_ns < now_ns - grace_ns]


def _drop(repository: Repository, record: Replaced) -> None:
    """Remove the packs of one record, but for those that have something that no other has, or that are marked."""
    backend, object_format = repository.backend, repository.format
    ids = ids_of_whole_pack(backend, object_format, record.by)
    relied_on = {record.by} if ids is not None else set()
    going = []
    for key in record.packs:
        elsewhere = _holders(repository, key, ids or frozenset(), is_replaced=ids is not None)
        if elsewhere is not None:
            relied_on |= elsewhere
            going.append(key)
    with backend.exclusive():
        if _are_there(backend, relied_on):
            for key in going:
                if not _are_there(backend, [mark_key(key)]):
                    backend.delete(index_key(key))
                    backend.delete(key)
    backend.sync(PACKS)  # before the record goes


def _holders(repository: Repository, key: str, ids: frozenset[bytes], *, is_replaced: bool) -> set[str] | None:
    """Return the packs that have what a pack has and ``ids`` has not; None: something is nowhere else."""
    try:
        index = open_index(repository.backend, repository.format, key)
    except NotFoundError:
        return set() if is_replaced else None  # a death between the index and its pack: all was known to be elsewhere
    try:
        index.check()
        own = {id for _, id, _ in index.in_pack_order()} - ids
    finally:
        index.close()
    found = {repository.objects.pack_of(ObjectId(id)) for id in own}
    return None if None in found else {one for one in found if one is not None}


def _are_there(backend: Backend, keys: Iterable[str]) -> bool:
    with suppress(NotFoundError):
        for key in keys:
            backend.stat(key)
        return True
    return False
