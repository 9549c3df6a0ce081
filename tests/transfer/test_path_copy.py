"""Test_path_copy: cp within a volume, case by case what the Unix command does; and that no content is copied."""

import random
import stat
from pathlib import Path as FilePath

import pytest

from tests import gitjudge
from tests.gitjudge import fsck
from tests.history import states as states
from tests.transfer.uploads import commits, contents, cp, entry, expect_entry, new_volume, nothing_happens, put
from tests.volumes import create_local, open_local
from vgit.errors import ConflictError, InvalidError, IsADirectoryConflict, NotADirectoryConflict, NotFoundError
from vgit.repository.repository import Repository
from vgit.tree.entry import Kind

LARGE = random.Random(0).randbytes(9 << 20)
START = {"f": b"f", "g": b"g", "d/x": b"dx", "d/e/y": b"dey", "t/f": b"tf"}


@pytest.fixture
def repository() -> Repository:
    repository = new_volume()
    put(repository, START)
    return repository


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ("f new", {"new": b"f"}),
        ("/f ./new", {"new": b"f"}),
        ("f d", {"d/f": b"f"}),
        ("f d/", {"d/f": b"f"}),
        ("f d/new", {"d/new": b"f"}),
        ("f g", {"g": b"f"}),
        ("f t", {"t/f": b"f"}),
        ("d/x /", {"x": b"dx"}),
        ("f g d", {"d/f": b"f", "d/g": b"g"}),
        ("-r f new", {"new": b"f"}),
        ("-r d new", {"new/x": b"dx", "new/e/y": b"dey"}),
        ("-r d new/", {"new/x": b"dx", "new/e/y": b"dey"}),
        ("-r d/ new", {"new/x": b"dx", "new/e/y": b"dey"}),
        ("-r d t", {"t/d/x": b"dx", "t/d/e/y": b"dey"}),
        ("-r d/ t", {"t/d/x": b"dx", "t/d/e/y": b"dey"}),
        ("-r d/. t", {"t/x": b"dx", "t/e/y": b"dey"}),
        ("-r d/. /", {"x": b"dx", "e/y": b"dey"}),
        ("-r d/e /", {"e/y": b"dey"}),
        ("-r f d t", {"t/f": b"f", "t/d/x": b"dx", "t/d/e/y": b"dey"}),
    ],
)
def test_where_copies_go(repository: Repository, arguments: str, added: dict[str, bytes]) -> None:
    words = arguments.split()
    recursive = words[0] == "-r"
    published = cp(repository, *words[recursive:], recursive=recursive)
    assert published is not None
    assert published.commit.counts is not None and published.commit.counts.bytes_added < 3000
    assert contents(repository) == {**START, **added}
    assert commits(repository) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ("d new", IsADirectoryConflict, "'d' is a directory.*recursive=True"),
        ("f d new", NotADirectoryConflict, "'new' does not exist"),
        ("f d/x g", NotADirectoryConflict, "'g' is a file"),
        ("gone new", NotFoundError, "No such file or directory: 'gone'"),
        ("f/below new", NotADirectoryConflict, "'f' is a file"),
        ("f/ new", NotADirectoryConflict, "'f' is a file"),
        ("f new/", NotFoundError, "No such directory: 'new'"),
        ("f g/", NotADirectoryConflict, "'g' is a file"),
        ("f no/parent", NotFoundError, "No such directory: 'no'"),
        ("f g/below", NotADirectoryConflict, "'g' is a file"),
        ("f f", InvalidError, "'f' cannot be copied onto itself"),
        ("f /", InvalidError, "'f' cannot be copied onto itself"),
        ("-r d d", InvalidError, "'d' cannot be copied into itself, as 'd/d'"),
        ("-r d d/e/new", InvalidError, "'d' cannot be copied into itself"),
        ("-r d /", InvalidError, "'d' cannot be copied onto itself"),
        ("-r / new", InvalidError, "the root"),
        ("-r . new", InvalidError, "the root"),
        ("-r d f", NotADirectoryConflict, "'f' is a file.*cannot replace"),
        ("f t/f d", ConflictError, "two sources would be copied to 'd/f'"),
        ("f ../x", InvalidError, r"Invalid path: '\.\./x'"),
        ("f d/.VGIT", InvalidError, "kept for mounts"),
        ("f " + "n" * 256, InvalidError, "more than 255 bytes"),
    ],
)
def test_what_is_refused(repository: Repository, arguments: str, error: type[Exception], complaint: str) -> None:
    words = arguments.split()
    recursive = words[0] == "-r"
    before = nothing_happens(repository)
    with pytest.raises(error, match=complaint):
        cp(repository, *words[recursive:], recursive=recursive)
    assert nothing_happens(repository) == before


def test_nothing_given(repository: Repository) -> None:
    with pytest.raises(InvalidError, match="no source"):
        cp(repository, "new")


