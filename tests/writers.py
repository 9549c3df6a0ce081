"""Writers: what the tests of refs, repository and catalog run in processes of their own (``spawn``)."""

from multiprocessing.connection import Connection

from vgit.backend.local import LocalBackend
from vgit.catalog import StoreRoot
from vgit.clock import SYSTEM_CLOCK
from vgit.content import store_bytes
from vgit.errors import AlreadyExistsError
from vgit.ids import SHA1, ObjectId
from vgit.objects.git_mode import FILE_MODE
from vgit.paths import Path
from vgit.repository.publish import Proposal, Published
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.refs import MAIN, Refs
from vgit.repository.repository import Repository
from vgit.tree.directory import find_entry
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry


def publish(
    repository: Repository, files: dict[Path, bytes | None], message: str | None = None, **options: object
) -> Published | None:
    """Publish files (None: removed) as a writer who has seen head as it is now."""
    tree = repository.commit(repository.head()).tree
    with repository.objects.writer() as writer:
        edits = Edits()
        for path, data in files.items():
            new = None
            if data is not None:
                stored = store_bytes(data, writer)
                new = Entry(0o100644, stored.git_mode or FILE_MODE, stored.id, stored.size, 1, stored.hash)
            edits[path] = Edit(new, find_entry(repository.directories, tree, path))
        return publish_proposal(repository, Proposal(edits, "tester <t@x>", message=message, **options), writer)


def advance_ref(git_dir: str, hex_ids: list[str], report: Connection) -> None:
    """Move main, from wherever it is, to each id; report each move as it was made."""
    refs = Refs(LocalBackend(git_dir), SHA1)
    moves = []
    for hex_id in hex_ids:
        while True:
            old = refs.resolve(MAIN)
            assert old is not None
            if refs.advance(MAIN, ObjectId(bytes.fromhex(hex_id)), old):
                moves.append((old.hex(), hex_id))
                break
    report.send(moves)


def publish_many(git_dir: str, name: str, count: int) -> None:
    """Publish ``count`` commits of a file each, and of one file that all writers share."""
    with Repository.open(LocalBackend(git_dir), SYSTEM_CLOCK) as repository:
        for number in range(count):
            own, shared = (name, f"file {number}"), ("shared",)
            text = b"%b %d" % (name.encode(), number)
            published = publish(repository, {own: text, shared: text}, f"{name} {number}")
            assert published is not None


def create_volumes(root: str, name: str, count: int, report: Connection) -> None:
    """Create a volume that others want too, then ``count`` of its own; report whose the first is."""
    store = StoreRoot(LocalBackend(root), SYSTEM_CLOCK, root)
    try:
        won = store.create_volume("main", "wanted", name).id
    except AlreadyExistsError:
        won = None
    own = [store.create_volume("main", f"{name}-{number}", name).id for number in range(count)]
    report.send((won, own))


def publish_slowly(git_dir: str, count: int) -> None:
    """Publish a file at a time, with a breath between, so that a push of stock git gets through now and then."""
    with Repository.open(LocalBackend(git_dir), SYSTEM_CLOCK) as repository:
        for number in range(count):
            assert publish(repository, {("vgit", f"{number}"): b"%d" % number}, f"vgit {number}") is not None
            SYSTEM_CLOCK.sleep(SYSTEM_CLOCK.jitter(0.2))
