"""Test_path_removal: rm within a volume."""

from pathlib import Path as FilePath

import pytest

from tests.gitjudge import fsck
from tests.history import states as states
from tests.transfer.uploads import commits, contents, entry, expect_entry, new_volume, nothing_happens, put, rm
from tests.volumes import create_local
from vgit.errors import ConflictError, InvalidError, NotADirectoryConflict, NotFoundError
from vgit.repository.repository import Repository

START = {"f": b"f", "g": b"g", "d/x": b"dx", "d/e/y": b"dey", "t/f": b"tf"}


@pytest.fixture
def repository() -> Repository:
    repository = new_volume()
    put(repository, START)
    return repository


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        ("f", {"f"}),
        ("/f g ./d//x", {"f", "g", "d/x"}),
        ("f f", {"f"}),
        ("-r f", {"f"}),
        ("-r d", {"d/x", "d/e/y"}),
        ("-r d/", {"d/x", "d/e/y"}),
        ("-r d/e d t", {"d/x", "d/e/y", "t/f"}),
        ("-r d d/e", {"d/x", "d/e/y"}),
    ],
)
def test_what_is_removed(repository: Repository, arguments: str, removed: set[str]) -> None:
    words = arguments.split()
    recursive = words[0] == "-r"
    published = rm(repository, *words[recursive:], recursive=recursive)
    assert published is not None and published.commit.counts is not None
    assert published.commit.counts.removed == len(removed)
    assert published.overwrote == ()
    assert contents(repository) == {path: data for path, data in START.items() if path not in removed}
    assert commits(repository) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ("d", ConflictError, "'d' is a directory with files in it.*recursive=True"),
        ("f d", ConflictError, "'d' is a directory with files in it"),
        ("gone", NotFoundError, "No such file or directory: 'gone'"),
        ("f gone", NotFoundError, "'gone'"),
        ("-r gone", NotFoundError, "'gone'"),
        ("f/below", NotADirectoryConflict, "'f' is a file"),
        ("f/", NotADirectoryConflict, "'f' is a file"),
        ("/", InvalidError, "the root"),
        ("-r .", InvalidError, "the root"),
        ("../f", InvalidError, "Invalid path"),
        ("", InvalidError, "no path was given"),
    ],
)
def test_what_is_refused(repository: Repository, arguments: str, error: type[Exception], complaint: str) -> None:
    words = arguments.split()
    recursive = words[:1] == ["-r"]
    before = nothing_happens(repository)
    with pytest.raises(error, match=complaint):
        rm(repository, *words[recursive:], recursive=recursive)
    assert nothing_happens(repository) == before


def test_an_empty_directory_needs_no_recursive_and_a_parent_stays(repository: Repository) -> None:
    rm(repository, "d/e/y")
    assert expect_entry(repository, "d/e").is_directory
    rm(repository, "d/e")
    assert entry(repository, "d/e") is None
    rm(repository, "d/x")
    assert expect_entry(repository, "d").is_directory


def test_a_parent_changed_when_something_in_it_was_removed() -> None:
    repository, clock = states.volume()
    states.commit_state(repository, {"d": states.directory({"x": states.file(b"1")}, 0o700, 5)})
    clock.seconds += 100
    rm(repository, "d/x")
    assert expect_entry(repository, "d").mtime_ns == clock.seconds * 10**9
    assert expect_entry(repository, "d").mode == 0o040700


def test_all_kinds_are_removed_and_older_states_keep_them(tmp_path: FilePath) -> None:
    state = {
        "link": states.symlink(b"d"),
        "fifo": states.fifo(),
        "d": states.directory({"empty": states.directory({}), ".git": states.file(b"1"), "..vgit": states.file(b"")}),
    }
    with create_local(tmp_path / "v.git") as repository:
        before = states.commit_state(repository, state)
        kept = states.read_state(repository, repository.commit(before).tree)
        assert rm(repository, *state, recursive=True) is not None
        assert states.read_state(repository, states.tree_at(repository)).keys() == {()}
        assert states.read_state(repository, repository.commit(before).tree) == kept
    fsck(tmp_path / "v.git")


def test_what_no_mount_can_hold_can_be_removed() -> None:
    repository, _ = states.volume()
    states.commit_state(repository, {".vgit": states.directory({"x": states.file(b"1")})})
    rm(repository, ".vgit", recursive=True)
    assert contents(repository) == {}
