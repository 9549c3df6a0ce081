"""Store check: whether the store still has what this mount was told it has.

A store may be set back to an older copy, or lose packs. A mount that believed
it all the same would call its files published, and unmounting would remove
the last copy of them.
"""

from collections.abc import Iterable

from vgit.errors import CorruptVolumeError
from vgit.ids import CommitId
from vgit.repository import Repository
from vgit.tree.entry import Entry


def check_base(repository: Repository, base: CommitId) -> None:
    """Raise CorruptVolumeError unless the store is there and has the commit that a mount was last reloaded from."""
    repository.head()  # of a store that is out of reach (a disk not mounted) nothing must be made anew
    if not repository.objects.contains(base):
        raise CorruptVolumeError(
            f"the store does not have commit {base.hex()[:12]}, which this mount was last reloaded from: it was set"
            " back to an older copy, or lost packs. Nothing was changed. Bring the newer store back; or keep these"
            " files: copy them out, mount the volume at another directory, and put them there."
        )


def check_published(repository: Repository, base: CommitId, entries: Iterable[Entry]) -> None:
    """Raise CorruptVolumeError unless base is published and all content of ``entries`` is in the store."""
    if all(id != base for id, _ in repository.first_parents(repository.head())):
        raise CorruptVolumeError(
            f"commit {base.hex()[:12]}, which this mount was last reloaded from, is not in the volume's history any"
            " more. Its files were left as they are."
        )
    repository.objects.refresh()
    for entry in entries:
        if entry.id is None or entry.is_directory:
            continue
        for id in repository.content_ids(entry):
            if not repository.objects.contains(id):
                raise CorruptVolumeError(
                    f"the store has lost object {id.hex()} of a file in this mount. Its files were left as they are:"
                    " they may be the last copy."
                )
