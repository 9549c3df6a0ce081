"""Test_download: a published state on the local file system: whole, exact, and never more than was asked for."""

import errno
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

import pytest

import vgit
from tests.history import states
from tests.writers import publish
from vgit.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptObjectError,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.paths import parse_path
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView
from vgit.transfer import download as download_module
from vgit.transfer.download import download
from vgit.transfer.local_target import DownloadSource
from vgit.transfer.transfer_progress import Progress

ROOT = FilePath(__file__).parent.parent.parent
LARGE = os.urandom(1 << 20) * 9 + b"end"
Get = Callable[..., None]


@pytest.fixture
def volume(tmp_path: FilePath) -> vgit.Volume:
    """A volume with one of each kind."""
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.mount(tmp_path / "source") as path:
        fill(path)
    return volume


def fill(path: FilePath) -> None:
    for name in ("d", "d/empty", "d/closed", "d/deep/er"):
        (path / name).mkdir(parents=True)
    (path / "a.txt").write_text("one\n")
    (path / "d" / "none").touch()
    (path / "d" / "large").write_bytes(LARGE)
    (path / "d" / "run").write_text("#!/bin/sh\n")
    (path / "d" / "run").chmod(0o750)
    (path / "d" / "closed" / "f").write_text("within")
    (path / "d" / "deep" / "er" / "sparse").write_bytes(bytes(9 << 20))
    os.symlink("../a.txt", path / "d" / "link")
    os.symlink("/nowhere", path / "d" / "dangling")
    os.mkfifo(path / "d" / "fifo", 0o620)
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path / "d")  # the address of a socket is short
        one.bind("socket")
        os.chdir(here)
    (path / "d" / os.fsdecode(b"caf\xff\n")).write_text("odd")
    (path / "d" / "closed").chmod(0o500)
    for number, one in enumerate(sorted(path.rglob("*"))):
        if ".vgit" not in one.parts:
            os.utime(one, ns=(0, 10**18 + number * 12_345_678_901), follow_symlinks=False)


@pytest.fixture
def get(volume: vgit.Volume) -> Get:
    return partial(get_from, volume.repository)


def get_from(repository: Repository, path: str, destination: FilePath | str, **options: object) -> None:
    view = TreeView.at(repository, repository.head())
    source = DownloadSource(repository.head(), parse_path(path), view.expect(parse_path(path)))
    download(repository, source, str(destination), **options)  # type: ignore[arg-type]


def tree(path: FilePath) -> dict[str, tuple[object, ...]]:
    """Return all below ``path``: kind and mode, mtime of what is not a directory being worked in, and content."""
    found: dict[str, tuple[object, ...]] = {}
    for one in sorted(path.rglob("*")):
        name = str(one.relative_to(path))
        if name.split("/")[0] == ".vgit":
            continue
        status = one.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = one.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(one)
        found[name] = (oct(status.st_mode), status.st_mtime_ns, content)
    return found


def names(path: FilePath) -> list[str]:
    return sorted(os.listdir(path))


def test_the_root_into_a_new_directory_is_the_same_tree(tmp_path: FilePath, get: Get) -> None:
    get("/", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "source")
    assert len(tree(tmp_path / "out")) > 14
    assert (tmp_path / "out/d/deep/er/sparse").stat().st_blocks < 100, "zeros are a hole"


