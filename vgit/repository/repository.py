"""Repository: one volume's store, a real bare git repository, and the commit loop.

Publishing, in the order in which it must happen (docs/concurrency.md has the
crash table):

    1. blobs are in packs, large ones already sealed        (the writer did that)
    2. take turns with other writers of this volume         saves retries, no more
    3. read head; merge the edits onto head's tree          pure
    4. write trees, records, commit; make all durable       nothing names it yet
    5. under the lock: packs relied on still there?
       swap refs/heads/main from the head of step 3         now it is published
    6. swap lost, or a pack gone: back to 3, with jitter,   blobs stay written
       without bound
    7. marks removed, housekeeping                          changes nothing of the answer
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import NamedTuple

from vgit.backend import Backend
from vgit.clock import Clock
from vgit.content import chunk_tree_info
from vgit.content.chunk_tree import read_chunks, require_chunk_tree
from vgit.errors import AlreadyExistsError, BackendUnavailableError, CorruptVolumeError, NotFoundError
from vgit.ids import SHA1, CommitId, ObjectFormat, ObjectId, TreeId, short_id
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import COMMIT
from vgit.objects.object_writer import ObjectWriter, PackVanished
from vgit.paths import Path
from vgit.repository.aftermath import Aftermath
from vgit.repository.commit import (
    RECEIPT_LIMIT,
    Commit,
    Overwritten,
    clean_identity,
    commit_times,
    decode_commit,
    encode_commit,
)
from vgit.repository.config import CONFIG, object_format
from vgit.repository.merge import UNSET_MODE, Lost, Merged, NewDirectory, merge
from vgit.repository.refs import MAIN, Refs
from vgit.runtime.cancel import checkpoint
from vgit.tree.directory import Directory, DirectoryReader, as_read, write_directory
from vgit.tree.edits import Counts, Edits
from vgit.tree.entry import Entry

_HAS_HEAD = f"a volume's repository, with a {MAIN}, is here already; it was left as it is."
_TURN_SECONDS = 5.0
_RETRY_SECONDS = 0.05
_CACHED_COMMITS = 10_000
_KEPT_ENTRIES = 10_000  # of the directories that one commit writes: the next one starts from them


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a writer wants published."""

    edits: Edits
    author: str
    txn: str
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


