"""Test_mount_in_mount: a mount that was moved into another keeps its state and its files for itself."""

import os
import shutil
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench, listing
from vgit.errors import InvalidError
from vgit.files.left_out import LeftOutKind
from vgit.mount.layout import find_root
from vgit.mount.open import unbind
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory


def put(mount: WorkingDirectory, name: str, text: str) -> None:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def other(bench: Bench, tmp_path: FilePath) -> FilePath:
    """A mount of another volume."""
    there = Bench(tmp_path / "there")
    mount = there.mount("other")
    put(mount, "theirs", "another volume's")
    put(mount, "d/too", "another volume's")
    mount.commit(AUTHOR)
    there.close()
    return tmp_path / "there/other"


def move_in(other: FilePath, mount: WorkingDirectory, name: str) -> FilePath:
    path = FilePath(mount.path, name)
    path.parent.mkdir(exist_ok=True)
    other.rename(path)
    return path


def test_nothing_of_it_is_published(bench: Bench, other: FilePath) -> None:
    mount = bench.mount("m")
    put(mount, "sub/mine", "mine")
    inner = move_in(other, mount, "sub/other")
    before = listing(inner)
    committed = mount.commit(AUTHOR)
    assert set(bench.published()) == {"sub", "sub/mine"}
    assert [(one.path, one.kind) for one in committed.left_out] == [(("sub", "other"), LeftOutKind.MOUNT)]
    assert mount.commit(AUTHOR).published is None
    assert not mount.status().edits
    assert listing(inner) == before and find_root(str(inner / "d")) == str(inner)


def test_nor_by_adopting(bench: Bench, other: FilePath) -> None:
    path = bench.base / "m"
    (path / "sub").mkdir(parents=True)
    (path / "sub/mine").write_text("mine")
    other.rename(path / "sub/other")
    bench.mount("m", adopt=True).commit(AUTHOR)
    assert set(bench.published()) == {"sub", "sub/mine"}


@pytest.mark.parametrize("before", ["directory", "file"])
def test_what_was_published_at_its_place_stays(bench: Bench, other: FilePath, before: str) -> None:
    mount, second = bench.mount("m"), bench.mount("second")
    put(mount, "sub/other" if before == "file" else "sub/other/f", "published")
    mount.commit(AUTHOR)
    published = bench.published()
    os.rename(FilePath(mount.path, "sub/other"), bench.base / "aside")
    inner = move_in(other, mount, "sub/other")
    theirs = listing(inner)
    put(mount, "g", "new")
    mount.commit(AUTHOR)
    assert published.items() <= bench.published().items()
    second.reload()
    if before == "file":
        FilePath(second.path, "sub/other").unlink()
    put(second, "sub/other/f", "others' change")
    put(second, "sub/other/new/x", "others' file")
    second.commit(AUTHOR)
    for local in (LocalChanges.KEEP, LocalChanges.DISCARD):
        assert mount.reload(local).kept
        assert listing(inner) == theirs
    mount.commit(AUTHOR)
    assert "sub/other/new/x" in bench.published()
    shutil.rmtree(inner)
    mount.reload(LocalChanges.DISCARD)
    assert FilePath(mount.path, "sub/other/f").read_text() == "others' change"


def test_an_unmount_around_it_leaves_it(bench: Bench, other: FilePath) -> None:
    mount = bench.mount("m")
    put(mount, "sub/mine", "mine")
    put(mount, "sub/other/f", "published")
    mount.commit(AUTHOR)
    shutil.rmtree(FilePath(mount.path, "sub/other"))
    inner = move_in(other, mount, "sub/other")
    theirs = listing(inner)
    unbind(mount, remove_files=True)
    assert not (inner.parent / "mine").exists()
    assert listing(inner) == theirs


@pytest.mark.parametrize("name", [".vgit", "d/.vgit", "d/.VGIT"])
def test_the_name_is_kept_for_mounts(bench: Bench, name: str) -> None:
    mount = bench.mount("m")
    put(mount, f"{name}/x", "x")
    put(mount, "d/f", "x")
    committed = mount.commit(AUTHOR)
    assert set(bench.published()) == {"d", "d/f"}
    assert [one.kind for one in committed.left_out] == [LeftOutKind.NAME] * (name != ".vgit")
    other = bench.mount("other")
    put(other, "d/f", "changed")
    other.commit(AUTHOR)
    mount.reload(LocalChanges.DISCARD)
    assert FilePath(mount.path, name, "x").read_text() == "x"


def test_a_row_that_an_older_vgit_made_of_it_removes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = bench.mount("m")
    with monkeypatch.context() as patch:
        for module in ("scan", "plan", "checkout"):
            for function in ("is_state_name", "has_state_name"):
                patch.setattr(f"vgit.mount.{module}.{function}", lambda name: False, raising=False)
        put(mount, "d/.vgit/x", "x")
        put(mount, "d/f", "x")
        mount.commit(AUTHOR)
    put(mount, "d/.vgit/x", "changed")
    put(mount, "d/f", "changed")
    assert mount.commit(AUTHOR).published is not None
    assert "d/.vgit/x" in bench.published()


def test_no_part_of_a_volume_of_that_name_is_mounted(bench: Bench) -> None:
    from vgit.mount.scope import check_sub_path

    with pytest.raises(InvalidError, match="kept for mounts"):
        check_sub_path(bench.repository(), ("d", ".vgit"), None)