def test_the_root_into_an_existing_directory_goes_directly_there(tmp_path: FilePath, get: Get) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o711)
    (out / "own").touch()
    get("/", out)
    assert names(out) == ["a.txt", "d", "own"]
    assert out.stat().st_mode & 0o777 == 0o711
    assert tree(out / "d") == tree(tmp_path / "source/d")


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_directory_for_the_root_is_as_any_other_until_somebody_sets_its_mode(
    tmp_path: FilePath, volume: vgit.Volume, get: Get, mask: int
) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    before = os.umask(mask)
    try:
        get("/", tmp_path / "new")
        get("/", tmp_path / "private")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777 & ~mask
        with volume.mount(tmp_path / "source") as path:
            path.chmod(0o751)
        get("/", tmp_path / "set")
        assert (tmp_path / "set").stat().st_mode & 0o777 == 0o751
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_a_file_goes_to_a_path_or_into_a_directory(tmp_path: FilePath, get: Get) -> None:
    get("a.txt", tmp_path / "new name")
    assert (tmp_path / "new name").read_text() == "one\n"
    (tmp_path / "into").mkdir()
    get("d/run", tmp_path / "into")
    get("d/link", tmp_path / "into")
    get("a.txt", f"{tmp_path}/into/")
    assert names(tmp_path / "into") == ["a.txt", "link", "run"]
    assert (tmp_path / "into/run").lstat() != os.lstat(tmp_path / "source/d/run")
    assert (tmp_path / "into/run").lstat().st_mtime_ns == os.lstat(tmp_path / "source/d/run").st_mtime_ns
    assert os.readlink(tmp_path / "into/link") == "../a.txt"


def test_a_directory_goes_under_its_name_or_is_the_path(tmp_path: FilePath, get: Get) -> None:
    get("d", tmp_path / "copy")
    (tmp_path / "into").mkdir()
    get("d", tmp_path / "into")
    expected = tree(tmp_path / "source/d")
    assert tree(tmp_path / "copy") == tree(tmp_path / "into/d") == expected
    assert (tmp_path / "copy").stat().st_mtime_ns == (tmp_path / "source/d").stat().st_mtime_ns


def test_the_destination_itself_may_be_a_link(tmp_path: FilePath, get: Get) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    get("d", tmp_path / "link")
    assert names(tmp_path / "real") == ["d"]
    (tmp_path / "dangling").symlink_to("elsewhere")
    with pytest.raises(AlreadyExistsError):
        get("a.txt", tmp_path / "dangling")
    get("a.txt", tmp_path / "dangling", force=True)
    assert not (tmp_path / "elsewhere").exists() and (tmp_path / "dangling").read_text() == "one\n"


def test_what_exists_is_left_alone_and_nothing_is_written(tmp_path: FilePath, get: Get) -> None:
    out = tmp_path / "out"
    (out / "d").mkdir(parents=True)
    (out / "d" / "run").write_text("mine")
    before = tree(out)
    with pytest.raises(AlreadyExistsError, match=r"out/d/run exists already, and nothing was written.*force"):
        get("d", out)
    assert tree(out) == before
    with pytest.raises(AlreadyExistsError):
        get("a.txt", out / "d" / "run")
    assert tree(out) == before


