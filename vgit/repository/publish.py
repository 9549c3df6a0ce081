"""Publish: how what a writer proposes becomes the newest commit of its volume.

In the order in which it must happen (docs/concurrency.md has the crash table):

    1. blobs are in packs, large ones already sealed        (the writer did that)
    2. take turns with other writers of this volume         saves retries, no more
    3. read head; merge the edits onto head's tree          pure
    4. write trees, records, commit; make all durable       nothing names it yet
    5. under the lock: packs relied on still there?
       swap refs/heads/main from the head of step 3         now it is published
    6. swap lost, or a pack gone: back to 3, with jitter,   blobs stay written
       without bound
    7. marks removed, upkeep                               changes nothing of the answer
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from vgit.errors import BackendUnavailableError
from vgit.ids import CommitId, TreeId, short_id
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_writer import ObjectWriter, PackVanished
from vgit.paths import Path
from vgit.repository.aftermath import Aftermath
from vgit.repository.commit import RECEIPT_LIMIT, Commit, Overwritten, commit_times, encode_commit, new_transaction
from vgit.repository.identity import clean_identity
from vgit.repository.merge import UNSET_MODE, Lost, Merged, NewDirectory, merge
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.tree.directory_writer import as_read, write_directory
from vgit.tree.edits import Edits
from vgit.tree.entry import Entry

_TURN_SECONDS = 5.0
_RETRY_SECONDS = 0.05
_KEPT_ENTRIES = 10_000  # of the directories that one commit writes: the next one starts from them


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a writer wants published."""

    edits: Edits
    author: str
    txn: str | None = None  # the transaction's id; None: ``publish`` makes one
    message: str | None = None  # None: say what was added, changed and removed
    base: CommitId | None = None
    unstable: tuple[Path, ...] = ()
    joins: tuple[CommitId, ...] = ()  # further parents: lines of history that become the volume's again
    check: Callable[[Commit], None] | None = None  # called with every head tried; raises to give up
    before_swap: Callable[[], None] | None = None  # called when all but the ref is durable; raises to give up


class Published(NamedTuple):
    """A commit as it was published."""

    id: CommitId
    commit: Commit
    parent: Commit
    overwrote: tuple[Lost, ...]  # all of the receipt; the commit itself names at most RECEIPT_LIMIT
    after: Aftermath  # for what is still to be done


def publish(repository: Repository, proposal: Proposal, writer: ObjectWriter) -> Published | None:
    """Commit the proposal onto head; None if head already is what it asks for.

    ``writer`` holds the blobs that the edits name. Raises what the
    proposal's check raises; CorruptObjectError if head cannot be read;
    BackendUnavailableError if content that the store had already was taken
    away by a gc meanwhile, and has to be written again, or if the swap
    itself failed, when it is open whether the commit was published
    (``find_transaction`` tells). Nothing that comes after the swap raises.
    """
    published = _commit_onto_head(repository, proposal, writer)
    if published is not None and repository.upkeep is not None:
        with published.after.step("keeping the repository in shape"):
            repository.upkeep(repository)
    return published


def _commit_onto_head(repository: Repository, proposal: Proposal, writer: ObjectWriter) -> Published | None:
    """Try with one head after the other, until main is moved from the one that was merged with."""
    txn = proposal.txn or new_transaction(repository.clock)
    writer.seal()
    with repository.backend.turn(_TURN_SECONDS):
        while True:
            checkpoint()
            head = repository.head()
            parent = repository.commit(head)
            if proposal.check is not None:
                proposal.check(parent)
            merged = merge(parent.tree, proposal.edits, repository.directories)
            if merged.root is None and not proposal.joins:
                return None
            writer.savepoint()
            commit = _new_commit(repository, proposal, txn, merged, head, writer)
            data = encode_commit(commit)
            id = writer.write_commit(data)
            writer.sync()
            if proposal.before_swap is not None:
                proposal.before_swap()
            checkpoint()  # the last one: once the ref is swapped, a commit is completed
            if _move_main(repository, head, id, proposal.edits, writer):
                after = Aftermath(f"commit {short_id(id)} is published")
                with after.step("removing its marks"):
                    writer.release()
                    repository.note_published(id, data)
                return Published(id, commit, parent, tuple(merged.overwrote), after)
            writer.rollback()
            repository.clock.sleep(repository.clock.jitter(_RETRY_SECONDS))


