"""Roll up: keep the number of small packs low, as part of committing, with bounded work.

Every small commit makes a pack, and each pack costs a look at every listing
and a search for every id. Packs are sorted into tiers by size, each tier eight
times the one below. A tier with 32 packs becomes one pack, of a higher tier.
So each object is copied at most once a tier, and packs above 4 MiB never. A pack
that is damaged, or its index, is left alone, and a logged warning says so once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vgit.errors import CorruptObjectError
from vgit.maintenance.drop_replaced import drop_replaced
from vgit.objects.pack_join import join_packs
from vgit.objects.pack_key import PACKS, marked_pack
from vgit.repository.repository import Repository
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import logging
else:
    logging = lazy_import("logging")

_LARGEST_PACK_BYTES = 4 << 20
_PACKS_A_TIER = 32
_TIER_BITS = 3
_WORTH_A_LOOK = 2 * _PACKS_A_TIER


def roll_up(repository: Repository) -> int:
    """Join small packs if there are many; return how many packs went into others. Cheap if there are few."""
    joined = 0
    damaged = repository.objects.damage()
    if _is_worth_a_look(repository.objects.pack_sizes()):
        damaged |= drop_replaced(repository)
        for keys in _full_tiers(repository):
            result = join_packs(repository.backend, repository.format, keys)
            joined += len(result.replaced)
            damaged |= result.damaged
    _report(repository, damaged)
    if joined:
        repository.objects.refresh()
    return joined


def _report(repository: Repository, damaged: Mapping[str, CorruptObjectError]) -> None:
    for key, error in damaged.items():
        if key not in repository.reported:
            repository.reported.add(key)
            logging.getLogger(__name__).warning("damage in a volume's repository, left as it is: %s", error)


def _is_worth_a_look(sizes: Mapping[str, int]) -> bool:
    """Say whether there are many packs, and a tier that may be full: a listing would cost more than this."""
    if len(sizes) < _WORTH_A_LOOK:
        return False
    counts = Counter(_tier(size) for size in sizes.values() if size <= _LARGEST_PACK_BYTES)
    return max(counts.values(), default=0) >= _PACKS_A_TIER


def _tier(size_bytes: int) -> int:
    return size_bytes.bit_length() // _TIER_BITS


def _full_tiers(repository: Repository) -> list[list[str]]:
    repository.objects.refresh()
    # A mark says that a writer has named a pack and not yet moved the ref: it is not to be touched.
    names = repository.backend.names(PACKS + "/")
    marked = {marked_pack(name) for name in names}
    tiers: dict[int, list[str]] = defaultdict(list)
    for key, size_bytes in repository.objects.pack_sizes().items():
        if size_bytes <= _LARGEST_PACK_BYTES and key not in marked:
            tiers[_tier(size_bytes)].append(key)
    return [keys for keys in tiers.values() if len(keys) >= _PACKS_A_TIER]
