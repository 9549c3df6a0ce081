"""Test_diff: against two dicts of paths, and that equal subtrees are not read."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.tree import trees
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import FILE_MODE, TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.paths import Path
from vgit.tree.diff import diff_trees
from vgit.tree.directory import Directory, DirectoryReader
from vgit.tree.directory_writer import write_directory
from vgit.tree.entry import Entry

_NAMES = st.sampled_from(["a", "a.txt", "a-", "b", "\xe9", "\udcff", ".git", "\U0001f600"])
_LEAVES = st.tuples(st.integers(0, 2), st.integers(0, 1))
_NODES = st.recursive(_LEAVES, lambda inner: st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12)
_ROOTS = st.dictionaries(_NAMES, _NODES, max_size=5)


def build(store: ObjectDatabase, node: dict[str, Any], found: dict[Path, Entry], path: Path = ()) -> TreeId:
    """Write ``node`` and note every entry in ``found``."""
    entries = {}
    for name, below in node.items():
        if isinstance(below, dict):
            tree = build(store, below, found, (*path, name))
            entries[name] = Entry(0o040755, TREE_MODE, tree, 0, 0, None)
        else:
            content, mtime_ns = below
            entries[name] = Entry(0o100644, FILE_MODE, ObjectId(bytes([content]) * 20), content, mtime_ns, None)
    found |= {(*path, name): entry for name, entry in entries.items()}
    return trees.write(store, entries)


class CountingReader(DirectoryReader):
    """Notes what was read."""

    def __init__(self, store: ObjectDatabase) -> None:
        super().__init__(store, trees.chunk_tree_info)
        self.seen: list[TreeId] = []

    def read(self, tree_id: TreeId) -> Directory:
        self.seen.append(tree_id)
        return super().read(tree_id)


@given(_ROOTS, _ROOTS)
def test_against_a_model(old_root: dict[str, Any], new_root: dict[str, Any]) -> None:
    store = trees.memory_store()
    old: dict[Path, Entry] = {}
    new: dict[Path, Entry] = {}
    old_id, new_id = build(store, old_root, old), build(store, new_root, new)
    expected = [
        (path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    reader = trees.reader(store)
    assert list(diff_trees(reader, old_id, new_id)) == expected
    assert list(diff_trees(reader, new_id, old_id)) == [(path, after, before) for path, before, after in expected]
    assert list(diff_trees(reader, None, new_id)) == [(path, None, new[path]) for path in sorted(new)]
    assert list(diff_trees(reader, new_id, new_id)) == []
    assert list(diff_trees(reader, None, None)) == []


def test_a_file_that_became_a_directory() -> None:
    store = trees.memory_store()
    found: dict[Path, Entry] = {}
    old = build(store, {"p": (1, 0), "p.txt": (1, 0)}, {})
    new = build(store, {"p": {"q": (2, 0)}, "p.txt": (2, 0)}, found)
    differences = list(diff_trees(trees.reader(store), old, new))
    assert [(path, before is None, after) for path, before, after in differences] == [
        (("p",), False, found[("p",)]),
        (("p", "q"), True, found[("p", "q")]),
        (("p.txt",), False, found[("p.txt",)]),
    ]


def test_equal_subtrees_are_not_read() -> None:
    store = trees.memory_store()
    same = {str(at): {"x": (1, 0)} for at in range(20)}
    old = build(store, same | {"d": {"e": {"f": (1, 0)}}}, {})
    new = build(store, same | {"d": {"e": {"f": (2, 0)}}}, {})
    reader = CountingReader(store)
    assert [path for path, _, _ in diff_trees(reader, old, new)] == [("d",), ("d", "e"), ("d", "e", "f")]
    assert len(reader.seen) == 6
    reader.seen.clear()
    assert list(diff_trees(reader, new, new)) == [] == reader.seen


def test_nothing_is_read_before_it_is_asked_for() -> None:
    store = trees.memory_store()
    new = build(store, {str(at): {"x": (at, 0)} for at in range(5)}, {})
    reader = CountingReader(store)
    differences = diff_trees(reader, None, new)
    assert reader.seen == []
    next(differences)
    assert len(reader.seen) == 1


def test_trees_may_be_deep() -> None:
    store = trees.memory_store()
    with store.writer() as writer:
        tree = write_directory(writer, {}, None)
        for _ in range(3000):
            tree = write_directory(writer, {"d": Entry(0o040755, TREE_MODE, tree, 0, 0, None)}, None)
        writer.sync()
    assert sum(1 for _ in diff_trees(trees.reader(store), None, tree)) == 3000
