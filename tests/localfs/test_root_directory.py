"""Test_root_directory: what is reached by a directory, and what of it never is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ordinary_user import as_ordinary_user, mode_of, open_descriptors, reachable_directory
from vgit.errors import InvalidError, NotADirectoryConflict
from vgit.localfs.root_directory import RootDirectory, open_up


@pytest.fixture
def top() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture
def root(top: Path) -> Iterator[RootDirectory]:
    with RootDirectory(str(top)) as opened:
        yield opened


def test_open_directory(root: RootDirectory, top: Path) -> None:
    before = open_descriptors()
    for path in [(), ("a",), ("a", "b")]:
        fd = root.open_directory(path)
        assert os.path.samestat(os.fstat(fd), top.joinpath(*path).stat())
        assert not os.get_inheritable(fd)
        os.close(fd)
    assert open_descriptors() == before


def test_listings_of_the_root_are_independent(root: RootDirectory) -> None:
    for _ in range(2):
        fd = root.open_directory(())
        assert sorted(os.listdir(fd)) == [".vgit", "a"]
        os.close(fd)


@pytest.mark.parametrize("kind", ["link", "dangling link", "file", "fifo"])
@pytest.mark.parametrize("path", [("x",), ("x", "b"), ("x", "passwd")])
def test_components_that_are_no_directories(root: RootDirectory, top: Path, kind: str, path: tuple[str, ...]) -> None:
    if kind == "file":
        (top / "x").write_text("")
    elif kind == "fifo":
        os.mkfifo(top / "x")
    else:
        (top / "x").symlink_to("/etc" if kind == "link" else "nowhere")
    before = open_descriptors()
    shown = "a symbolic link" if "link" in kind else "a file"
    with pytest.raises(NotADirectoryConflict, match=f"Path component 'x' is {shown}, not a directory; vgit never"):
        root.open_directory(path)
    with pytest.raises(NotADirectoryConflict):
        root.open_step(path)
    if len(path) > 1:
        with pytest.raises(NotADirectoryConflict):
            root.lstat(path)
        with pytest.raises(NotADirectoryConflict):
            root.make_directory(path, 0o755)
        assert not root.exists(path)
    assert open_descriptors() == before


def test_a_link_deeper_down_is_named(root: RootDirectory, top: Path) -> None:
    (top / "a" / "link").symlink_to("b")  # also one that stays inside
    with pytest.raises(NotADirectoryConflict, match="'a/link'"):
        root.open_directory(("a", "link"))


def test_missing_components(root: RootDirectory) -> None:
    for path in [("no",), ("no", "b"), ("a", "no", "c")]:
        with pytest.raises(FileNotFoundError, match="no'"):
            root.open_directory(path)
        with pytest.raises(FileNotFoundError):
            root.lstat(path)
        assert not root.exists(path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_what_is_no_name_never_leads_anywhere(root: RootDirectory, name: str) -> None:
    for call in (root.open_directory, root.lstat, lambda path: root.make_directory(path, 0o755)):
        with pytest.raises(InvalidError):
            call((name,))
        with pytest.raises(InvalidError):
            call((name, "b"))
    with pytest.raises(InvalidError):
        open_up(root.fd, name)


def test_lstat_and_exists(root: RootDirectory, top: Path) -> None:
    (top / "a" / "link").symlink_to("nowhere")
    assert stat.S_ISLNK(root.lstat(("a", "link")).st_mode)
    assert root.exists(("a", "link"))
    assert root.lstat(("a", "file")).st_size == 7
    assert os.path.samestat(root.lstat(()), top.stat())
    assert root.exists(())


@pytest.mark.parametrize("mode", [0o755, 0o555, 0o111, 0o000])
def test_open_up(root: RootDirectory, top: Path, mode: int) -> None:
    (top / "a" / "b").chmod(mode)

    def enter() -> object:
        with root.opened(("a",)) as fd:
            before = open_up(fd, "b")
        os.mkdir(top / "a" / "b" / "c")
        return before, mode_of(top / "a" / "b")

    assert as_ordinary_user(enter) == (mode, mode | 0o700)
    (top / "link").symlink_to("/etc")
    with pytest.raises(NotADirectoryConflict, match="symbolic link"):
        open_up(root.fd, "link")


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o555, 0o000, 0o2775])
def test_make_directory(root: RootDirectory, top: Path, mode: int) -> None:
    umask = os.umask(0o077)
    try:
        root.make_directory(("a", "new"), mode)
    finally:
        os.umask(umask)
    assert mode_of(top / "a" / "new") == mode
    with pytest.raises(FileExistsError):
        root.make_directory(("a", "new"), mode)
