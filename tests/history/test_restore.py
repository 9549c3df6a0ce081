"""Test_restore: an old state, or part of it, as the newest."""

from collections.abc import Callable
from pathlib import Path as FilePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import gitjudge
from tests.history.states import (
    AUTHOR,
    State,
    commit_state,
    directory,
    drop_state_names,
    fifo,
    file,
    paths,
    publish,
    read_state,
    states,
    states_without_directory_mtimes,
    symlink,
    tree_at,
    volume,
)
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.content import read_content
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.history.restore import restore, restore_edits
from vgit.ids import CommitId
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import Path, parse_path
from vgit.repository.ancestry import descends
from vgit.repository.publish import Published
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository
from vgit.tree.directory import find_entry
from vgit.tree.edits import Edits
from vgit.tree.entry import Entry

Git = Callable[..., bytes]


def restored(old: State, new: State, *wanted: str) -> dict[str, Entry]:
    """Return what there is after ``wanted`` of ``old`` was restored over ``new``, by path."""
    repository, _ = volume()
    revision = commit_state(repository, old)
    commit_state(repository, new)
    restore(repository, revision, paths(*wanted) if wanted else None, AUTHOR)
    return {"/".join(path): entry for path, entry in read_state(repository, tree_at(repository)).items() if path}


def test_a_whole_state_comes_back_and_is_a_commit_like_any_other() -> None:
    repository, _ = volume()
    first = publish(repository, {"a": b"1", "d/b": b"2"})
    second = publish(repository, {"a": b"3", "d/b": None, "c": b"4"})
    published = restore(repository, first.id, None, "Bob <bob@example>")
    assert published is not None
    commit = published.commit
    assert repository.head() == published.id
    assert commit.tree == first.commit.tree
    assert (commit.parent, commit.base) == (second.id, second.id)
    assert (commit.author, commit.message.strip()) == ("Bob <bob@example>", f"Restore {first.id.hex()[:12]}")
    assert commit.counts is not None
    assert (commit.counts.added, commit.counts.changed, commit.counts.removed) == (1, 1, 1)
    assert published.overwrote == ()
    assert commit.txn is not None and len(commit.txn) == 32


def test_what_is_so_already_is_no_commit() -> None:
    repository, _ = volume()
    first = commit_state(repository, {"a": file(b"1"), "d": directory()})
    assert restore(repository, first, None, AUTHOR) is None
    commit_state(repository, {"a": file(b"1"), "d": directory(mtime_ns=5)})
    assert restore(repository, first, None, AUTHOR) is None
    assert restore(repository, first, [], AUTHOR) is None
    commit_state(repository, {"a": file(b"2"), "d": directory()})
    assert restore(repository, first, paths("d"), AUTHOR) is None


def test_of_paths_only_those() -> None:
    old: State = {"a": file(b"1"), "d": directory({"x": file(b"1"), "y": file(b"1")}), "e": file(b"1")}
    new: State = {"a": file(b"22"), "d": directory({"x": file(b"22"), "z": file(b"22")}), "g": file(b"22")}
    assert {path: one.size for path, one in restored(old, new, "d/x", "e").items()} == {
        "a": 2,
        "d": 0,
        "d/x": 1,
        "d/z": 2,
        "e": 1,
        "g": 2,
    }
    assert {path: one.size for path, one in restored(old, new, "d", "d/x").items()} == {
        "a": 2,
        "d": 0,
        "d/x": 1,
        "d/y": 1,
        "g": 2,
    }
    assert restored(old, new, "/").keys() == restored(old, new).keys() == {"a", "d", "d/x", "d/y", "e"}


def test_a_path_that_the_revision_does_not_have_is_removed() -> None:
    new: State = {"a": file(b"1"), "d": directory({"e": directory({"x": file(b"1")}), "y": file(b"1")})}
    assert restored({}, new, "a", "d/e").keys() == {"d", "d/y"}
    assert restored({}, new, "d").keys() == {"a"}
    assert restored({}, new).keys() == set()


def test_a_path_that_neither_has_is_not_found() -> None:
    repository, _ = volume()
    revision = commit_state(repository, {"a": file(b"1")})
    commit_state(repository, {"b": file(b"1")})
    with pytest.raises(NotFoundError, match="'d/x', neither now nor at revision " + revision.hex()[:12]):
        restore(repository, revision, paths("a", "d/x"), AUTHOR)
    assert find_entry(repository.directories, tree_at(repository), ("a",)) is None


