"""Repository: one volume's store, a real bare git repository: how it is made and opened, and its commits read.

``publish.py`` has the loop by which it gets a new commit, ``ancestry.py`` finds those before
one, ``tree_view.py`` looks into one.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from vgit.backend import Backend
from vgit.clock import Clock
from vgit.content import chunk_tree_info
from vgit.content.chunk_tree import read_chunks, require_chunk_tree
from vgit.errors import AlreadyExistsError, CorruptVolumeError, NotFoundError
from vgit.ids import SHA1, CommitId, ObjectFormat, ObjectId, TreeId
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import COMMIT
from vgit.objects.object_writer import ObjectWriter
from vgit.repository.commit import Commit, commit_times, decode_commit, encode_commit, new_transaction
from vgit.repository.config import CONFIG, object_format
from vgit.repository.identity import clean_identity
from vgit.repository.refs import MAIN, Refs
from vgit.tree.directory import Directory, DirectoryReader
from vgit.tree.directory_writer import write_directory
from vgit.tree.edits import Counts
from vgit.tree.entry import Entry

_HAS_HEAD = f"a volume's repository, with a {MAIN}, is here already; it was left as it is."
_CACHED_COMMITS = 10_000


class Repository:
    """One volume's objects, refs and head. Any thread may use it; a context manager that closes its views."""

    def __init__(self, backend: Backend, clock: Clock, object_format: ObjectFormat) -> None:
        self.backend = backend
        self.clock = clock
        self.format = object_format
        self.objects = ObjectDatabase(backend, object_format)
        self.refs = Refs(backend, object_format)
        self.directories = DirectoryReader(self.objects, lambda tree: chunk_tree_info(self.objects, tree))
        self.upkeep: Callable[[Repository], object] | None = None  # what ``publish`` does after each commit
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
            root = Commit(tree, (), who, now, who, now, message, txn=new_transaction(clock), counts=Counts())
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
            known = self._remember(id, self.objects.read_kind(id, COMMIT))
        return known

    def note_published(self, id: CommitId, data: bytes) -> None:
        """Take note of a commit that was published through this object: nothing need be read again because of it."""
        commit = self._remember(id, data)
        if self._listed_at == commit.parent:
            self._listed_at = id

    def _remember(self, id: CommitId, data: bytes) -> Commit:
        self._commits[id] = commit = decode_commit(id, data, self.format)
        if len(self._commits) > _CACHED_COMMITS:
            self._commits.popitem(last=False)
        return commit

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

    def content_ids(self, entry: Entry) -> Iterator[ObjectId]:
        """Yield the ids of the blobs that hold a file's content; raises CorruptObjectError if that cannot be told."""
        assert entry.id is not None
        if not entry.is_chunked:
            yield entry.id
            return
        tree = require_chunk_tree(self.objects, TreeId(entry.id))
        for group in tree.groups:
            yield from (chunk.id for chunk in read_chunks(self.objects, tree, group))
