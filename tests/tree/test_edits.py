"""Test_edits: edits in path order, the words for what they came to, and the entry at a path."""

import stat

from tests.tree import trees
from vgit.ids import ObjectId
from vgit.objects.git_mode import FILE_MODE, TREE_MODE
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import Entry
from vgit.tree.lookup import find_entry

FILE = Entry(stat.S_IFREG | 0o644, FILE_MODE, ObjectId(b"f" * 20), 1, 1, b"h" * 32)
EDIT = Edit(FILE, None)


def test_edits_are_in_path_order() -> None:
    paths = [("a",), ("a", "b"), ("a", "b", "c"), ("a.txt",), ("b",)]
    edits = Edits(dict.fromkeys(reversed(paths), EDIT))
    assert list(edits) == paths
    assert list(edits.below(("a",))) == [(path, EDIT) for path in paths[:3]]
    assert list(edits.below(("a", "b", "c"))) == [(paths[2], EDIT)]
    assert list(edits.below(("a", "x"))) == []
    assert [path for path, _ in edits.below(())] == paths
    assert Edits() == {}


def test_counts_in_words() -> None:
    assert Counts(1, 2, 3, 4).describe() == "1 added, 2 changed, 3 removed"
    assert Counts(1, touched=2).describe() == "1 added, 2 touched"
    assert Counts(removed=1).describe() == "1 removed"
    assert Counts().describe() == "directories or modes changed"


def test_find_entry() -> None:
    store = trees.memory_store()
    below = trees.write(store, {"f": FILE})
    directory = Entry(stat.S_IFDIR | 0o755, TREE_MODE, below, 0, 1, None)
    fifo = Entry(stat.S_IFIFO | 0o600, 0, None, 0, 1, None)
    tree = trees.write(store, {"d": directory, "g": FILE, "p": fifo}, stat.S_IFDIR | 0o755)
    reader = trees.reader(store)
    assert find_entry(reader, tree, ("g",)) == FILE
    assert find_entry(reader, tree, ("d",)) == directory
    assert find_entry(reader, tree, ("d", "f")) == FILE
    for absent in (("x",), ("d", "x"), ("x", "f"), ("g", "f"), ("p", "f"), ("d", "f", "x"), ()):
        assert find_entry(reader, tree, absent) is None
