"""Store check: whether the store still has what this mount was told it has.

A store may be set back to an older copy, or lose packs. A mount that believed
it all the same would replace published work by its old version, call its files
published, and let unmounting remove the last copy of them. So head must descend
from the newest commit that the mount knows. Commits that it does not descend
from may still be in the store: an older copy brings old refs, and removes no pack.
"""

import os
from collections.abc import Iterable
from itertools import islice

from vgit.errors import CorruptObjectError, CorruptVolumeError
from vgit.ids import CommitId, short_id
from vgit.mount.layout import MountRecord
from vgit.paths import printable
from vgit.repository.ancestry import descends, first_parents
from vgit.repository.commit import format_moment
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository
from vgit.tree.entry import Entry

_NAMED_COMMITS = 4
_TRIED_REFS = 50


class StoreCheck:
    """Checks the store of one mount; remembers what it found, so that the next look costs little."""

    def __init__(self, repository: Repository, record: MountRecord, root: str) -> None:
        self._repository = repository
        self._record = record
        self._root = root
        self._checked: tuple[CommitId, CommitId] | None = None  # a commit that was known, a head that descends from it

    def check(self, known: CommitId) -> None:
        """Raise CorruptVolumeError unless ``known``, which this mount took for published, still is.

        Costs nothing if head is the one that was found before, else a look at each commit that was published since.
        """
        self._check_present(known)
        if self._record.at is not None:
            return  # it stays where it is, whatever becomes of head
        head = self._repository.head()
        descendants = self._checked if self._checked is not None and self._checked[0] == known else (known,)
        if not descends(self._repository, head, descendants):
            raise CorruptVolumeError(_describe(self._repository, self._record, self._root, head, known))
        self._checked = known, head

    def _check_present(self, known: CommitId) -> None:
        self._repository.head()  # of a store that is out of reach (a disk not mounted) nothing must be made anew
        if not self._repository.objects.contains(known):
            raise CorruptVolumeError(
                f"the store does not have commit {short_id(known)}, which this mount was last reloaded from or"
                " published: it was set back to an older copy, or lost packs. Nothing was changed. Bring the newer"
                " store back; or keep these files: `vgit unmount --keep-files --discard`, then `vgit mount --adopt`"
                " takes them into the volume."
            )


def check_content(repository: Repository, entries: Iterable[Entry]) -> None:
    """Raise CorruptVolumeError unless all content of ``entries`` is in the store."""
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


def _describe(repository: Repository, record: MountRecord, root: str, head: CommitId, known: CommitId) -> str:
    """Return a few lines: what has become of the history, what of it is still there, and the ways out."""
    newest = _newest(repository, head, known)
    line = list(islice(first_parents(repository, newest), _NAMED_COMMITS))
    name = record.volume_name or record.volume_id
    lines = [
        "the volume's history is not the one that this mount came from: the store was set back to an older copy, or"
        f" {MAIN} to an older commit. Nothing was changed.",
        f"Head, {_name(repository, head)}, does not descend from {short_id(known)}, the newest commit that the mount"
        " knows. Still in the store:",
        *(f"  {_name(repository, id)}" for id in dict.fromkeys([newest, known, *(id for id, _ in line)])),
        f"`vgit restore {name} {newest.hex()}` publishes that state as the newest and joins the two histories; what"
        " was committed since then stays in the log.",
    ]
    if descends(repository, newest, {head}):
        git_dir = os.path.join(record.store, "volumes", f"{record.volume_id}.git")
        lines.append(
            f"Nothing was: `git --git-dir={git_dir} update-ref {MAIN} {newest.hex()} {head.hex()}` makes it the newest"
            " as if nothing had happened."
        )
    lines.append(f"To keep the files here as they are: `vgit unmount --keep-files --discard {printable(root)}`.")
    return "\n".join(lines)


def _newest(repository: Repository, head: CommitId, known: CommitId) -> CommitId:
    """Return the newest commit that descends from ``known`` and that a ref, such as another mount's lease, holds."""
    newest = known
    for id in list(dict.fromkeys(repository.refs.list("refs/").values()))[:_TRIED_REFS]:
        try:
            later = repository.commit(CommitId(id)).commit_time >= repository.commit(newest).commit_time
            if id != head and later and descends(repository, CommitId(id), {newest}):
                newest = CommitId(id)
        except CorruptObjectError:
            continue  # an annotated tag, or lost as well
    return newest


def _name(repository: Repository, id: CommitId) -> str:
    commit = repository.commit(id)
    subject = printable(commit.message.split("\n", 1)[0])
    return f"{id.hex()} of {format_moment(commit.told)} ({subject})"