def test_directories_on_the_way_are_made_as_they_were() -> None:
    old: State = {"d": directory({"e": directory({"x": file(b"1"), "y": file(b"1")}, 0o711)}, 0o700, 5)}
    for new in ({}, {"d": file(b"2")}, {"d": directory({"e": symlink(b"x")}, 0o500)}):
        after = restored(old, new, "d/e/x")
        assert after.keys() == {"d", "d/e", "d/e/x"}
        assert after["d/e"].mode & 0o777 == 0o711
        assert after["d"].mode & 0o777 == (0o500 if isinstance(new.get("d", fifo()).data, dict) else 0o700)


def test_kinds_change_back() -> None:
    full = directory({"x": file(b"1"), "e": directory()}, 0o700, 7)
    kinds: list[State] = [{"p": one} for one in (file(b"1"), symlink(b"1"), fifo(), directory(), full)]
    for old in (*kinds, {}):
        for new in kinds:
            repository, _ = volume()
            revision = commit_state(repository, old)
            commit_state(repository, new)
            published = restore(repository, revision, None, AUTHOR)
            assert tree_at(repository) == tree_at(repository, revision)
            assert published is None or published.overwrote == ()


states = states.map(drop_state_names)  # what a restore does with those: below
states_without_directory_mtimes = states_without_directory_mtimes.map(drop_state_names)


@given(states_without_directory_mtimes, states_without_directory_mtimes, st.sampled_from([0o755, 0o700]))
def test_a_whole_restore_is_the_same_tree(old: State, new: State, root_bits: int) -> None:
    repository, _ = volume()
    revision = commit_state(repository, old, root_bits=root_bits)
    commit_state(repository, new)
    published = restore(repository, revision, None, AUTHOR)
    assert tree_at(repository) == tree_at(repository, revision)
    assert published is None or published.overwrote == ()


@given(states, states)
def test_a_whole_restore_is_the_same_but_for_mtimes_of_directories(old: State, new: State) -> None:
    repository, _ = volume()
    revision = commit_state(repository, old)
    commit_state(repository, new)
    restore(repository, revision, None, AUTHOR)
    assert read_state(repository, tree_at(repository)) == read_state(repository, tree_at(repository, revision))
    assert restore(repository, revision, None, AUTHOR) is None


@given(states, states, st.data())
def test_a_restored_path_is_as_it_was_and_all_else_as_it_is(old: State, new: State, data: st.DataObject) -> None:
    repository, _ = volume()
    revision = commit_state(repository, old)
    commit_state(repository, new)
    then, now = (read_state(repository, tree_at(repository, id)) for id in (revision, None))
    path = data.draw(st.sampled_from(sorted({*then, *now})))
    restore(repository, revision, [path], AUTHOR)
    after = read_state(repository, tree_at(repository))
    assert _below(after, path) == _below(then, path)
    # A file that stood where a directory is needed has given way.
    ways = {path[:depth] for depth in range(1, len(path))} if path in then else set()
    assert {at: one for at, one in after.items() if not _is_below(at, path) and at not in ways} == {
        at: one for at, one in now.items() if not _is_below(at, path) and at not in ways
    }


def _below(state: dict[Path, Entry], path: Path) -> dict[Path, Entry]:
    return {at: one for at, one in state.items() if _is_below(at, path)}


def _is_below(at: Path, path: Path) -> bool:
    return at[: len(path)] == path


class Meddling(Repository):
    """A repository in which somebody else publishes files just before we do."""

    meddle: "Callable[[], object] | None" = None

    def writer(self) -> ObjectWriter:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().writer()


def meddled(wanted: dict[str, bytes | None]) -> tuple[Published, dict[str, int]]:
    """Restore over somebody's ``wanted``; return the commit, and each file's size."""
    made, _ = volume()
    repository = Meddling.open(made.backend, made.clock)
    assert isinstance(repository, Meddling)
    revision = commit_state(
        repository, {"a": file(b"1"), "same": file(b"1"), "d": directory({"x": file(b"1")}), "p": file(b"1")}
    )
    commit_state(
        repository,
        {"a": file(b"22"), "same": file(b"1"), "e": directory({"x": file(b"22")}), "p": file(b"1", mtime_ns=5)},
    )
    repository.meddle = lambda: publish(repository, wanted)
    published = restore(repository, revision, None, AUTHOR)
    assert published is not None
    state = read_state(repository, tree_at(repository))
    return published, {"/".join(path): one.size for path, one in state.items() if not one.is_directory}