def test_force_replaces_what_it_writes_and_nothing_else(tmp_path: FilePath, get: Get) -> None:
    out = tmp_path / "out"
    (out / "d" / "deep").mkdir(parents=True)
    (out / "d").chmod(0o711)
    (out / "d" / "run").write_text("mine")
    (out / "d" / "own").write_text("mine")
    (out / "d" / "fifo").symlink_to("own")
    os.mkfifo(out / "d" / "none")
    (out / "d" / "deep" / "own").write_text("mine")
    get("d", out, force=True)
    expected = tree(tmp_path / "source/d")
    found = tree(out / "d")
    assert found.pop("own")[2] == found.pop("deep/own")[2] == b"mine"
    assert found.pop("deep") != expected.pop("deep"), "the time of a directory that was there is that of the change"
    assert found == expected
    assert (out / "d").stat().st_mode & 0o777 == 0o711, "so is its mode its own"
    get("/", out, force=True)
    get("/", out, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_and_a_file_never_replace_each_other(tmp_path: FilePath, get: Get, force: bool) -> None:
    out = tmp_path / "out"
    (out / "a.txt").mkdir(parents=True)
    with pytest.raises(IsADirectoryConflict, match=r"out/a\.txt is a directory"):
        get("/", out, force=force)
    with pytest.raises(IsADirectoryConflict):
        get("a.txt", out, force=force)
    (out / "a.txt").rmdir()
    (out / "d").write_text("file")
    with pytest.raises(NotADirectoryConflict, match="out/d is a file"):
        get("/", out, force=force)
    with pytest.raises(NotADirectoryConflict, match="out/d is a file"):
        get("d", out / "d", force=force)
    assert names(out) == ["d"]


@pytest.mark.parametrize("force", [False, True])
def test_a_link_in_the_destination_is_never_followed(tmp_path: FilePath, get: Get, force: bool) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (out / "d").mkdir(parents=True)
    (out / "d" / "deep").symlink_to(outside)
    with pytest.raises(NotADirectoryConflict, match="out/d/deep is a symbolic link"):
        get("d", out, force=force)
    assert names(outside) == [] and names(out / "d") == ["deep"]


def test_a_link_to_a_file_is_replaced_and_not_written_through(tmp_path: FilePath, get: Get) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.write_text("mine")
    out.mkdir()
    (out / "a.txt").symlink_to(outside)
    get("a.txt", out, force=True)
    assert outside.read_text() == "mine" and not (out / "a.txt").is_symlink()


def test_a_device_is_never_replaced(get: Get) -> None:
    with pytest.raises(ConflictError, match="'-' writes to standard output"):
        get("a.txt", "/dev/null", force=True)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_what_could_be_taken_for_a_mounts_state_is_not_written(tmp_path: FilePath) -> None:
    repository = states.volume()[0]
    state = states.directory(
        {
            ".vgit": states.directory({"mount": states.file(b"{}")}),
            ".VGIT": states.file(b""),
            "x": states.file(b"1"),
        }
    )
    states.commit_state(repository, {"n": state, "d": states.directory({"n": state}), ".vgit": state})
    get_from(repository, "/", tmp_path / "all")
    get_from(repository, "n/.vgit", tmp_path / "other")
    (tmp_path / "in").mkdir()
    for source, destination in (("n/.vgit", tmp_path / "in"), ("n", tmp_path / "in/.vgit")):
        with pytest.raises(InvalidError, match="kept for mounts"):
            get_from(repository, source, destination)
    assert names(tmp_path) == ["all", "in", "other"] and names(tmp_path / "in") == []
    assert {str(one.relative_to(tmp_path / "all")) for one in (tmp_path / "all").rglob("*")} == {
        "d", "d/n", "d/n/x", "n", "n/x",
    }  # fmt: skip


def test_bad_destinations(tmp_path: FilePath, get: Get) -> None:
    with pytest.raises(NotFoundError, match=r"No such directory: .*/no/such"):
        get("a.txt", tmp_path / "no" / "such" / "file")
    with pytest.raises(NotFoundError, match="leave the / at its end away"):
        get("a.txt", f"{tmp_path}/new/")
    get("d", f"{tmp_path}/new/")
    with pytest.raises(InvalidError, match="is empty"):
        get("a.txt", "")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        get("a.txt", tmp_path / "file" / "below")
    with pytest.raises(OSError) as raised:
        get("a.txt", "/proc/new")
    assert raised.value.filename == "/proc/new"


def test_a_name_that_the_file_system_cannot_hold_is_refused_before_anything_is_written(
    tmp_path: FilePath, volume: vgit.Volume
) -> None:
    repository = volume.repository
    publish(repository, {("d2", "fine"): b"x", ("d2", "é" * 200): b"y"})
    with pytest.raises(InvalidError, match="a name of 400 bytes; this file system takes 255"):
        get_from(repository, "d2", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    publish(repository, {("d2", "é" * 200): None, ("d2", "é" * 127): b"y"})
    get_from(repository, "d2", tmp_path / "out")
    assert names(tmp_path / "out") == ["fine", "é" * 127]
    get_from(repository, "d2", tmp_path / "out", force=True)


class Watcher:
    """Adds up; fails at a number of files."""

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.expected = self.done = (0, 0)
        self._fail_at = fail_at

    def expect(self, files: int, size_bytes: int) -> None:
        self.expected = (self.expected[0] + files, self.expected[1] + size_bytes)

    def advance(self, files: int, size_bytes: int) -> None:
        self.done = (self.done[0] + files, self.done[1] + size_bytes)
        if self.done[0] == self._fail_at:
            raise RuntimeError("stop here")


@pytest.mark.parametrize("is_merged", [False, True])
def test_progress_adds_up(tmp_path: FilePath, get: Get, is_merged: bool) -> None:
    watcher: Progress = Watcher()
    if is_merged:
        (tmp_path / "out" / "d").mkdir(parents=True)
    get("/", tmp_path / "out", progress=watcher)
    size_bytes = sum(len(one[2]) for one in tree(tmp_path / "source").values() if isinstance(one[2], bytes))
    assert watcher.expected == watcher.done == (11, size_bytes)  # type: ignore[attr-defined]


@pytest.mark.parametrize("fail_at", [1, 3, 11])
@pytest.mark.parametrize("is_merged", [False, True])
def test_after_an_error_nothing_is_left(tmp_path: FilePath, get: Get, fail_at: int, is_merged: bool) -> None:
    out = tmp_path / "out"
    if is_merged:
        (out / "d").mkdir(parents=True)
        (out / "d" / "run").write_text("mine")
    before = tree(tmp_path / "out")
    with pytest.raises(RuntimeError, match="stop here"):
        get("/", out, force=True, progress=Watcher(fail_at=fail_at))
    assert {name: one[2] for name, one in tree(out).items()} == {name: one[2] for name, one in before.items()}
    assert names(tmp_path) == (["out"] if is_merged else []) + ["source", "store"]


def test_what_has_its_name_stays_and_what_has_not_goes(
    tmp_path: FilePath, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "BATCH_FILES", 2)
    out = tmp_path / "out"
    (out / "d").mkdir(parents=True)
    with pytest.raises(RuntimeError):
        get("/", out, progress=Watcher(fail_at=8))
    found, expected = tree(out), tree(tmp_path / "source")
    assert found and set(found) < set(expected)
    assert all(one == expected[name] for name, one in found.items() if name != "d"), "whole or not at all"
    get("/", out, force=True)
    assert names(out / "d") == names(tmp_path / "source/d")


def test_somebody_makes_the_name_meanwhile(tmp_path: FilePath, get: Get) -> None:
    class Meddler(Watcher):
        def advance(self, files: int, size_bytes: int) -> None:
            (tmp_path / "out").write_text("theirs")

    with pytest.raises(AlreadyExistsError, match="out was made by somebody else meanwhile"):
        get("a.txt", tmp_path / "out", progress=Meddler())
    assert (tmp_path / "out").read_text() == "theirs"
    assert names(tmp_path) == ["out", "source", "store"]


def test_a_full_disk_is_one_error_with_the_path(tmp_path: FilePath, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError) as raised:
            get("d", tmp_path / "out")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, f"{tmp_path}/out/large")
    assert names(tmp_path) == ["source", "store"]


def test_damage_is_named_and_nothing_is_written(tmp_path: FilePath, volume: vgit.Volume, get: Get) -> None:
    for pack in FilePath(volume.git_dir).glob("objects/pack/*.pack"):
        data = bytearray(pack.read_bytes())
        at = data.find(LARGE[:100])
        if at >= 0:
            data[at] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(data)
    with pytest.raises(CorruptObjectError, match=r"d/large at revision .* is damaged in the store") as raised:
        get("d", tmp_path / "elsewhere")
    assert "Nothing of it was written" in str(raised.value)
    assert names(tmp_path) == ["source", "store"]


_GET = """
import sys
from vgit.paths import parse_path
from vgit.repository.tree_view import TreeView
from vgit.transfer.download import download
from vgit.transfer.local_target import DownloadSource
import vgit

class Stop:
    def expect(self, files, size_bytes): pass
    def advance(self, files, size_bytes):
        print("more", flush=True)
        sys.stdin.readline()

store, path, destination = sys.argv[1:]
repository = vgit.Volume.from_name("x", client=vgit.Client(store)).repository
view = TreeView.at(repository, repository.head())
source = DownloadSource(repository.head(), parse_path(path), view.expect(parse_path(path)))
download(repository, source, destination, force=True, progress=Stop())
"""


@pytest.mark.parametrize("steps", [1, 2, 5, 8])
@pytest.mark.parametrize("path", ["d/large", "d", "/"])
def test_a_killed_process_leaves_no_half_file_under_a_name_that_counts(
    tmp_path: FilePath, volume: vgit.Volume, path: str, steps: int
) -> None:
    out = tmp_path / "out"
    (out / "d").mkdir(parents=True)
    (out / "large").write_text("mine")
    (out / "d" / "large").write_text("mine")
    command = [sys.executable, "-c", textwrap.dedent(_GET), str(tmp_path / "store"), path, str(out)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as process:
        assert process.stdin is not None and process.stdout is not None
        for _ in range(steps):
            process.stdout.readline()
            process.stdin.write(b"\n")
            process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    expected = tree(tmp_path / "source")
    for name, one in tree(out).items():
        if ".vgit-" in name or one[2] == b"mine" or one[2] is None:
            continue
        assert one == expected["d/large" if name == "large" else name], name
    assert (out / "d" / "large").read_bytes() in (b"mine", LARGE)


@pytest.fixture
def public() -> Iterator[FilePath]:
    """A directory that everybody may look into, unlike pytest's own."""
    with TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        yield FilePath(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_without_the_rights_of_root(public: FilePath) -> None:
    """Directories without w are filled, and removed after an error; one that may not be written is one error."""
    client = vgit.Client(public / "store", author="Test <test@example.org>")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.mount(public / "source") as path:
        fill(path)
    out, locked = public / "out", public / "locked"
    out.mkdir()
    out.chmod(0o777)
    locked.mkdir(mode=0o755)
    os.seteuid(65534)
    try:
        get_from(volume.repository, "d", out)
        with pytest.raises(RuntimeError):
            get_from(volume.repository, "d", out / "again", progress=Watcher(fail_at=10))
        with pytest.raises(PermissionError) as raised:
            get_from(volume.repository, "a.txt", locked)
    finally:
        os.seteuid(0)
    assert names(out) == ["d"]
    assert (out / "d" / "closed").stat().st_mode & 0o777 == 0o500
    assert raised.value.filename == f"{locked}/a.txt"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_closed_directory_goes_too_if_its_name_is_taken_at_the_last_moment(public: FilePath) -> None:
    client = vgit.Client(public / "store", author="Test <test@example.org>")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.mount(public / "source") as path:
        (path / "d" / "closed").mkdir(parents=True)
        (path / "d" / "closed" / "f").touch()
        (path / "d" / "closed").chmod(0o500)
        (path / "d").chmod(0o500)
    out = public / "out"
    out.mkdir()
    out.chmod(0o777)

    class Meddler(Watcher):
        def advance(self, files: int, size_bytes: int) -> None:
            (out / "d").touch()

    os.seteuid(65534)
    try:
        with pytest.raises(AlreadyExistsError):
            get_from(volume.repository, "d", out, progress=Meddler())
    finally:
        os.seteuid(0)
    assert names(out) == ["d"]


def test_a_file_object_is_told_how_far_it_is(volume: vgit.Volume) -> None:
    """The callback is called as Modal's client calls it."""
    told: list[int] = []
    out = io.BytesIO(b"before")
    out.seek(0, os.SEEK_END)
    assert volume.read_file_into_fileobj("d/large", out, progress_cb=lambda *, advance: told.append(advance)) == sum(
        told
    )
    assert out.getvalue() == b"before" + LARGE and len(told) > 1


def test_a_raw_file_that_takes_a_part_gets_the_rest(volume: vgit.Volume) -> None:
    class Narrow(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            return super().write(data[:1000])

    out = Narrow()
    assert volume.at("HEAD").read_file_into_fileobj("a.txt", out) == 4
    assert volume.read_file_into_fileobj("d/large", out) == len(LARGE)
    assert out.getvalue() == b"one\n" + LARGE
