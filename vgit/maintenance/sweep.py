"""Sweep: what dead writers left in a repository.

    temporary files      a pack or value that was never named
    empty ``.keep``      the mark of a pack whose commit was never published, or was and died before it cleared it
    packs without index  beside such a mark: named, and then the writer died

A living writer holds its files and marks by flock, so that none of it goes however
far a clock jumps. Being a day old, by the store's own clock, comes on top, for file
systems whose locks do not reach every machine. Nothing of it is ever named by a ref,
so a crash in the middle costs nothing.

A pack without index and without mark is not of that kind: somebody lost its index,
which ``git index-pack`` makes anew. It is left alone. What roll-ups have replaced goes
here too, once it has waited long enough (drop_replaced.py).
"""

from vgit.backend.protocol import KeyStat
from vgit.maintenance.drop_replaced import drop_replaced
from vgit.objects.pack_key import PACKS, index_key, marked_pack
from vgit.repository.repository import Repository

OLD_SECONDS = 86_400.0  # no commit takes a day between naming its packs and moving the ref


def sweep(repository: Repository) -> int:
    """Remove leftovers older than a day, under the lock; return how many there were."""
    backend = repository.backend
    drop_replaced(repository)
    with backend.exclusive():
        count = backend.sweep(OLD_SECONDS)
        found = {listed.key: listed for listed in backend.list(PACKS + "/")}
        marks = [(listed, pack) for listed in found.values() if (pack := marked_pack(listed.key)) is not None]
        if not marks:
            return count
        oldest_ns = backend.now_ns() - int(OLD_SECONDS * 1e9)
        return count + sum(_sweep_mark(repository, mark, pack, found, oldest_ns) for mark, pack in marks)


def _sweep_mark(repository: Repository, mark: KeyStat, key: str, found: dict[str, KeyStat], oldest_ns: int) -> int:
    """Remove a mark whose maker died long ago, and the pack ``key`` if it never got its index; return how many went."""
    pack = found.get(key)
    if mark.size_bytes or mark.mtime_ns >= oldest_ns:  # one with text in it is stock git's or a person's
        return 0
    is_unnamed = pack is not None and index_key(key) not in found
    if pack is not None and is_unnamed and pack.mtime_ns >= oldest_ns:
        return 0
    gone = repository.backend.unmark(mark.key, also=[key] if is_unnamed else [])
    return (1 + is_unnamed) if gone else 0
