"""Test_upload: the rules of a batch: what is put where, what is in its way, and that it is all or nothing."""

import io
import os
import random
import socket
import stat
from pathlib import Path as FilePath

import pytest

from tests.gitjudge import fsck
from tests.transfer.uploads import (
    Counted,
    commits,
    contents,
    entry,
    expect_entry,
    new_volume,
    nothing_happens,
    of,
    put,
    put_all,
    tree,
    write_local,
)
from tests.volumes import create_local
from vgit.backend.local import LocalBackend
from vgit.content import store_bytes
from vgit.errors import (
    AlreadyExistsError,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.files.content_sink import PackSink
from vgit.transfer.puts import put_directory, put_file
from vgit.tree.entry import Entry, Kind

NOISE = random.Random(0).randbytes(9 << 20)


def test_a_batch_is_one_commit_and_makes_parents(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"local", "d/g": b"below", "d/empty/": b""})
    with create_local(tmp_path / "v.git") as repository:
        published = put_all(repository, put_file(local / "f", "/a/b/f"), of(b"object", "o"), tree(local / "d", "x/y"))
        assert published is not None and published.commit.message == "3 added"
        assert contents(repository) == {"a/b/f": b"local", "o": b"object", "x/y/g": b"below"}
        assert expect_entry(repository, "x/y/empty").is_directory
        assert expect_entry(repository, "a").mode == 0o040755
        assert abs(expect_entry(repository, "a").mtime_ns - repository.clock.now_ns()) < 600 * 10**9
        assert commits(repository) == 2
    fsck(tmp_path / "v.git")


def test_modes_and_mtimes(tmp_path: FilePath) -> None:
    local = tmp_path / "f"
    local.write_bytes(b"1")
    local.chmod(0o711)
    os.utime(local, ns=(5, 1_600_000_000_123_456_789))
    repository = new_volume()
    put_all(
        repository,
        put_file(local, "own"),
        put_file(str(local), "given", 0o640),
        put_file(local, "st_mode", stat.S_IFREG | 0o600),
        of(b"1", "object"),
        of(b"1", "object given", 0o755),
    )
    modes = {path: expect_entry(repository, path).mode & 0o7777 for path in contents(repository)}
    assert modes == {"own": 0o711, "given": 0o640, "st_mode": 0o600, "object": 0o644, "object given": 0o755}
    assert expect_entry(repository, "own").mtime_ns == 1_600_000_000_123_456_789
    assert expect_entry(repository, "own").git_mode == 0o100755
    assert expect_entry(repository, "given").git_mode == 0o100644
    assert abs(expect_entry(repository, "object").mtime_ns - repository.clock.now_ns()) < 600 * 10**9


@pytest.mark.parametrize("force", [False, True])
def test_what_exists_fails_the_whole_batch_unless_forced(force: bool) -> None:
    repository = new_volume()
    put(repository, {"d/old": b"old", "stays": b"stays"})
    before = nothing_happens(repository)
    wanted = {"d/new": b"new", "d/old": b"newer"}
    if force:
        published = put(repository, wanted, force=True)
        assert published is not None and published.overwrote == ()  # it was seen
        assert contents(repository) == {"d/new": b"new", "d/old": b"newer", "stays": b"stays"}
    else:
        with pytest.raises(AlreadyExistsError, match="'d/old' exists"):
            put(repository, wanted)
        assert nothing_happens(repository) == before


