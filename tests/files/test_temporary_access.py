"""Test_temporary_access: directories closed to their owner are open for an operation, and as they were after it."""

import os
import stat
from pathlib import Path

import pytest

from tests.ordinary_user import as_ordinary_user, mode_of, open_descriptors
from vgit.errors import NotADirectoryConflict
from vgit.files.temporary_access import Modes, TemporaryAccess, no_note
from vgit.localfs.root_directory import RootDirectory


def make_new(root: RootDirectory, path: tuple[str, ...]) -> None:
    with root.opened(path) as fd:
        os.close(os.open("new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=fd))
        assert "new" in os.listdir(fd)


def test_nothing_is_changed_where_all_is_open(root: RootDirectory, top: Path) -> None:
    notes: list[Modes] = []
    before = (top / "a").stat().st_ctime_ns
    with TemporaryAccess(root, notes.append) as access:
        access.allow([("a",), ("a", "b"), ()])
    assert (top / "a").stat().st_ctime_ns == before
    assert not notes


@pytest.mark.parametrize("mode", [0o555, 0o000, 0o300, 0o600, 0o400, 0o111])
@pytest.mark.parametrize("path", [("a",), ("a", "b")])
def test_as_an_ordinary_user(root: RootDirectory, top: Path, mode: int, path: tuple[str, ...]) -> None:
    for closed in ("a/b", "a"):
        (top / closed).chmod(mode)
    noted: list[tuple[Modes, int]] = []

    def write() -> object:
        before = open_descriptors()
        with TemporaryAccess(root, lambda modes: noted.append((dict(modes), mode_of(top / "a")))) as access:
            access.allow([path, ("a", "missing", "there")])
            make_new(root, path)
            seen = stat.S_IMODE(access.permanent_mode(("a",), (top / "a").stat().st_mode))
        return noted, mode_of(top / "a"), seen, open_descriptors() - before

    noted, after, seen, leaked = as_ordinary_user(write)  # type: ignore[misc]
    assert noted[0] == ({("a",): mode, **({("a", "b"): mode} if mode & 0o100 and len(path) > 1 else {})}, mode)
    assert len(noted) == (1 if mode & 0o100 or len(path) == 1 else 2)
    assert (after, seen, leaked) == (mode, mode, 0)
    assert (mode_of(top / "a"), mode_of(top / "a" / "b")) == (mode, mode)


def test_what_is_not_wanted_stays_closed(root: RootDirectory, top: Path) -> None:
    (top / "a" / "b").chmod(0)
    (top / "a").chmod(0o555)

    def write() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a",)])
            return mode_of(top / "a"), mode_of(top / "a" / "b")

    assert as_ordinary_user(write) == (0o755, 0)


def test_what_is_missing_means_the_one_above(root: RootDirectory, top: Path) -> None:
    (top / "a" / "b").chmod(0o555)

    def write() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a", "b", "c", "d")])
            root.make_directory(("a", "b", "c"), 0o700)
        return mode_of(top / "a" / "b")

    assert as_ordinary_user(write) == 0o555


def test_modes_go_back_after_an_exception(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0)

    def fail() -> object:
        before = open_descriptors()
        try:
            with TemporaryAccess(root, no_note) as access:
                access.allow([("a", "b")])
                raise KeyError
        except KeyError:
            return mode_of(top / "a"), open_descriptors() - before

    assert as_ordinary_user(fail) == (0, 0)


def test_nothing_is_opened_before_the_note_is_kept(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0o555)

    def note(modes: Modes) -> None:
        raise OSError(28, "No space left on device")

    def fail() -> object:
        try:
            with TemporaryAccess(root, note) as access:
                access.allow([("a",)])
        except OSError as error:
            return error.errno, mode_of(top / "a")

    assert as_ordinary_user(fail) == (28, 0o555)


def test_a_mode_that_was_set_meanwhile_stays(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0o555)

    def change() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a",)])
            os.chmod(top / "a", 0o711)
        return mode_of(top / "a")

    assert as_ordinary_user(change) == 0o711


def test_a_directory_that_goes_meanwhile(root: RootDirectory, top: Path) -> None:
    (top / "a" / "b").chmod(0o555)

    def remove() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a", "b")])
            os.rmdir(top / "a" / "b")
        return os.listdir(top / "a")

    assert as_ordinary_user(remove) == ["file"]


def test_modes_go_back_behind_a_directory_that_was_closed_meanwhile(root: RootDirectory, top: Path) -> None:
    """Else what a death left open there would make the next command fail, and every one after it."""
    (top / "a" / "b").chmod(0o555)

    def close() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a", "b")])
            os.chmod(top / "a", 0)
        found = [mode_of(top / "a")]
        with TemporaryAccess(root, no_note, {("a", "b"): 0o311}):
            pass
        return [*found, mode_of(top / "a")]

    assert as_ordinary_user(close) == [0, 0]
    (top / "a").chmod(0o755)
    assert mode_of(top / "a" / "b") == 0o555


@pytest.mark.skipif(os.getuid() != 0, reason="needs a directory of somebody else")
def test_what_became_somebody_elses_is_his(root: RootDirectory, top: Path) -> None:
    for path, mode in (("a", 0o700), ("a/b", 0o755)):
        os.chown(top / path, 0, 0)
        (top / path).chmod(mode)

    def settle() -> None:
        for path in (("a", "b"), ("a",)):
            with TemporaryAccess(root, no_note, {path: 0o055}):
                pass

    as_ordinary_user(settle)
    assert (mode_of(top / "a"), mode_of(top / "a" / "b")) == (0o700, 0o755)


def test_an_unwritable_root(root: RootDirectory, top: Path) -> None:
    top.chmod(0o555)

    def make() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([()])
            root.make_directory(("new",), 0o700)
        return mode_of(top), mode_of(top / "new")

    assert as_ordinary_user(make) == (0o555, 0o700)


def test_final_modes_are_set_when_all_is_done(root: RootDirectory, top: Path) -> None:
    (top / "a").chmod(0)

    def close() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow([("a", "b")])
            access.set_mode(("a",), 0o100)
            access.set_mode(("a", "b"), 0o500)
            access.set_mode(("a", "missing"), 0o500)
            make_new(root, ("a", "b"))
            found = access.restore()
        return {path: stat.S_IMODE(found[path][0]) for path in found}, mode_of(top / "a"), mode_of(top / "a" / "b")

    assert as_ordinary_user(close) == ({("a",): 0o100, ("a", "b"): 0o500}, 0o100, 0o500)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a directory of somebody else")
def test_a_directory_of_somebody_else_is_a_permission_error(root: RootDirectory, top: Path) -> None:
    os.chown(top / "a", 0, 0)

    def attempt() -> object:
        try:
            with TemporaryAccess(root, no_note) as access:
                access.allow_own([("a",)])
                access.allow([("a",)])
        except PermissionError as error:
            return error.filename

    assert as_ordinary_user(attempt) == "a"
    assert mode_of(top / "a") == 0o755


@pytest.mark.skipif(os.getuid() != 0, reason="needs a directory of somebody else")
def test_who_can_do_without_one_gets_the_others(root: RootDirectory, top: Path) -> None:
    (top / "c").mkdir()
    os.chown(top / "c", *(top / "a").stat()[4:6])
    (top / "c").chmod(0o555)
    os.chown(top / "a", 0, 0)

    def enter() -> object:
        with TemporaryAccess(root, no_note) as access:
            access.allow_if_possible([("a", "b"), ("a",), ("c",)])
            make_new(root, ("c",))
        return mode_of(top / "c")

    assert as_ordinary_user(enter) == 0o555
    assert mode_of(top / "a") == 0o755


def test_a_mode_is_never_set_through_a_link(root: RootDirectory, top: Path) -> None:
    (top / "victim").mkdir(mode=0o500)
    (top / "link").symlink_to("victim")
    with pytest.raises(NotADirectoryConflict):
        root.open_step(("link",))
    with TemporaryAccess(root, no_note) as access:
        access.allow([("link",), ("link", "in")])
        access.set_mode(("link",), 0o777)
    assert mode_of(top / "victim") == 0o500