class Repository:
    """One volume's objects, refs and head. Any thread may use it; a context manager that closes its views."""

    def __init__(self, backend: Backend, clock: Clock, object_format: ObjectFormat) -> None:
        self.backend = backend
        self.clock = clock
        self.format = object_format
        self.objects = ObjectDatabase(backend, object_format)
        self.refs = Refs(backend, object_format)
        self.directories = DirectoryReader(self.objects, lambda tree: chunk_tree_info(self.objects, tree))
        self.housekeeping: Callable[[Repository], object] | None = None  # done after each commit; see ``publish``
        self._listed_at: CommitId | None = None  # a head: all that was published up to it is in the listing of packs
        self.reported: set[str] = set()  # keys of damaged packs that a warning told of
        self._commits: OrderedDict[CommitId, Commit] = OrderedDict()

    @classmethod
    def create(cls, backend: Backend, clock: Clock, author: str, message: str = "Create volume") -> "Repository":
        """Make a repository with a root commit of an empty directory; durable on return.

        What a creation that was cut off left is used; AlreadyExistsError if
        there is a head already.
        """
        repository = cls(backend, clock, SHA1)
        if repository.refs.resolve(MAIN) is not None:
            raise AlreadyExistsError(_HAS_HEAD)
        backend.put("HEAD", b"ref: " + MAIN.encode() + b"\n")
        backend.put("description", b"A vgit volume; see docs/format of vgit.\n")
        backend.put("config", CONFIG)
        who = clean_identity(author)
        now, _ = commit_times(clock.now_ns(), ())
        with repository.objects.writer() as writer:
            tree = write_directory(writer, {}, None)  # nobody has set a mode yet
            root = Commit(tree, (), who, now, who, now, message, txn=clock.random_bytes(16).hex(), counts=Counts())
            id = writer.write_commit(encode_commit(root))
            writer.sync()
            if not repository.refs.advance(MAIN, id, None):
                raise AlreadyExistsError(_HAS_HEAD)
        return repository

    @classmethod
    def open(cls, backend: Backend, clock: Clock) -> "Repository":
        """Open what ``create`` made; CorruptVolumeError if it is not a repository that vgit can use."""
        try:
            stored = backend.get("config")
        except NotFoundError as error:
            raise CorruptVolumeError(f"this is not a volume's repository: {error}") from error
        return cls(backend, clock, object_format(stored))

    def __enter__(self) -> "Repository":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of pack indexes that are held open."""
        self.objects.close()

    def head(self) -> CommitId:
        """Return the id of the newest published commit; CorruptVolumeError if there is none."""
        id = self.refs.resolve(MAIN)
        if id is None:
            raise CorruptVolumeError(
                f"the volume has no {MAIN}, which every volume has from its first moment. Nothing was changed;"
                " restore the ref from a backup, a clone, or the newest commit that `git fsck --lost-found` names."
            )
        return CommitId(id)

    def commit(self, id: CommitId) -> Commit:
        """Return the commit ``id``; CorruptObjectError if it is missing or damaged."""
        known = self._commits.get(id)
        if known is None:
            known = self._keep(id, self.objects.read_kind(id, COMMIT))
        return known

    def _keep(self, id: CommitId, data: bytes) -> Commit:
        self._commits[id] = commit = decode_commit(id, data, self.format)
        if len(self._commits) > _CACHED_COMMITS:
            self._commits.popitem(last=False)
        return commit

    def first_parents(self, start: CommitId) -> Iterator[tuple[CommitId, Commit]]:
        """Yield ``start`` and the states that were published before it, newest first."""
        id: CommitId | None = start
        while id is not None:
            checkpoint()
            commit = self.commit(id)
            yield id, commit
            id = commit.parent

    def find_transaction(self, txn: str, base: CommitId | None) -> tuple[CommitId, Commit] | None:
        """Return the commit of transaction ``txn`` among head and its ancestors after ``base``, if it was published.

        All parents count: a merge that stock git pushed may have it as its second.
        """
        waiting = [self.head()]
        seen = {base}
        while waiting:
            id = waiting.pop()
            if id in seen:
                continue
            seen.add(id)
            commit = self.commit(id)
            if commit.txn == txn:
                return id, commit
            waiting += reversed(commit.parents)
        return None

    def descends(self, id: CommitId, wanted: Collection[CommitId]) -> bool:
        """Return whether ``id`` is one of ``wanted`` or has one among its ancestors, by whatever parent.

        The newest are looked at first: what was published lately is found after
        few of them, and only a no costs the whole history. Who asks whether a
        state is still part of a volume's history asks here, and nowhere else.
        """
        if id in wanted:
            return True
        waiting = [(0, id)]
        seen = {id}
        while waiting:
            checkpoint()
            _, one = heappop(waiting)
            for parent in self.commit(one).parents:
                if parent in wanted:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    heappush(waiting, (-self.commit(parent).commit_time, parent))
        return False

    def root(self, tree: TreeId) -> Directory:
        """Return the root directory of a commit's tree."""
        return self.directories.read(tree)

    def writer(self) -> ObjectWriter:
        """Begin a transaction. Lists packs again if others have published, so that nothing of it is written twice."""
        head = self.refs.resolve(MAIN)
        if head is None or head != self._listed_at:
            self.objects.refresh()
            self._listed_at = CommitId(head) if head is not None else None
        return self.objects.writer_as_listed()

    def publish(self, proposal: Proposal, writer: ObjectWriter) -> Published | None:
        """Commit the proposal onto head; None if head already is what it asks for.

        ``writer`` holds the blobs that the edits name. Raises what the
        proposal's check raises; CorruptObjectError if head cannot be read;
        BackendUnavailableError if content that the store had already was taken
        away by a gc meanwhile, and has to be written again, or if the swap
        itself failed, when it is open whether the commit was published
        (``find_transaction`` tells). Nothing that comes after the swap raises.
        """
        published = self._publish(proposal, writer)
        if published is not None and self.housekeeping is not None:
            with published.after.step("keeping the repository in shape"):
                self.housekeeping(self)
        return published

    def _publish(self, proposal: Proposal, writer: ObjectWriter) -> Published | None:
        writer.seal()
        with self.backend.turn(_TURN_SECONDS):
            while True:
                checkpoint()
                head = self.head()
                parent = self.commit(head)
                if proposal.check is not None:
                    proposal.check(parent)
                merged = merge(parent.tree, proposal.edits, self.directories)
                if merged.root is None and not proposal.joins:
                    return None
                writer.savepoint()
                commit = self._compose(proposal, merged, head, parent, writer)
                data = encode_commit(commit)
                id = writer.write_commit(data)
                writer.sync()
                if proposal.before_swap is not None:
                    proposal.before_swap()
                checkpoint()  # the last one: once the ref is swapped, a commit is completed
                if self._swap(head, id, proposal.edits, writer):
                    if self._listed_at == head:
                        self._listed_at = id
                    after = Aftermath(f"commit {short_id(id)} is published")
                    with after.step("removing its marks"):
                        writer.release()
                        self._keep(id, data)
                    return Published(id, commit, parent, tuple(merged.overwrote), after)
                writer.rollback()
                self.clock.sleep(self.clock.jitter(_RETRY_SECONDS))

    def _swap(self, head: CommitId, id: CommitId, edits: Edits, writer: ObjectWriter) -> bool:
        """Move main from ``head`` to ``id``; False if it was moved by others, or a pack has to be looked for."""
        try:
            with self.backend.exclusive():
                writer.check_relied_on()
                return self.refs.advance(MAIN, id, head)
        except PackVanished as vanished:
            self._check_content(edits, writer, vanished)
            return False

    def _check_content(self, edits: Edits, writer: ObjectWriter, vanished: PackVanished) -> None:
        """See to it that all content of ``edits`` is in the store, though a pack that was relied on has gone.

        A gc, or a roll-up, takes a pack away when what it keeps of it is in another one. Which
        objects were found in that pack is not known, so all are looked up, and
        the packs that hold them relied on.
        """
        self.objects.refresh()
        for entry in (edit.new for _, edit in edits.unfolded()):
            if entry is None or entry.id is None or entry.is_directory:
                continue
            for id in self.content_ids(entry):
                # A no of the writer may mean that a pack went between being listed and being opened.
                if not writer.has_blob(id) and not (self.objects.contains(id) and writer.has_blob(id)):
                    raise BackendUnavailableError(
                        f"{vanished} was removed by a gc while this commit relied on it, and {id.hex()} is nowhere"
                        " else. Nothing was published; commit again, which writes the content again."
                    ) from vanished

    def content_ids(self, entry: Entry) -> Iterator[ObjectId]:
        """Yield the ids of the blobs that hold a file's content; raises CorruptObjectError if that cannot be told."""
        assert entry.id is not None
        if not entry.is_chunked:
            yield entry.id
            return
        tree = require_chunk_tree(self.objects, TreeId(entry.id))
        for group in tree.groups:
            yield from (chunk.id for chunk in read_chunks(self.objects, tree, group))

    def _compose(
        self, proposal: Proposal, merged: Merged, head: CommitId, parent: Commit, writer: ObjectWriter
    ) -> Commit:
        tree = self._write_tree(writer, merged.root) if merged.root is not None else parent.tree
        counts = replace(merged.counts, bytes_added=writer.bytes_added + writer.bytes_pending)
        author = clean_identity(proposal.author)
        told, when = commit_times(self.clock.now_ns(), [parent, *map(self.commit, proposal.joins)])
        return Commit(
            tree=tree,
            parents=(head, *proposal.joins),
            author=author,
            author_time=told,
            committer=author,
            commit_time=when,
            message=proposal.message or merged.counts.describe(),
            txn=proposal.txn,
            base=proposal.base,
            counts=counts,
            overwrote=tuple(
                Overwritten(lost.path, lost.entry.id.hex() if lost.entry.id else "-")
                for lost in merged.overwrote[:RECEIPT_LIMIT]
            ),
            overwrote_count=len(merged.overwrote),
            unstable=proposal.unstable,
        )

    def _write_tree(self, writer: ObjectWriter, root: NewDirectory) -> TreeId:
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
                self.directories.keep(tree, as_read(entries, mode))
        return trees[id(root)]