def test_what_exists_is_found_before_anything_is_read() -> None:
    repository = new_volume()
    put(repository, {"old": b"old"})
    stream = io.BytesIO(b"never read")
    stream.seek(3)
    with pytest.raises(AlreadyExistsError):
        put_all(repository, put_file(stream, "new"), of(b"", "old"))
    assert stream.tell() == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_file_never_replaces_a_directory(force: bool) -> None:
    repository = new_volume()
    put(repository, {"d/f": b"1"})
    with pytest.raises(IsADirectoryConflict, match="'d' is a directory"):
        put(repository, {"d": b"2"}, force=force)
    assert contents(repository) == {"d/f": b"1"}


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_way_of_a_path(tmp_path: FilePath, force: bool) -> None:
    repository = new_volume()
    put(repository, {"f": b"1"})
    local = write_local(tmp_path, {"x": b"2"})
    for one in (of(b"2", "f/below/it"), tree(local, "f"), tree(local, "f/below")):
        with pytest.raises(NotADirectoryConflict, match="'f' is a file"):
            put_all(repository, one, force=force)
    assert contents(repository) == {"f": b"1"}


def test_the_last_put_of_a_path_wins(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"from the directory"})
    repository = new_volume()
    put_all(repository, of(b"1", "f"), of(b"2", "/./f"), tree(local, "/"))
    assert contents(repository) == {"f": b"from the directory"}
    put_all(repository, tree(local, "d"), of(b"3", "d/f"))
    assert contents(repository)["d/f"] == b"3"


def test_puts_that_are_in_each_others_way(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"d/f": b""})
    repository = new_volume()
    with pytest.raises(NotADirectoryConflict, match="a file at 'a' and 'a/b' below it"):
        put(repository, {"a/b": b"1", "a": b"2"})
    with pytest.raises(IsADirectoryConflict, match="a directory and a file at 'd'"):
        put_all(repository, tree(local, "/"), of(b"", "d"))
    assert commits(repository) == 1


def test_what_is_there_already_makes_no_commit(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"1", "d/big": NOISE, "d/e/": b""})
    os.symlink("f", local / "link")
    repository = new_volume()
    assert put_all(repository, tree(local, "x")) is not None
    assert put_all(repository, tree(local, "x"), force=True) is None
    (local / "f").chmod(0o600)
    assert put_all(repository, tree(local, "x"), force=True) is not None
    os.utime(local / "f", ns=(1, 1))
    assert put_all(repository, tree(local, "x"), force=True) is not None
    assert expect_entry(repository, "x/f").mtime_ns == 1
    assert put_all(repository) is None


def test_a_directory_that_exists_is_merged_and_keeps_its_mode(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"d/new": b"new"})
    (local / "d").chmod(0o700)
    repository = new_volume()
    put(repository, {"x/d/old": b"old"})
    assert put_all(repository, tree(local, "x")) is not None
    assert contents(repository) == {"x/d/old": b"old", "x/d/new": b"new"}
    assert expect_entry(repository, "x/d").mode & 0o777 == 0o755
    with pytest.raises(AlreadyExistsError, match="'x/d/new'"):
        put_all(repository, tree(local, "x"))


def test_a_directory_keeps_links_modes_empty_directories_and_special_files(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"run": b"#!", "private/empty/": b""})
    (local / "run").chmod(0o755)
    (local / "private").chmod(0o700)
    os.symlink("nowhere", local / "broken")
    os.symlink("private", local / "to a directory")
    os.mkfifo(local / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(local / "socket"))
        repository = new_volume()
        put_all(repository, tree(local, "x"))
    kinds = {name: expect_entry(repository, f"x/{name}").kind for name in os.listdir(local)}
    assert kinds == {
        "run": Kind.FILE,
        "private": Kind.DIRECTORY,
        "broken": Kind.SYMLINK,
        "to a directory": Kind.SYMLINK,
        "fifo": Kind.FIFO,
        "socket": Kind.SOCKET,
    }
    assert expect_entry(repository, "x/run").mode == 0o100755
    assert expect_entry(repository, "x/private").mode == 0o040700
    assert expect_entry(repository, "x/private/empty").is_directory
    assert contents(repository)["x/broken"] == b"nowhere"