def test_a_file_replaces_no_directory_and_the_other_way_round() -> None:
    repository = new_volume()
    put(repository, {"a/x": b"1", "b/x/y": b"2"})
    with pytest.raises(NotADirectoryConflict, match="'a/x' is a file"):
        cp(repository, "b/.", "a", recursive=True)
    with pytest.raises(IsADirectoryConflict, match="'b/x' is a directory"):
        cp(repository, "a/x", "b")
    assert contents(repository) == {"a/x": b"1", "b/x/y": b"2"}


def test_directories_of_one_name_become_one() -> None:
    repository = new_volume()
    put(repository, {"a/d/x": b"1", "b/d/y": b"2", "to/d/z": b"3"})
    cp(repository, "a/d", "b/d", "to", recursive=True)
    assert {path for path in contents(repository) if path.startswith("to")} == {"to/d/x", "to/d/y", "to/d/z"}
    put(repository, {"c/d/x": b"4"})
    with pytest.raises(ConflictError, match="two sources would be copied to 'to/d/x'"):
        cp(repository, "a/d", "c/d", "to", recursive=True)


def test_all_kinds_are_kept_with_their_modes_and_get_the_time_of_now() -> None:
    repository, clock = states.volume()
    state = {
        "run": states.file(b"#!", 0o755, 5),
        "link": states.symlink(b"run"),
        "fifo": states.fifo(),
        "empty": states.directory({}, 0o700, 5),
        ".git": states.directory({"x": states.file(b"1", 0o600, 5)}, 0o711, 5),
    }
    states.commit_state(repository, {"d": states.directory(state)})
    clock.seconds += 100
    assert cp(repository, "d", "new", recursive=True) is not None
    for path in (*state, ".git/x"):
        old, new = expect_entry(repository, f"d/{path}"), expect_entry(repository, f"new/{path}")
        assert new.mtime_ns == clock.seconds * 10**9
        assert new._replace(mtime_ns=0, id=None) == old._replace(mtime_ns=0, id=None)
        assert old.is_directory or new.id == old.id
    assert expect_entry(repository, "new/fifo").kind is Kind.FIFO
    assert expect_entry(repository, "new").mtime_ns == clock.seconds * 10**9
    assert cp(repository, "d/.", "new", recursive=True) is None  # at the same moment


def test_a_link_is_copied_and_replaced_but_never_followed() -> None:
    repository, _ = states.volume()
    states.commit_state(
        repository, {"f": states.file(b"1"), "to f": states.symlink(b"f"), "to d": states.symlink(b"d")}
    )
    cp(repository, "to f", "copy")
    assert expect_entry(repository, "copy").kind is Kind.SYMLINK
    cp(repository, "f", "to d")
    assert expect_entry(repository, "to d").kind is Kind.FILE
    assert contents(repository) == {"f": b"1", "to f": b"f", "to d": b"1", "copy": b"f"}


def test_a_large_file_costs_nothing(tmp_path: FilePath) -> None:
    with create_local(tmp_path / "v.git") as repository:
        put(repository, {"d/large": LARGE, "d/small": b"1"})
        published = cp(repository, "d", "new", recursive=True)
        assert published is not None and published.commit.counts is not None
        assert published.commit.counts.bytes_added < 3000
        assert expect_entry(repository, "new/large").is_chunked
        assert contents(repository) == {
            f"{d}/{n}": data for d in ("d", "new") for n, data in (("large", LARGE), ("small", b"1"))
        }
    fsck(tmp_path / "v.git")


def test_a_directory_that_stays_keeps_its_mode() -> None:
    repository, _ = states.volume()
    directories = {
        name: states.directory({"x": states.directory({}, bits)}) for name, bits in (("a", 0o700), ("b", 0o711))
    }
    states.commit_state(repository, directories)
    cp(repository, "a/.", "b", recursive=True)
    assert stat.S_IMODE(expect_entry(repository, "b/x").mode) == 0o711
    cp(repository, "a/.", "c", recursive=True)
    assert stat.S_IMODE(expect_entry(repository, "c/x").mode) == 0o700


def test_what_stock_git_wrote_is_copied_too(tmp_path: FilePath) -> None:
    create_local(tmp_path / "v.git").close()
    work = gitjudge.clone(tmp_path / "v.git", tmp_path / "work")
    (work / "d").mkdir()
    (work / "d" / "run").write_bytes(b"#!")
    (work / "d" / "run").chmod(0o755)
    for arguments in (("add", "."), ("commit", "-qm", "by git"), ("push", "-q", "origin", "HEAD:main")):
        gitjudge.run(work / ".git", f"--work-tree={work}", "-C", str(work), *arguments)
    with open_local(tmp_path / "v.git") as repository:
        cp(repository, "d", "new", recursive=True)
        assert contents(repository) == {"d/run": b"#!", "new/run": b"#!"}
        assert expect_entry(repository, "new/run").git_mode == 0o100755
        assert entry(repository, "new/d") is None
    fsck(tmp_path / "v.git")