def _new_commit(
    repository: Repository, proposal: Proposal, txn: str, merged: Merged, head: CommitId, writer: ObjectWriter
) -> Commit:
    parent = repository.commit(head)
    tree = _write_tree(repository, writer, merged.root) if merged.root is not None else parent.tree
    counts = replace(merged.counts, bytes_added=writer.bytes_added + writer.bytes_pending)
    author = clean_identity(proposal.author)
    told, when = commit_times(repository.clock.now_ns(), [parent, *map(repository.commit, proposal.joins)])
    return Commit(
        tree=tree,
        parents=(head, *proposal.joins),
        author=author,
        author_time=told,
        committer=author,
        commit_time=when,
        message=proposal.message or merged.counts.describe(),
        txn=txn,
        base=proposal.base,
        counts=counts,
        overwrote=tuple(
            Overwritten(lost.path, lost.entry.id.hex() if lost.entry.id else "-")
            for lost in merged.overwrote[:RECEIPT_LIMIT]
        ),
        overwrote_count=len(merged.overwrote),
        unstable=proposal.unstable,
    )


def _write_tree(repository: Repository, writer: ObjectWriter, root: NewDirectory) -> TreeId:
    """Write the new directories, each after those below it; of a small commit they count as read."""
    directories = [root]
    for directory in directories:  # grows on the way
        directories += [entry for entry in directory.entries.values() if isinstance(entry, NewDirectory)]
    trees: dict[int, TreeId] = {}
    room = _KEPT_ENTRIES
    for directory in reversed(directories):
        entries = {
            name: Entry(entry.mode, TREE_MODE, trees[id(entry)], 0, entry.mtime_ns, None)
            if isinstance(entry, NewDirectory)
            else entry
            for name, entry in directory.entries.items()
        }
        mode = directory.mode if directory is root and directory.mode != UNSET_MODE else None
        trees[id(directory)] = tree = write_directory(writer, entries, mode)
        room -= len(entries)
        if room >= 0:  # An id means these entries also if this commit is never published.
            repository.directories.keep(tree, as_read(entries, mode))
    return trees[id(root)]


def _move_main(repository: Repository, head: CommitId, id: CommitId, edits: Edits, writer: ObjectWriter) -> bool:
    """Move main from ``head`` to ``id``; False if it was moved by others, or a pack has to be looked for."""
    try:
        with repository.backend.exclusive():
            writer.check_relied_on()
            return repository.refs.advance(MAIN, id, head)
    except PackVanished as vanished:
        _rely_elsewhere(repository, edits, writer, vanished)
        return False


def _rely_elsewhere(repository: Repository, edits: Edits, writer: ObjectWriter, vanished: PackVanished) -> None:
    """See to it that all content of ``edits`` is in the store, though a pack that was relied on has gone.

    A gc, or a roll-up, takes a pack away when what it keeps of it is in another one. Which
    objects were found in that pack is not known, so all are looked up, and
    the packs that hold them relied on.
    """
    repository.objects.refresh()
    for entry in (edit.new for _, edit in edits.unfolded()):
        if entry is None or entry.id is None or entry.is_directory:
            continue
        for id in repository.content_ids(entry):
            # A no of the writer may mean that a pack went between being listed and being opened.
            if not writer.has_blob(id) and not (repository.objects.contains(id) and writer.has_blob(id)):
                raise BackendUnavailableError(
                    f"{vanished} was removed by a gc while this commit relied on it, and {id.hex()} is nowhere"
                    " else. Nothing was published; commit again, which writes the content again."
                ) from vanished
