"""Test_edits: edits in path order, and the words for what they came to."""

import stat

from vgit.ids import ObjectId
from vgit.objects.git_mode import FILE_MODE
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import Entry

FILE = Entry(stat.S_IFREG | 0o644, FILE_MODE, ObjectId(b"f" * 20), 1, 1, b"h" * 32)
EDIT = Edit(FILE, None)


def test_edits_are_in_path_order() -> None:
    paths = [("a",), ("a", "b"), ("a", "b", "c"), ("a.txt",), ("b",)]
    edits = Edits(dict.fromkeys(reversed(paths), EDIT))
    assert list(edits) == paths
    assert Edits() == {}


def test_counts_in_words() -> None:
    assert Counts(1, 2, 3, 4).describe() == "1 added, 2 changed, 3 removed"
    assert Counts(1, touched=2).describe() == "1 added, 2 touched"
    assert Counts(removed=1).describe() == "1 removed"
    assert Counts().describe() == "directories or modes changed"
