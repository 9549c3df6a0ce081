"""Test_log: the published states, of a volume and of one path in it."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path as FilePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.states import (
    START,
    State,
    commit_state,
    directory,
    fifo,
    file,
    publish,
    states,
    symlink,
    tree_at,
    volume,
)
from vgit.backend.local import LocalBackend
from vgit.errors import InvalidError, NotFoundError
from vgit.history.log import counts_of, log
from vgit.ids import CommitId
from vgit.paths import Path
from vgit.repository.ancestry import first_parents
from vgit.repository.repository import Repository
from vgit.tree.directory import find_entry
from vgit.tree.edits import Counts

Git = Callable[..., bytes]


def ids_of(repository: Repository, path: Path | None = None, **options: int) -> list[CommitId]:
    """Return what the log of a path has; of one that never was, nothing: its NotFoundError has a test of its own."""
    try:
        return [one.id for one in log(repository, repository.head(), path, **options)]
    except NotFoundError:
        assert all(
            find_entry(repository.directories, tree_at(repository, id), path or ()) is None for id in line(repository)
        )
        return []


def line(repository: Repository) -> list[CommitId]:
    return [id for id, _ in first_parents(repository, repository.head())]


def test_a_path_that_never_was_is_an_error_at_the_end() -> None:
    repository, _ = history({"a": file(b"1")}, {"b": file(b"1")})
    for path in (("nothing",), ("a", "below"), ("b", "below", "it")):
        with pytest.raises(NotFoundError, match="No commit has touched"):
            list(log(repository, repository.head(), path))
        with pytest.raises(NotFoundError, match="No commit has touched"):
            list(log(repository, repository.head(), path, since=START + 100))
        assert list(log(repository, repository.head(), path, limit=0)) == []
    for path in (("a",), ("b",)):
        assert list(log(repository, repository.head(), path, since=START + 100)) == [], "it was there, only not then"


def history(*states: State) -> tuple[Repository, list[CommitId]]:
    """Return a volume with these states, a second apart, and their commits, oldest first."""
    repository, clock = volume()
    clock.seconds = START + len(states)
    return repository, [commit_state(repository, state, START + number) for number, state in enumerate(states, start=1)]


def test_newest_first_down_to_the_first() -> None:
    repository, _ = volume()
    first = repository.head()
    second = publish(repository, {"a": b"1", "b": b"2"})
    third = publish(repository, {"a": b"3", "b": None})
    logged = list(log(repository, repository.head()))
    assert [one.id for one in logged] == [third.id, second.id, first]
    counts = [(one.counts.added, one.counts.changed, one.counts.removed) for one in logged]
    assert counts == [(0, 1, 1), (2, 0, 0), (0, 0, 0)]
    assert logged[0].commit.txn == third.commit.txn
    assert [one.id for one in log(repository, second.id)] == [second.id, first]


def test_limit_is_the_most_that_comes() -> None:
    repository, ids = history({}, {"a": file(b"1")}, {"b": file(b"1")}, {"a": file(b"1")})
    assert ids_of(repository, limit=2) == [ids[3], ids[2]]
    assert ids_of(repository, limit=0) == []
    assert ids_of(repository, ("b",), limit=1) == [ids[3]]
    assert len(ids_of(repository, limit=100)) == 5
    with pytest.raises(InvalidError, match="limit"):
        log(repository, repository.head(), limit=-1)


def test_since_and_until_include_their_moment() -> None:
    repository, ids = history({}, {}, {}, {})
    assert ids_of(repository, since=START + 2, until=START + 3) == [ids[2], ids[1]]
    assert ids_of(repository, since=START + 9) == []
    assert ids_of(repository, until=START - 1) == []
    assert len(ids_of(repository, since=0)) == 5


def test_since_reads_no_further_than_it_must() -> None:
    repository, ids = history(*[{}] * 50)
    fresh = Repository.open(repository.backend, repository.clock)
    assert ids_of(fresh, since=START + 49) == [ids[49], ids[48]]
    assert len(fresh._commits) == 3


def test_a_clock_of_stock_git_that_was_wrong_hides_nothing() -> None:
    repository, clock = volume()
    clock.seconds = START + 3600
    made = [
        commit_state(repository, {}, START + 1000),
        commit_state(repository, {}, 5, by_vgit=False),
        commit_state(repository, {}, START + 2000),
    ]
    assert ids_of(repository, since=START + 1000) == made[::-1]
    assert ids_of(repository, until=START + 1999) == [made[0], *line(repository)[-1:]]


def test_of_a_file_only_what_changed_it() -> None:
    repository, ids = history(
        {"a": file(b"1"), "d": directory({"x": file(b"1")})},
        {"a": file(b"2"), "d": directory({"x": file(b"1")})},
        {"a": file(b"2"), "d": directory({"x": file(b"1"), "y": file(b"1")}, mtime_ns=5)},
        {"a": file(b"2"), "d": directory({"x": file(b"2"), "y": file(b"1")})},
        {"a": file(b"2", 0o600), "d": directory({"x": file(b"2", mtime_ns=7), "y": file(b"1")})},
        {"a": file(b"2", 0o600), "d": directory({"y": file(b"1")})},
        {"a": file(b"2", 0o600), "d": file(b"")},
    )
    assert ids_of(repository, ("a",)) == [ids[4], ids[1], ids[0]]
    assert ids_of(repository, ("d", "x")) == [ids[5], ids[4], ids[3], ids[0]]
    assert ids_of(repository, ("d", "y")) == [ids[6], ids[2]]
    assert ids_of(repository, ("d",)) == [ids[6], ids[5], ids[4], ids[3], ids[2], ids[0]]
    assert ids_of(repository, ("nothing",)) == ids_of(repository, ("d", "y", "z")) == []
    assert len(ids_of(repository, ())) == 8


def test_of_a_directory_its_mode_counts_and_its_mtime_does_not() -> None:
    repository, ids = history(
        {"d": directory()}, {"d": directory(mtime_ns=5)}, {"d": directory(bits=0o700, mtime_ns=5)}, {"d": fifo()}
    )
    assert ids_of(repository, ("d",)) == [ids[3], ids[2], ids[0]]


def test_of_what_stands_in_the_record_alone_or_has_a_stored_name() -> None:
    repository, ids = history(
        {"f": fifo(), ".gitignore": file(b"1")},
        {"f": fifo(), ".gitignore": symlink(b"1")},
        {".gitignore": symlink(b"1"), "f 2": fifo()},
        {".gitignore": symlink(b"1"), "f": fifo(), ".git": file(b"1")},
        {".gitignore": symlink(b"1"), "f": fifo(), ".git": directory({"\n": file(b"1")})},
        {".gitignore": symlink(b"1"), "f": fifo(), ".git": directory({"\n": file(b"2")})},
    )
    assert ids_of(repository, ("f",)) == [ids[3], ids[2], ids[0]]
    assert ids_of(repository, ("f 2",)) == [ids[3], ids[2]]
    assert ids_of(repository, (".gitignore",)) == [ids[1], ids[0]]
    assert ids_of(repository, (".git", "\n")) == [ids[5], ids[4]]
    assert ids_of(repository, (".git",)) == [ids[5], ids[4], ids[3]]


def test_commits_of_stock_git_are_counted_by_looking(tmp_path: FilePath, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    first = publish(repository, {"a": b"1", "d/b": b"2"})
    made = commit_by_git(tmp_path, git, {"c": b"3", "d/b": b"4"})
    (newest, *_) = log(repository, repository.head())
    assert newest.id.hex() == made
    assert newest.commit.counts is None
    assert newest.counts == Counts(1, 1, 1)
    assert counts_of(repository, first.commit) == first.commit.counts
    second = publish(repository, {"e": b"5"})
    assert ids_of(repository, ("d",)) == [newest.id, first.id]
    # vgit wrote a record where stock git had left none, which changes nothing of what is there.
    assert ids_of(repository, ("c",)) == [newest.id]
    assert ids_of(repository, ("a",)) == [newest.id, first.id]
    assert ids_of(repository, ("e",)) == [second.id]


def commit_by_git(git_dir: FilePath, git: Git, files: dict[str, bytes]) -> str:
    """Let stock git publish these files and nothing else on main, no directory records."""
    index = "".join(
        f"100644 {git(git_dir, 'hash-object', '-w', '--stdin', stdin=data).decode().strip()}\t{path}\n"
        for path, data in files.items()
    )
    git(git_dir, "read-tree", "--empty")
    git(git_dir, "update-index", "--index-info", stdin=index.encode())
    tree = git(git_dir, "write-tree").decode().strip()
    made = git(git_dir, "commit-tree", "-m", "by git", "-p", "refs/heads/main", tree).decode().strip()
    git(git_dir, "update-ref", "refs/heads/main", made)
    return made


@given(st.lists(states, min_size=1, max_size=5), st.data())
def test_of_a_path_what_differs_in_its_entry(versions: list[State], data: st.DataObject) -> None:
    repository, ids = history(*versions)
    known = sorted({path for state in versions for path in _paths(state)} | {("nothing",)})
    path = data.draw(st.sampled_from(known))
    entries = [find_entry(repository.directories, tree_at(repository, id), path) for id in ids]
    expected = [
        id for id, old, new in zip(ids, [None, *entries], entries, strict=False) if _version(old) != _version(new)
    ]
    assert ids_of(repository, path) == expected[::-1]


def _version(entry: object) -> object:
    if entry is None:
        return None
    return entry._replace(mtime_ns=0) if entry.is_directory else entry  # type: ignore[attr-defined]


def _paths(state: State) -> list[Path]:
    found: list[Path] = []
    for name, node in state.items():
        found.append((name,))
        if isinstance(node.data, dict):
            found += [(name, *below) for below in _paths(node.data)]
    return found


def test_it_is_read_as_it_is_asked_for() -> None:
    repository, ids = history(*[{}] * 30)
    fresh = Repository.open(repository.backend, repository.clock)
    assert [one.id for one in islice(log(fresh, fresh.head()), 2)] == [ids[29], ids[28]]
    assert len(fresh._commits) <= 3
