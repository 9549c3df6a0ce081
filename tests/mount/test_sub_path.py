"""Mounts of one directory of a volume: only that is checked out and committed."""

import os
from pathlib import Path

import pytest

import vgit
from tests.gitjudge import fsck


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    client = vgit.Client(tmp_path / "store", author="a <a@b>")
    volume = vgit.Volume.from_name("v", create_if_missing=True, client=client)
    with volume.mount(tmp_path / "all") as path:
        for name in ("a/one", "a/b/two", "c/three", "top"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(name)
    return volume


def tree(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if ".vgit" not in one.parts)


def listed(volume: vgit.Volume) -> list[str]:
    return sorted(entry.path for entry in volume.iterdir("/") if entry.type is vgit.FileEntryType.FILE)


def test_only_the_subtree_is_checked_out(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "sub", sub_path="/a") as path:
        assert tree(path) == ["b", "b/two", "one"]
    with volume.with_mount_options(sub_path="a/b").mount(tmp_path / "sub2") as path:
        assert tree(path) == ["two"]


def test_only_the_subtree_is_committed(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "sub", sub_path="a")
    (mount.path / "one").write_text("new")
    (mount.path / "b" / "two").unlink()
    (mount.path / "d" / "e").mkdir(parents=True)
    (mount.path / "d" / "e" / "four").write_text("4")
    info = mount.commit()
    assert info is not None
    assert (info.added, info.changed, info.removed) == (1, 1, 1)
    assert mount.commit() is None
    mount.close()
    assert listed(volume) == ["a/d/e/four", "a/one", "c/three", "top"]
    assert b"".join(volume.read_file("a/one")) == b"new"
    assert b"".join(volume.read_file("top")) == b"top"
    fsck(volume.git_dir)


def test_others_changes_outside_do_not_come_in_and_do_not_diverge(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "sub", sub_path="a")
    other = volume.mount(tmp_path / "other", sub_path="c")
    (other.path / "three").write_text("3")
    other.commit()
    (mount.path / "one").write_text("1")
    info = mount.commit()
    assert info is not None and not info.overwrote
    assert mount.status().base == info.id, "what others did outside is no reason to stay behind"
    assert b"".join(volume.read_file("c/three")) == b"3"
    reloaded = mount.reload()
    assert reloaded.changed == 0
    mount.close()
    other.close()


def test_others_changes_inside_come_with_reload(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "sub", sub_path="a", read_only=True)
    with volume.mount(tmp_path / "all") as path:
        (path / "a" / "b" / "two").write_text("2")
        (path / "a" / "one").unlink()
        (path / "top").write_text("t")
    reloaded = mount.reload()
    assert reloaded.changed == 3, "a file, one gone, and the time of the directory"
    assert tree(mount.path) == ["b", "b/two"]
    assert (mount.path / "b" / "two").read_text() == "2"
    mount.close()


def test_a_directory_that_is_not_there_yet_is_made_by_the_first_commit(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "sub", sub_path="x/y") as path:
        assert tree(path) == []
        path.chmod(0o750)
        (path / "file").write_text("f")
    assert "x/y/file" in listed(volume)
    modes = {entry.path: entry.mode for entry in volume.iterdir("x")}
    assert modes["x/y"] == 0o750
    fsck(volume.git_dir)


def test_the_directory_s_own_mode_is_restored_and_published(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "sub", sub_path="a") as path:
        path.chmod(0o700)
    assert {entry.path: entry.mode for entry in volume.listdir("/")}["a"] == 0o700
    with volume.mount(tmp_path / "sub2", sub_path="a") as path:
        assert path.stat().st_mode & 0o777 == 0o700
    assert len(list(volume.log())) == 3, "mounting again published nothing"


def test_the_directory_removed_by_others_is_emptied_and_can_come_back(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "sub", sub_path="a")
    other = vgit.Volume.from_id(volume.object_id, client=vgit.Client(tmp_path / "store", author="o <o@o>"))
    other.restore(next(reversed(list(volume.log()))).id, ["a"])
    mount.reload()
    assert tree(mount.path) == []
    (mount.path / "again").write_text("x")
    mount.close()
    assert "a/again" in listed(volume)


def test_a_local_change_and_another_s_meet_in_the_receipt(volume: vgit.Volume, tmp_path: Path) -> None:
    first = volume.mount(tmp_path / "first", sub_path="a")
    (first.path / "one").write_text("first")
    pid = os.fork()
    if pid == 0:
        with volume.mount(tmp_path / "third", sub_path="a") as path:
            (path / "one").write_text("other")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    info = first.commit()
    assert info is not None and info.overwrote == ("a/one",), "receipts name paths from the volume's root"
    first.close()


def test_two_parts_are_mounted_for_writing_by_one_process_and_commit_together(
    volume: vgit.Volume, tmp_path: Path
) -> None:
    one = volume.mount(tmp_path / "one", sub_path="a")
    two = volume.mount(tmp_path / "two", sub_path="c")
    with pytest.raises(vgit.AlreadyExistsError):
        volume.mount(tmp_path / "three", sub_path="a/b")
    with pytest.raises(vgit.AlreadyExistsError):
        volume.mount(tmp_path / "three")
    (one.path / "p").write_text("p")
    (two.path / "q").write_text("q")
    volume.commit()
    assert {"a/p", "c/q"} <= set(listed(volume))
    one.close()
    two.close()


def test_a_mount_is_taken_up_again_only_for_the_same_directory(volume: vgit.Volume, tmp_path: Path) -> None:
    volume.mount(tmp_path / "sub", sub_path="a").close()
    volume.mount(tmp_path / "sub", sub_path="/a/").close()
    with pytest.raises(vgit.AlreadyExistsError, match="'a' only"):
        volume.mount(tmp_path / "sub")


def test_what_cannot_be_shown_is_refused(volume: vgit.Volume, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        volume.mount(tmp_path / "sub", sub_path="top")
    with pytest.raises(FileNotFoundError):
        volume.mount(tmp_path / "sub", sub_path="nothing", at="HEAD")
    with pytest.raises(vgit.InvalidError):
        volume.mount(tmp_path / "sub", sub_path="../up")


def test_at_and_adopt_go_with_a_sub_path(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "all") as path:
        (path / "a" / "one").write_text("newer")
    with volume.mount(tmp_path / "old", sub_path="a", at="HEAD~1") as path:
        assert (path / "one").read_text() == "a/one"
    files = tmp_path / "mine"
    files.mkdir()
    (files / "one").write_text("newer")
    (files / "own").write_text("own")
    with volume.mount(files, sub_path="a", adopt=True) as path:
        assert tree(path) == ["b", "b/two", "one", "own"]
    assert "a/own" in listed(volume)


def test_options_of_a_handle(volume: vgit.Volume, tmp_path: Path) -> None:
    part = volume.with_mount_options(sub_path="a").with_mount_options(read_only=True)
    with part.mount(tmp_path / "part") as path:
        assert tree(path) == ["b", "b/two", "one"]
        with pytest.raises(vgit.ReadOnlyError):
            part.mount(tmp_path / "part2").commit()
    with part.with_mount_options(sub_path="/").mount(tmp_path / "whole") as path:
        assert "top" in tree(path)
    assert part.listdir("/") == volume.listdir("/"), "mounts only"
    with pytest.raises(vgit.InvalidError):
        part.read_only()
    with pytest.raises(vgit.InvalidError):
        volume.read_only().with_mount_options(sub_path="a")


def test_a_snapshot_can_be_mounted(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.at("HEAD").mount(tmp_path / "old") as path:
        assert (path / "top").read_text() == "top"
        assert not (path / "top").stat().st_mode & 0o222
