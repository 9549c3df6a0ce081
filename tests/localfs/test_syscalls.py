import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vgit.localfs import syscalls
from vgit.localfs.syscalls import (
    exchange,
    rename_noreplace,
    syncfs,
)


@pytest.fixture
def a(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    return tmp_path / "a"


@pytest.fixture
def b(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    return tmp_path / "b"


@pytest.fixture
def fds(a: Path, b: Path) -> Iterator[tuple[int, int]]:
    opened = os.open(a, os.O_RDONLY), os.open(b, os.O_RDONLY)
    yield opened
    for fd in opened:
        os.close(fd)


def unsupported(*_: object) -> int:
    ctypes.set_errno(errno.EINVAL)
    return -1


# The kernel's; a file system that does not know the flags; a C library without the call.
@pytest.fixture(params=["kernel", "by number", "old file system", "no such call"])
def is_atomic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "by number":
        monkeypatch.setattr(syscalls, "_libc", WithoutRenameat2())
        monkeypatch.setattr(syscalls, "_renameat2", syscalls._find_renameat2())
    elif request.param == "old file system":
        monkeypatch.setattr(syscalls, "_renameat2", unsupported)
    elif request.param == "no such call":
        monkeypatch.setattr(syscalls, "_renameat2", None)
    return request.param in ("kernel", "by number")


class WithoutRenameat2:
    def __init__(self) -> None:
        self.syscall = ctypes.CDLL(None, use_errno=True).syscall


def make(path: Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
        (path / "inner").write_text(path.name)
    elif kind == "link":
        path.symlink_to(f"to {path.name}")
    else:
        path.write_text(path.name)


def describe(path: Path) -> str:
    if path.is_symlink():
        return f"link {os.readlink(path)}"
    return f"directory {(path / 'inner').read_text()}" if path.is_dir() else f"file {path.read_text()}"


KINDS = ["file", "directory", "link"]


@pytest.mark.parametrize("kind", KINDS)
def test_rename_to_a_free_name(a: Path, b: Path, fds: tuple[int, int], is_atomic: bool, kind: str) -> None:
    make(a / "x", kind)
    before = describe(a / "x")
    assert rename_noreplace(fds[0], "x", fds[1], "y") == is_atomic
    assert describe(b / "y") == before
    assert not os.path.lexists(a / "x")


@pytest.mark.parametrize("kind", KINDS)
def test_rename_to_a_taken_name(a: Path, b: Path, fds: tuple[int, int], is_atomic: bool, kind: str) -> None:
    make(a / "x", "file")
    make(b / "y", kind)
    before = describe(b / "y")
    with pytest.raises(FileExistsError) as caught:
        rename_noreplace(fds[0], "x", fds[1], "y")
    assert (caught.value.filename, caught.value.filename2) == ("x", "y")
    assert describe(b / "y") == before
    assert describe(a / "x") == "file x"


def test_rename_of_what_is_absent(fds: tuple[int, int], is_atomic: bool) -> None:
    with pytest.raises(FileNotFoundError):
        rename_noreplace(fds[0], "x", fds[1], "y")


@pytest.mark.parametrize("ours", KINDS)
@pytest.mark.parametrize("theirs", KINDS)
def test_exchange(a: Path, b: Path, fds: tuple[int, int], is_atomic: bool, ours: str, theirs: str) -> None:
    make(a / "x", ours)
    make(b / "y", theirs)
    before = describe(a / "x"), describe(b / "y")
    inodes = (a / "x").lstat().st_ino, (b / "y").lstat().st_ino
    assert exchange(fds[0], "x", fds[1], "y") == is_atomic
    assert (describe(b / "y"), describe(a / "x")) == before
    assert ((b / "y").lstat().st_ino, (a / "x").lstat().st_ino) == inodes
    assert os.listdir(a) == ["x"]
    assert os.listdir(b) == ["y"]


@pytest.mark.parametrize("present", [None, "x", "y"])
def test_exchange_of_what_is_absent(
    a: Path, b: Path, fds: tuple[int, int], is_atomic: bool, present: str | None
) -> None:
    if present:
        make((a if present == "x" else b) / present, "file")
    with pytest.raises(FileNotFoundError):
        exchange(fds[0], "x", fds[1], "y")
    assert sorted(os.listdir(a) + os.listdir(b)) == ([present] if present else [])


def test_exchange_without_hard_links(a: Path, b: Path, fds: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(syscalls, "_renameat2", None)
    monkeypatch.setattr(os, "link", refuse)
    make(a / "x", "file")
    make(b / "y", "link")
    assert exchange(fds[0], "x", fds[1], "y") is False
    assert (describe(a / "x"), describe(b / "y")) == ("link to y", "file x")


@pytest.mark.parametrize("theirs", KINDS)
def test_exchange_that_fails_half_way_takes_back(
    a: Path, b: Path, fds: tuple[int, int], monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    rename = os.rename

    def fail_once(source: str, target: str, **options: int) -> None:
        if source == "x":
            raise OSError(errno.EIO, "broken disk")
        rename(source, target, **options)

    monkeypatch.setattr(syscalls, "_renameat2", None)
    monkeypatch.setattr(os, "rename", fail_once)
    make(a / "x", "file")
    make(b / "y", theirs)
    before = describe(b / "y")
    with pytest.raises(OSError, match="broken disk"):
        exchange(fds[0], "x", fds[1], "y")
    assert (describe(a / "x"), describe(b / "y")) == ("file x", before)
    assert os.listdir(a) == ["x"]


def test_exchange_keeps_what_a_crash_left_aside(
    a: Path, b: Path, fds: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "_renameat2", None)
    make(a / "x", "file")
    make(a / "x.aside", "file")
    make(b / "y", "file")
    with pytest.raises(FileExistsError, match=r"x\.aside"):
        exchange(fds[0], "x", fds[1], "y")
    assert describe(a / "x.aside") == "file x.aside"


def test_names_are_bytes_on_disk(a: Path, fds: tuple[int, int], is_atomic: bool) -> None:
    make(a / "x", "file")
    name = os.fsdecode(b"a\xff")
    rename_noreplace(fds[0], "x", fds[0], name)
    assert os.listdir(os.fsencode(a)) == [b"a\xff"]


def test_no_name_is_cut_at_a_nul(a: Path, b: Path, fds: tuple[int, int]) -> None:
    make(a / "x", "file")
    make(b / "y", "file")
    for rename in (rename_noreplace, exchange):
        with pytest.raises(ValueError, match="null byte"):
            rename(fds[0], "x", fds[1], "y\0z")


def test_errors_of_the_kernel_arrive(a: Path, fds: tuple[int, int]) -> None:
    make(a / "x", "directory")
    with pytest.raises(OSError) as caught:  # into itself: EINVAL, though the file system knows the flag
        rename_noreplace(fds[0], "x", fds[0], "x/inside")
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError) as caught:
        exchange(-1, "x", fds[1], "y")
    assert caught.value.errno == errno.EBADF


def test_syncfs(fds: tuple[int, int]) -> None:
    syncfs(fds[0])
    with pytest.raises(OSError) as caught:
        syncfs(-1)
    assert caught.value.errno == errno.EBADF
