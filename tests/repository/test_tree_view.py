"""Test_tree_view: a tree looked at path by path, and the words for what is not as expected there."""

import pytest

from tests import volumes
from tests.writers import publish
from vgit.backend.memory import MemoryBackend
from vgit.errors import CorruptObjectError, NotADirectoryConflict, NotFoundError
from vgit.ids import TreeId, short_id
from vgit.paths import ROOT
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView


@pytest.fixture
def repository() -> Repository:
    repository = volumes.create(MemoryBackend())
    publish(repository, {("a",): b"1", ("d", "e", "f"): b"22"})
    return repository


def at_head(repository: Repository) -> TreeView:
    return TreeView.at(repository, repository.head())


def test_what_stands_at_a_path(repository: Repository) -> None:
    view = at_head(repository)
    root, file = view.find(ROOT), view.find(("d", "e", "f"))
    assert root is not None and root.is_directory
    assert file is not None and file.size == 2
    assert view.expect(("d", "e")).is_directory
    for absent in (("x",), ("x", "y", "z"), ("d", "x"), ("d", "e", "x")):
        assert view.find(absent) is None
    assert [path for path, _ in view.list(ROOT, recursive=True)] == [ROOT, ("d",), ("d", "e")]
    assert b"".join(view.read(("d", "e", "f"))) == b"22"


def test_errors_name_the_path_and_an_old_state(repository: Repository) -> None:
    head = short_id(repository.head())
    now = TreeView(repository, repository.commit(repository.head()).tree)
    for view, at in ((at_head(repository), f" at {head}"), (now, "")):
        with pytest.raises(NotFoundError, match=f"No such file or directory: 'd/x'{at}\\."):
            view.expect(("d", "x"))
        for below in (("a", "x"), ("a", "x", "y")):
            with pytest.raises(NotADirectoryConflict, match=f"'a'{at} is a file, not a directory"):
                view.find(below)


def test_damage_is_told_of_the_directory_that_has_it(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged, read = at_head(repository).expect(("d",)).id, repository.directories.read

    def fail(tree: TreeId) -> object:
        if tree == damaged:
            raise CorruptObjectError("it is gone")
        return read(tree)

    monkeypatch.setattr(repository.directories, "read", fail)
    for path in (("d", "e", "f"), ("d", "e", "x", "y")):
        with pytest.raises(
            CorruptObjectError, match=r"^d at revision [0-9a-f]{12} is damaged in the store: it is gone"
        ):
            at_head(repository).find(path)
