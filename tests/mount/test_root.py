import gc
import os
import pickle
import shutil
import socket
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vgit.errors import ConflictError, InvalidError, NotADirectoryConflict, NotMountedError
from vgit.mount.root import RootDirectory, open_file_at, open_up

NOBODY = 65534


def mark(path: Path) -> None:
    """Make a directory look like a mount."""
    (path / ".vgit").mkdir(parents=True)
    (path / ".vgit" / "mount").touch()


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that an ordinary user can reach and owns, as ``tmp_path`` is not."""
    with TemporaryDirectory() as name:
        path = Path(name)
        (path / "a" / "b").mkdir(parents=True)
        mark(path)
        (path / "a" / "file").write_text("content")
        path.chmod(0o755)
        if os.getuid() == 0:
            for place in [path, *path.rglob("*")]:
                os.chown(place, NOBODY, NOBODY)
        yield path


@pytest.fixture
def root(top: Path) -> Iterator[RootDirectory]:
    with RootDirectory(str(top)) as opened:
        yield opened


def as_ordinary_user(action: Callable[[], object]) -> object:
    """Return what ``action`` returns in a child process that is not root: root sees no permission fault."""
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(write_fd, pickle.dumps(action()))
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            os._exit(1)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        data = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return pickle.loads(data)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_descriptors() -> int:
    gc.collect()  # what earlier tests left is not ours to count
    return len(os.listdir("/proc/self/fd"))


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
    with pytest.raises(NotADirectoryConflict), root.writable(path):
        pass
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
    with pytest.raises(InvalidError):
        open_file_at(root.fd, name)


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
        with root.writable(("a",)) as fd:
            before = open_up(fd, "b")
        os.mkdir(top / "a" / "b" / "c")
        return before, mode_of(top / "a" / "b")

    assert as_ordinary_user(enter) == (mode, mode | 0o700)
    (top / "link").symlink_to("/etc")
    with pytest.raises(NotADirectoryConflict, match="symbolic link"):
        open_up(root.fd, "link")


def test_open_file_at(root: RootDirectory, top: Path) -> None:
    directory_fd = root.open_directory(("a",))
    fd, status = open_file_at(directory_fd, "file")
    assert os.read(fd, 100) == b"content"
    assert status.st_size == 7
    assert not os.get_inheritable(fd)
    os.close(fd)
    with pytest.raises(FileNotFoundError):
        open_file_at(directory_fd, "no")
    os.close(directory_fd)


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "socket"])
def test_what_took_a_files_place(root: RootDirectory, top: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "fifo":
        os.mkfifo(top / "x")  # has no writer: an ordinary open would hang
    elif kind == "link":
        (top / "x").symlink_to("a/file")
    elif kind == "directory":
        (top / "x").mkdir()
    else:
        monkeypatch.chdir(top)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("x")
    before = open_descriptors()
    with pytest.raises(ConflictError, match="'x' is not a regular file"):
        open_file_at(root.fd, "x")
    assert open_descriptors() == before


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


def test_check_unmoved(root: RootDirectory, top: Path) -> None:
    root.check_unmoved()
    (top / ".vgit").rename(top / "gone")
    with pytest.raises(NotMountedError, match="is gone: No such file"):
        root.check_unmoved()
    (top / ".vgit").symlink_to("gone")
    with pytest.raises(NotMountedError, match="is not a directory"):
        root.check_unmoved()
    (top / ".vgit").unlink()
    (top / "gone").rename(top / ".vgit")
    root.check_unmoved()
    root.unmark()
    with pytest.raises(NotMountedError, match="is gone: No such file"):
        root.check_unmoved()


def test_check_unmoved_after_the_directory_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mount"
    mark(path)
    with RootDirectory(str(path)) as root:
        path.rename(tmp_path / "moved")
        with pytest.raises(NotMountedError, match="Mount the volume again"):
            root.check_unmoved()
        mark(path)
        with pytest.raises(NotMountedError, match="another directory stands there now"):
            root.check_unmoved()


def test_check_unmoved_after_the_directory_was_made_again(tmp_path: Path) -> None:
    path = tmp_path / "mount"
    mark(path)
    with RootDirectory(str(path)) as root:
        shutil.rmtree(path)
        mark(path)
        with pytest.raises(NotMountedError):
            root.check_unmoved()


def test_the_root_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(tmp_path / "mount")
    (tmp_path / "link").symlink_to("mount")
    monkeypatch.chdir(tmp_path)
    with RootDirectory("link") as root:  # the way to a mount may have links
        monkeypatch.chdir("/")
        root.check_unmoved()
    root.close()
    for missing in ("no", "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(NotMountedError):
            RootDirectory(str(tmp_path / missing))


def test_writable_needs_nothing_where_all_is_open(root: RootDirectory, top: Path) -> None:
    before = (top / "a").stat().st_ctime_ns
    with root.writable(("a",)) as fd:
        assert os.path.samestat(os.fstat(fd), (top / "a").stat())
    assert (top / "a").stat().st_ctime_ns == before


@pytest.mark.parametrize("mode", [0o555, 0o000, 0o300, 0o600, 0o400])
@pytest.mark.parametrize("path", [("a",), ("a", "b")])
def test_writable_as_an_ordinary_user(root: RootDirectory, top: Path, mode: int, path: tuple[str, ...]) -> None:
    for closed in ("a/b", "a"):
        (top / closed).chmod(mode)

    def write() -> object:
        with root.writable(path) as fd:
            os.close(os.open("new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=fd))
            names = sorted(os.listdir(fd))
        return names, mode_of(top / "a"), len(os.listdir("/proc/self/fd"))

    names, mode_after, _ = as_ordinary_user(write)  # type: ignore[misc]
    assert "new" in names
    assert mode_after == mode
    assert (mode_of(top / "a"), mode_of(top / "a" / "b")) == (mode, mode)


def test_writable_restores_after_an_exception_and_leaks_nothing(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0)

    def fail() -> object:
        before = open_descriptors()
        try:
            with root.writable(("a", "b")):
                raise KeyError
        except KeyError:
            return mode_of(top / "a"), open_descriptors() - before

    assert as_ordinary_user(fail) == (0, 0)


def test_writable_keeps_a_mode_that_was_set_meanwhile(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0o555)

    def change() -> object:
        with root.writable(("a",)) as fd:
            os.fchmod(fd, 0o711)
        return mode_of(top / "a")

    assert as_ordinary_user(change) == 0o711


def test_writable_when_the_directory_goes_meanwhile(root: RootDirectory, top: Path) -> None:
    (top / "a" / "b").chmod(0o555)

    def remove() -> object:
        with root.writable(("a", "b")):
            os.rmdir(top / "a" / "b")
        return os.listdir(top / "a")

    assert as_ordinary_user(remove) == ["file"]


def test_an_unwritable_root(root: RootDirectory, top: Path) -> None:
    top.chmod(0o555)

    def make() -> object:
        root.make_directory(("new",), 0o700)
        return mode_of(top), mode_of(top / "new")

    assert as_ordinary_user(make) == (0o555, 0o700)


def test_modes_bottom_up_behind_closed_doors(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0)

    def close() -> object:
        root.set_directory_mode(("a", "b"), 0o500)
        root.set_directory_mode(("a",), 0o100)
        return mode_of(top / "a"), mode_of(top / "a" / "b")

    assert as_ordinary_user(close) == (0o100, 0o500)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a directory of somebody else")
def test_a_directory_of_somebody_else_is_a_permission_error(root: RootDirectory, top: Path) -> None:
    os.chown(top / "a", 0, 0)

    def attempt() -> object:
        try:
            with root.writable(("a",)):
                return "opened"
        except PermissionError:
            return "refused"

    assert as_ordinary_user(attempt) == "refused"
    assert mode_of(top / "a") == 0o755


def test_a_mode_is_never_set_through_a_link(root: RootDirectory, top: Path) -> None:
    (top / "victim").mkdir(mode=0o500)
    (top / "link").symlink_to("victim")
    with pytest.raises(NotADirectoryConflict):
        root.set_directory_mode(("link",), 0o777)
    assert mode_of(top / "victim") == 0o500
