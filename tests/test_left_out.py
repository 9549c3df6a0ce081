"""Test_left_out: what a commit or an upload could not take is in its answer, and a program is warned of each kind."""

import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vgit
from tests.api.test_background import SOON, wait_until
from vgit.files import small_files
from vgit.localfs import root_directory
from vgit.mount import changes, entry_reader


@pytest.fixture
def client(tmp_path: Path) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


@pytest.fixture
def mount(volume: vgit.Volume, tmp_path: Path) -> Iterator[vgit.Mount]:
    mount = volume.mount(tmp_path / "m")
    yield mount
    mount.close(commit=False)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody, not even root, open a file or list a directory whose name begins with `secret`."""
    opened, listed = entry_reader.open_to_read, root_directory.RootDirectory.open_directory

    def open_to_read(name: str, directory_fd: int) -> int:
        if name.startswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, directory_fd)

    def open_directory(self: root_directory.RootDirectory, path: tuple[str, ...]) -> int:
        if path and path[-1].startswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(self, path)

    for module in (entry_reader, small_files):
        monkeypatch.setattr(module, "open_to_read", open_to_read)
    monkeypatch.setattr(root_directory.RootDirectory, "open_directory", open_directory)


def told(caught: "pytest.WarningsRecorder") -> list[str]:
    return [str(one.message) for one in caught]


def kinds(left_out: tuple[vgit.LeftOut, ...]) -> list[tuple[str, str]]:
    return [(one.path, one.kind.value) for one in left_out]


def test_what_cannot_be_read_is_in_the_answer_and_warned_of_once(volume: vgit.Volume, mount: vgit.Mount) -> None:
    for name in ("secret", "secret2", "plain"):
        (mount.path / name).write_text("x")
    with pytest.warns(vgit.LeftOutWarning) as caught:
        info = volume.commit()
    assert info is not None and info.added == 1
    assert kinds(info.left_out) == [("secret", "unreadable"), ("secret2", "unreadable")]
    assert {one.reason for one in info.left_out} == {"Permission denied"}
    (text,) = told(caught)
    assert str(mount.path / "secret") in text and "Permission denied" in text and "And 1 more" in text
    assert caught[0].filename == __file__  # the line of the program, not one of ours


def test_a_commit_of_nothing_else_is_not_silent(volume: vgit.Volume, mount: vgit.Mount) -> None:
    (mount.path / "secret").write_text("x")
    for commit in (volume.commit, mount.commit):
        with pytest.warns(vgit.LeftOutWarning, match="secret could not be read"):
            assert commit() is None
    assert kinds(mount.status().left_out) == [("secret", "unreadable")]


def test_what_is_below_a_directory_that_cannot_be_listed_stays(volume: vgit.Volume, mount: vgit.Mount) -> None:
    (mount.path / "d").mkdir()
    (mount.path / "d/f").write_text("x")
    assert volume.commit() is not None
    (mount.path / "d").rename(mount.path / "secret")
    with pytest.warns(vgit.LeftOutWarning):
        info = volume.commit()
    assert info is not None and kinds(info.left_out) == [("secret", "unreadable")]


def test_a_directory_that_cannot_be_opened_again_is_told(
    volume: vgit.Volume, mount: vgit.Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mount.path / "d").mkdir()
    (mount.path / "d/link").symlink_to("nowhere")  # which is not read in a batch
    read, listed = changes.ChangeReader.read, root_directory.RootDirectory.open_directory

    def open_directory(self: root_directory.RootDirectory, path: tuple[str, ...]) -> int:
        if path == ("d",):
            raise OSError(errno.EMFILE, "Too many open files")
        return listed(self, path)

    def read_without(self: changes.ChangeReader, *args: Any) -> changes.Changes:
        with monkeypatch.context() as patch:  # the scan could list it
            patch.setattr(root_directory.RootDirectory, "open_directory", open_directory)
            return read(self, *args)

    monkeypatch.setattr(changes.ChangeReader, "read", read_without)
    with pytest.warns(vgit.LeftOutWarning):
        info = volume.commit()
    assert info is not None and kinds(info.left_out) == [("d", "unreadable")]


def test_what_a_volume_cannot_hold_is_told_once_for_each_kind(volume: vgit.Volume, mount: vgit.Mount) -> None:
    (mount.path / "one").write_text("x")
    for name in ("two", "three"):
        os.link(mount.path / "one", mount.path / name)
    with pytest.warns(vgit.LeftOutWarning) as caught:
        info = volume.commit()
    assert info is not None and info.added == 3
    assert [kind for _, kind in kinds(info.left_out)] == ["hard link"] and len(told(caught)) == 1
    (mount.path / "other").write_text("x")
    info = volume.commit()  # says nothing of files that are not in it
    assert info is not None and info.left_out == ()


def test_every_device_is_named(volume: vgit.Volume, mount: vgit.Mount) -> None:
    try:
        for number, name in enumerate(("null", "zero")):
            os.mknod(mount.path / name, 0o020644, os.makedev(1, 3 + 2 * number))
    except PermissionError:
        pytest.skip("no devices for us")
    with pytest.warns(vgit.LeftOutWarning) as caught:
        assert volume.commit() is None
    assert len(told(caught)) == 1
    assert kinds(mount.status().left_out) == [("null", "device"), ("zero", "device")]


def test_paths_are_the_volumes_and_all_mounts_are_in_it(volume: vgit.Volume, tmp_path: Path) -> None:
    mounts = [volume.mount(tmp_path / name, sub_path=name) for name in "ab"]
    for mount in mounts:
        (mount.path / "f").write_text("x")
        (mount.path / "secret").write_text("x")
    with pytest.warns(vgit.LeftOutWarning) as caught:
        info = volume.commit()
    assert info is not None and kinds(info.left_out) == [("a/secret", "unreadable"), ("b/secret", "unreadable")]
    assert len(told(caught)) == 1 and str(tmp_path / "a" / "secret") in told(caught)[0]
    assert kinds(mounts[0].status().left_out) == [("secret", "unreadable")]  # as its changes are
    for mount in mounts:
        mount.close(commit=False)


def test_the_end_of_a_block_warns(volume: vgit.Volume, tmp_path: Path) -> None:
    with pytest.warns(vgit.LeftOutWarning) as caught, volume.mount(tmp_path / "m") as path:
        (path / "secret").write_text("x")
    assert len(told(caught)) == 1 and caught[0].filename == __file__


def test_a_warning_that_is_an_error_has_the_answer(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "m")
    (mount.path / "secret").write_text("x")
    (mount.path / "f").write_text("x")
    with warnings.catch_warnings(), pytest.raises(vgit.LeftOutWarning) as raised:
        warnings.simplefilter("error")
        mount.close()
    published = vars(raised.value)["published"]
    assert published.id == volume.info().head and published.added == 1
    assert published.id[:12] in raised.value.__notes__[0]
    volume.mount(tmp_path / "m").close(commit=False)  # it was let go of all the same


def test_a_commit_in_the_background_logs_each_kind_once(
    volume: vgit.Volume, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mount = volume.mount(tmp_path / "m", commit_every=SOON)
    (mount.path / "secret").write_text("x")
    for name in ("f", "g", "h"):
        (mount.path / name).write_text(name)
        wait_until(lambda name=name: name in [entry.path for entry in volume.listdir("/")])
    mount.close(commit=False)
    (record,) = caplog.records
    assert record.name == "vgit.api.background" and "secret could not be read" in record.getMessage()


def test_an_upload_has_the_same(volume: vgit.Volume, tmp_path: Path) -> None:
    (tmp_path / "d/.vgit").mkdir(parents=True)
    (tmp_path / "d/sub").mkdir()
    (tmp_path / "d/sub/f").write_text("x")
    os.link(tmp_path / "d/sub/f", tmp_path / "d/sub/g")
    with pytest.warns(vgit.LeftOutWarning) as caught, volume.batch_upload() as batch:
        batch.put_directory(tmp_path / "d", "/up")
    assert batch.commit is not None and batch.commit.added == 2
    assert kinds(batch.commit.left_out) == [("up/.vgit", "name"), ("up/sub/f", "hard link")]
    assert len(told(caught)) == 2


def test_an_upload_of_a_mounts_files_says_nothing_of_its_state(
    volume: vgit.Volume, mount: vgit.Mount, tmp_path: Path
) -> None:
    (mount.path / "f").write_text("x")
    with volume.batch_upload() as batch:
        batch.put_directory(mount.path, "/up")
        batch.put_file(mount.path / "f", "/other")
    assert batch.commit is not None and batch.commit.left_out == ()