def test_what_came_in_between_is_overwritten_and_in_the_receipt() -> None:
    published, sizes = meddled({"a": b"333", "d/x": b"333"})
    assert sizes == {"a": 1, "d/x": 1, "p": 1, "same": 1}
    assert [lost.path for lost in published.overwrote] == paths("a", "d/x")


def test_what_came_in_between_elsewhere_stays() -> None:
    published, sizes = meddled({"same": b"333", "e/y": b"333", "p": b"333", "new": b"333"})
    assert sizes == {"a": 1, "d/x": 1, "e/y": 3, "p": 3, "same": 3, "new": 3}
    assert published.overwrote == ()


def test_only_what_differs_is_written() -> None:
    repository, _ = volume()
    state: State = {f"f{n}": file(bytes([n]) * 9000) for n in range(9)}
    first = commit_state(repository, state)
    commit_state(repository, {name: file(b"22") for name in state})
    before = {one.key for one in repository.backend.list("objects/")}
    restore(repository, first, None, AUTHOR)
    (added,) = [one for one in repository.backend.list("objects/pack/") if one.key not in before and ".pack" in one.key]
    assert added.size_bytes < 9000


def test_large_files_come_back(tmp_path: FilePath) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    data = b"".join(b"%d" % number for number in range(1_000_000))
    first = commit_state(repository, {"large": file(data), "d": directory({"large": file(data[1:])})})
    commit_state(repository, {})
    restore(repository, first, None, AUTHOR)
    entry = find_entry(repository.directories, tree_at(repository), ("large",))
    assert entry is not None and entry.is_chunked
    assert b"".join(read_content(repository.objects, entry)) == data
    gitjudge.fsck(tmp_path)


def unreachable(repository: Repository, state: State) -> CommitId:
    """Return a commit of ``state`` that no ref leads to."""
    head = repository.head()
    id = commit_state(repository, state)
    assert repository.refs.advance(MAIN, head, id)
    return id


def test_an_unreachable_state_comes_back_while_it_is_there() -> None:
    repository, _ = volume()
    large = bytes(5_000_000)
    revision = unreachable(repository, {"a": file(b"1"), "large": file(large), "f": fifo(), "d": directory()})
    commit_state(repository, {"b": file(b"1")})
    assert restore(repository, revision, None, AUTHOR) is not None
    assert tree_at(repository) == tree_at(repository, revision)


def test_an_unreachable_state_whose_files_are_gone_does_not() -> None:
    repository, _ = volume()
    gone = Repository.create(MemoryBackend(), repository.clock, AUTHOR)
    # A commit and its trees, without the blob: as gc might leave them behind.
    lost = commit_state(gone, {"d": directory({"x": file(b"lost")})})
    with repository.objects.writer() as writer:
        tree = tree_at(gone, lost)
        below = find_entry(gone.directories, tree, ("d",))
        assert below is not None and below.id is not None
        for id in (tree, below.id):
            writer.write_tree(gone.objects.read_kind(id, 2))
        for directory_id in (tree, below.id):
            record = gone.objects.read_kind(directory_id, 2)
            at = record.index(b" .vgit\0") + len(b" .vgit\0")
            writer.write_record(gone.objects.read_kind(type(below.id)(record[at : at + 20]), 3))
        writer.write_commit(gone.objects.read_kind(lost, 1))
        writer.sync()
    head = repository.head()
    with pytest.raises(CorruptObjectError, match="d/x cannot be restored"):
        restore(repository, lost, None, AUTHOR)
    assert repository.head() == head


def line_of_two(repository: Repository) -> tuple[CommitId, CommitId]:
    """Publish two states and go back to before them; return them."""
    start = repository.head()
    one = commit_state(repository, {"f": file(b"1")})
    two = commit_state(repository, {"f": file(b"2")})
    assert repository.refs.advance(MAIN, start, two)
    return one, two


def test_a_lost_line_becomes_part_of_the_history_again() -> None:
    repository, _ = volume()
    one, two = line_of_two(repository)
    commit_state(repository, {"other": file(b"3")})
    restored = restore(repository, two, None, AUTHOR)
    assert restored is not None and restored.commit.parents[1:] == (two,)
    assert descends(repository, repository.head(), {one})
    assert restore(repository, two, None, AUTHOR) is None
    again = restore(repository, one, None, AUTHOR)
    assert again is not None and len(again.commit.parents) == 1


