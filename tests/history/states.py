"""Volumes: repositories with states put into them directly, and strategies for such states."""

import random
import stat
from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import strategies as st

from tests.tree.trees import names
from vgit.backend import Backend
from vgit.backend.memory import MemoryBackend
from vgit.clock import Clock
from vgit.content import store_bytes
from vgit.ids import CommitId, TreeId
from vgit.objects.git_mode import SYMLINK_MODE, TREE_MODE
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import ROOT, Path, is_state_name, parse_path
from vgit.repository.commit import Commit, encode_commit
from vgit.repository.publish import Proposal, Published
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository
from vgit.tree.directory_writer import write_directory
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import NO_GIT_ENTRY, Entry

START = 1_750_000_000  # seconds
AUTHOR = "Ann <ann@example>"


class Node(NamedTuple):
    """What stands at a path: content of a file or symlink, None for a FIFO and the root, or a directory's names."""

    mode: int
    data: "bytes | dict[str, Node] | None" = None
    mtime_ns: int = 0


State = dict[str, Node]


def file(data: bytes, bits: int = 0o644, mtime_ns: int = 0) -> Node:
    return Node(stat.S_IFREG | bits, data, mtime_ns)


def symlink(target: bytes) -> Node:
    return Node(stat.S_IFLNK | 0o777, target)


def fifo() -> Node:
    return Node(stat.S_IFIFO | 0o644)


def directory(state: "State | None" = None, bits: int = 0o755, mtime_ns: int = 0) -> Node:
    return Node(stat.S_IFDIR | bits, state or {}, mtime_ns)


class TestClock:
    """Time that stands still until it is moved, and randomness that is always the same."""

    __test__ = False

    def __init__(self) -> None:
        self.seconds = START
        self._random = random.Random(0)
        self.clock = Clock(lambda: self.seconds * 10**9, lambda: 0.0, lambda _: None, self._random.randbytes)


def volume(backend: Backend | None = None) -> tuple[Repository, TestClock]:
    clock = TestClock()
    return Repository.create(backend or MemoryBackend(), clock.clock, AUTHOR), clock


def commit_state(
    repository: Repository, state: State, seconds: int | None = None, *, root_bits: int = 0o755, by_vgit: bool = True
) -> CommitId:
    """Publish ``state`` as it is, without a merge; ``by_vgit=False`` leaves out the headers of vgit."""
    head = repository.head()
    with repository.objects.writer() as writer:
        tree = _write(writer, state, stat.S_IFDIR | root_bits)
        when = repository.clock.now_ns() // 10**9 if seconds is None else seconds
        commit = Commit(tree, (head,), AUTHOR, when, AUTHOR, when, "state")
        if by_vgit:
            txn = repository.clock.random_bytes(16).hex()
            commit = commit._replace(txn=txn, counts=Counts(7, 8, 9, 10))
        id = writer.write_commit(encode_commit(commit))
        writer.sync()
        assert repository.refs.advance(MAIN, id, head)
    return id


def _write(writer: ObjectWriter, state: State, root_mode: int | None) -> TreeId:
    return write_directory(writer, {name: _entry(writer, node) for name, node in state.items()}, root_mode)


def _entry(writer: ObjectWriter, node: Node) -> Entry:
    mode, data, mtime_ns = node
    if isinstance(data, dict):
        return Entry(mode, TREE_MODE, _write(writer, data, None), 0, mtime_ns, None)
    if data is None:
        return Entry(mode, NO_GIT_ENTRY, None, 0, mtime_ns, None)
    stored = store_bytes(data, writer)
    git_mode = SYMLINK_MODE if stat.S_ISLNK(mode) else 0o100644 | (0o111 if mode & 0o100 else 0)
    return Entry(mode, stored.git_mode or git_mode, stored.id, stored.size, mtime_ns, stored.hash)


def read_state(repository: Repository, tree: TreeId) -> dict[Path, Entry]:
    """Return every entry of a tree by path; of directories without id and mtime."""
    found = {ROOT: Entry(repository.root(tree).mode or 0, TREE_MODE, None, 0, 0, None)}
    waiting = [(ROOT, tree)]
    while waiting:
        parent, id = waiting.pop()
        for name, entry in repository.directories.read(id).entries.items():
            if entry.is_directory:
                assert entry.id is not None
                waiting.append(((*parent, name), TreeId(entry.id)))
                entry = entry._replace(id=None, mtime_ns=0)
            found[*parent, name] = entry
    return found


def tree_at(repository: Repository, revision: CommitId | None = None) -> TreeId:
    return repository.commit(revision or repository.head()).tree


def publish(repository: Repository, wanted: dict[str, bytes | None]) -> Published:
    """Commit files as a writer that has seen nothing; None removes."""
    with repository.objects.writer() as writer:
        edits = {
            parse_path(path): Edit(None if data is None else _entry(writer, file(data)), None)
            for path, data in wanted.items()
        }
        proposal = Proposal(Edits(edits), AUTHOR)
        published = publish_proposal(repository, proposal, writer)
    assert published is not None
    return published


def drop_state_names(state: State) -> State:
    """Return ``state`` without what mounts keep for themselves, changed in place."""
    for name in list(state):
        if is_state_name(name):
            del state[name]
        elif isinstance(state[name].data, dict):
            drop_state_names(state[name].data)  # type: ignore[arg-type]
    return state


def paths(*texts: str) -> list[Path]:
    return [parse_path(text) for text in texts]


def shown(differences: Iterable[tuple[Path, object]]) -> list[tuple[str, object]]:
    return [("/".join(path), kind) for path, kind in differences]


_bits = st.sampled_from([0o644, 0o600, 0o755, 0o500])
_mtimes = st.sampled_from([0, 1, 10**18 + 1])
# Few names and contents, so that two states share some of them.
_names = st.sampled_from(["a", "b", "c d", ".git", "a.b"]) | names
_files = st.builds(file, st.sampled_from([b"", b"1", b"2", b"x" * 600]), _bits, _mtimes)
_others = st.sampled_from([symlink(b"a"), symlink(b"b"), fifo()])


def _states(mtimes: st.SearchStrategy[int]) -> st.SearchStrategy[State]:
    nodes = st.recursive(
        _files | _others,
        lambda kids: st.builds(directory, st.dictionaries(_names, kids, max_size=3), _bits, mtimes),
        max_leaves=8,
    )
    return st.dictionaries(_names, nodes, max_size=4)


states = _states(_mtimes)
states_without_directory_mtimes = _states(st.just(0))