def test_without_recursive_only_the_directorys_own_files(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"1", "d/g": b"2"})
    os.symlink("f", local / "link")
    repository = new_volume()
    put_all(repository, tree(local, "x", recursive=False))
    assert contents(repository) == {"x/f": b"1", "x/link": b"f"}
    assert entry(repository, "x/d") is None


def test_a_link_that_is_named_is_followed(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"1", "d/g": b"2"})
    os.symlink("f", local / "to f")
    os.symlink("d", local / "to d")
    repository = new_volume()
    put_all(repository, put_file(local / "to f", "f"), tree(local / "to d", "d"))
    assert contents(repository) == {"f": b"1", "d/g": b"2"}


def test_what_is_not_there_or_of_another_kind(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"f": b"1", "d/g": b"2"})
    os.mkfifo(local / "fifo")
    repository = new_volume()
    for one in (put_file(local / "gone", "x"), tree(local / "gone", "x")):
        with pytest.raises(NotFoundError, match=r"No such local file or directory: .*gone"):
            put_all(repository, of(b"", "a"), one)
    with pytest.raises(IsADirectoryConflict, match="put_directory uploads one"):
        put_all(repository, put_file(local / "d", "x"))
    with pytest.raises(NotADirectoryConflict, match="put_file uploads a file"):
        put_all(repository, tree(local / "f", "x"))
    with pytest.raises(InvalidError, match="not a regular file"):
        put_all(repository, put_file(local / "fifo", "x"))
    with pytest.raises(InvalidError, match="device"):
        put_all(repository, tree(FilePath("/dev"), "x", recursive=False))
    assert commits(repository) == 1


def test_a_file_that_goes_between_the_walk_and_its_turn(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"a": NOISE, "b": NOISE})
    repository = new_volume()

    class Remove(Counted):
        def advance(self, files: int, size_bytes: int) -> None:
            (local / "b").unlink(missing_ok=True)

    with pytest.raises(FileNotFoundError, match="Nothing was uploaded"):
        put_all(repository, tree(local, "/"), progress=Remove())
    assert commits(repository) == 1


@pytest.mark.parametrize(
    "path", ["", "/", ".", "dir/", "dir/.", "/a/../b", "a\0b", "/.vgit", ".vgit/x", "a/.VGit/b", "n" * 256]
)
def test_paths_that_no_file_can_have(path: str) -> None:
    with pytest.raises(InvalidError, match="Invalid path"):
        put_file(io.BytesIO(), path)


def test_paths_that_no_directory_can_have(tmp_path: FilePath) -> None:
    for path in ("..", "a\0b", ".vgit", "é" * 128):
        with pytest.raises(InvalidError, match="Invalid path"):
            put_directory(tmp_path, path, recursive=True)
    write_local(tmp_path, {".vgit": b"not a mount"})
    repository = new_volume()
    put_all(repository, tree(tmp_path, "/"), tree(tmp_path, "below"))
    assert contents(repository) == {}


@pytest.mark.parametrize("mode", [-1, 0o200000, stat.S_IFDIR | 0o755, "644", True, 0.5])
def test_modes_that_no_file_can_have(mode: int) -> None:
    with pytest.raises(InvalidError, match="Invalid mode"):
        put_file(io.BytesIO(), "x", mode)