def test_of_some_paths_alone_it_does_not() -> None:
    repository, _ = volume()
    _, two = line_of_two(repository)
    restored = restore(repository, two, [("f",)], AUTHOR)
    assert restored is not None and len(restored.commit.parents) == 1


def test_nor_if_a_part_of_it_is_gone(tmp_path: FilePath) -> None:
    repository, clock = volume(LocalBackend(str(tmp_path)))
    start = repository.head()
    before = set((tmp_path / "objects/pack").iterdir())
    one = commit_state(repository, {"f": file(b"1")})
    of_one = set((tmp_path / "objects/pack").iterdir()) - before
    two = commit_state(repository, {"f": file(b"2")})
    assert repository.refs.advance(MAIN, start, two)
    for name in of_one:
        name.unlink()
    repository.close()
    again = Repository.open(LocalBackend(str(tmp_path)), clock.clock)
    assert not again.objects.contains(one)
    restored = restore(again, two, None, AUTHOR)
    assert restored is not None and len(restored.commit.parents) == 1
    gitjudge.run(tmp_path, "rev-list", "--objects", "main")


def test_a_mounts_state_does_not_come_back() -> None:
    repository, _ = volume()
    state = {"d": directory({".vgit": directory({"mount": file(b"{}")}), "x": file(b"1")})}
    revision = commit_state(repository, state)
    commit_state(repository, {"y": file(b"2")})
    restore(repository, revision, None, AUTHOR)
    assert set(read_state(repository, tree_at(repository))) == {(), ("d",), ("d", "x")}
    assert restore(repository, revision, None, AUTHOR) is None


def test_messages_name_the_paths() -> None:
    repository, _ = volume()
    names = [f"f{n}" for n in range(5)] + ["d/\n"]
    revision = commit_state(
        repository, {**{name: file(b"1") for name in names[:5]}, "d": directory({"\n": file(b"1")})}
    )
    short = revision.hex()[:12]

    def message(wanted: list[str], given: str | None = None) -> str:
        commit_state(repository, {})
        published = restore(repository, revision, paths(*wanted), AUTHOR, given)
        assert published is not None
        return published.commit.message.rstrip("\n")

    assert message(["d/\n", "f1"]) == f"Restore {short}: d/%0A, f1"
    assert message(names[:5]) == f"Restore {short}: f0, f1, f2 and 2 more"
    assert message(["/"]) == f"Restore {short}: /"
    assert message(["f1"], "undo") == "undo"


def test_what_stock_git_made_comes_back(tmp_path: FilePath, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    publish(repository, {"a": b"1", "d/x": b"1"})
    blob = git(tmp_path, "hash-object", "-w", "--stdin", stdin=b"by git").decode().strip()
    git(tmp_path, "read-tree", "HEAD")
    git(tmp_path, "update-index", "--index-info", stdin=f"100755 {blob}\td/y\n".encode())
    tree = git(tmp_path, "write-tree").decode().strip()
    made = git(tmp_path, "commit-tree", "-m", "by git", "-p", "HEAD", tree).decode().strip()
    git(tmp_path, "update-ref", "refs/heads/main", made)
    revision = repository.head()
    publish(repository, {"d/y": None, "d/x": b"2"})
    restore(repository, revision, None, AUTHOR)
    assert read_state(repository, tree_at(repository)) == read_state(repository, tree_at(repository, revision))
    assert git(tmp_path, "show", "HEAD:d/y") == b"by git"
    gitjudge.fsck(tmp_path)


def test_the_edits_say_what_was_seen() -> None:
    repository, _ = volume()
    revision = commit_state(repository, {"a": file(b"1"), "d": directory({"x": file(b"1")}, 0o700)})
    head = commit_state(repository, {"b": file(b"1"), "d": directory({"x": file(b"2")})})
    edits = restore_edits(repository, head, revision, None)
    assert isinstance(edits, Edits)
    assert list(edits) == paths("a", "b", "d", "d/x")
    assert edits[parse_path("a")].seen is None and edits[parse_path("b")].new is None
    assert edits[parse_path("d/x")].seen == find_entry(repository.directories, tree_at(repository, head), ("d", "x"))
    assert edits[parse_path("d")].new is not None and edits[parse_path("d")].new.id is None
