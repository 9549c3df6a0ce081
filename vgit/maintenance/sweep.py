"""Sweep: what dead writers left in a repository, once it is old enough to be nobody's.

    temporary files      a pack or value that was never named
    packs without index  named, and then the writer died
    empty ``.keep``      the mark of a pack whose commit was never published, or was and died before it cleared it

Nothing of it is ever named by a ref, so a crash in the middle costs nothing.
"""

from vgit.objects.pack_writer import PACKS
from vgit.repository import Repository

OLD_SECONDS = 86_400.0  # no commit takes a day between naming its packs and moving the ref


def sweep(repository: Repository) -> int:
    """Remove leftovers older than a day, under the lock; return how many there were."""
    backend = repository.backend
    oldest_ns = repository.clock.now_ns() - int(OLD_SECONDS * 1e9)
    with backend.exclusive():
        count = backend.sweep(OLD_SECONDS)
        found = list(backend.list(PACKS + "/"))
        names = {listed.key for listed in found}
        for listed in found:
            stem, _, kind = listed.key.rpartition(".")
            # A .keep with text in it is stock git's or a person's.
            is_mark = kind == "keep" and listed.size_bytes == 0
            is_unnamed = kind == "pack" and stem + ".idx" not in names
            if (is_mark or is_unnamed) and listed.mtime_ns < oldest_ns:
                backend.delete(listed.key)
                count += 1
    return count