def test_a_name_that_is_not_utf8(tmp_path: FilePath) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff", "wb") as file:
        file.write(b"1")
    repository = new_volume()
    put_all(repository, tree(tmp_path, "/"), put_file(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"), "d/\udcfe"))
    assert contents(repository) == {"\udcff": b"1", "d/\udcfe": b"1"}


def test_a_new_version_shares_chunks_with_the_old(tmp_path: FilePath) -> None:
    local = write_local(tmp_path, {"big": NOISE})
    repository = new_volume()
    put_all(repository, put_file(local / "big", "big"))
    (local / "big").write_bytes(NOISE + b"more")
    published = put_all(repository, put_file(local / "big", "big"), force=True)
    assert published is not None
    assert contents(repository) == {"big": NOISE + b"more"}
    assert published.commit.counts is not None and published.commit.counts.bytes_added < 2 << 20


def test_a_file_that_never_holds_still_is_stored_and_named(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    local = write_local(tmp_path, {"d/log": NOISE, "d/still": b"1"})
    add_file = PackSink.add_file
    reads = []

    def grow_then_keep(self: PackSink, descriptor: int, size: int, seen: Entry | None) -> object:
        reads.append(size)
        with open(local / "d/log", "ab") as file:
            file.write(b"+")
        return add_file(self, descriptor, size, seen)

    monkeypatch.setattr(PackSink, "add_file", grow_then_keep)
    repository = new_volume()
    published = put_all(repository, tree(local, "/"))
    assert published is not None and published.commit.unstable == (("d", "log"),)
    assert len(reads) == 3
    assert contents(repository)["d/log"] == NOISE + b"+++"


def test_a_small_file_that_is_written_while_it_is_read_is_read_again(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = write_local(tmp_path, {"f": b"one"})
    read = os.pread

    def write_then_read(descriptor: int, size: int, offset: int) -> bytes:
        monkeypatch.undo()
        with open(local / "f", "wb") as file:
            file.write(b"longer")
        return read(descriptor, size, offset)

    repository = new_volume()
    monkeypatch.setattr(os, "pread", write_then_read)
    published = put_all(repository, tree(local, "/"))
    assert published is not None and published.commit.unstable == ()
    assert contents(repository) == {"f": b"longer"}


def test_many_files_keep_their_own_contents(tmp_path: FilePath) -> None:
    """More than one job reads ahead, with large files, links and file objects between."""
    files = {f"d{n % 7}/{n}": b"%d" % n * (n % 50) for n in range(500)}
    local = write_local(tmp_path, {**files, "d3/big": NOISE, "d5/middle": NOISE[: 3 << 20]})
    os.symlink("target", local / "d3/link")
    repository = new_volume()
    progress = Counted()
    put_all(repository, of(NOISE[:5_000_000], "first"), tree(local, "/"), of(b"o", "last"), progress=progress)
    assert contents(repository) == {
        **files,
        "d3/big": NOISE,
        "d5/middle": NOISE[: 3 << 20],
        "d3/link": b"target",
        "first": NOISE[:5_000_000],
        "last": b"o",
    }
    assert progress.done[0] == progress.expected[0] == 505
    assert progress.done[1] == progress.expected[1] + len("target")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no more")])
@pytest.mark.parametrize("raise_at", [0, 1, 3, 40])
def test_an_interruption_leaves_nothing(tmp_path: FilePath, error: BaseException, raise_at: int) -> None:
    files = {f"{n:02}": b"%d" % n for n in range(50)}
    local = write_local(tmp_path / "local", {"0": NOISE, **files})  # more than is kept in memory: a pack is staged
    backend = LocalBackend(str(tmp_path / "v.git"))
    repository = new_volume(backend)
    before = {path for path in (tmp_path / "v.git").rglob("*") if path.is_file()}
    with pytest.raises(type(error)):
        put_all(repository, tree(local, "/"), progress=Counted(raise_at, error))
    assert {path for path in (tmp_path / "v.git").rglob("*") if path.is_file()} - before <= {
        tmp_path / "v.git/vgit.lock"
    }
    assert commits(repository) == 1
    assert put_all(repository, tree(local, "/")) is not None


def test_content_that_the_volume_has_is_not_written_again() -> None:
    repository = new_volume()
    put(repository, {"a": NOISE[: 4 << 20]})
    published = put(repository, {"b": NOISE[: 4 << 20]})
    assert published is not None and published.commit.counts is not None
    assert published.commit.counts.bytes_added < 2000
    with repository.objects.writer() as writer:
        assert expect_entry(repository, "b").id == store_bytes(NOISE[: 4 << 20], writer).id
