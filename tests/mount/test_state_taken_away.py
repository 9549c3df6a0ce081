"""Test_state_taken_away: what of ``.vgit`` can be made again is made again; what cannot is named with the way out."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench
from vgit.errors import NotMountedError
from vgit.mount.open import unbind
from vgit.mount.working_directory import WorkingDirectory

MADE_AGAIN = ["tmp", "displaced", "probe", "lock", "owner", "state.db-wal", "state.db-shm"]


@pytest.fixture
def behind(bench: Bench) -> WorkingDirectory:
    """A mount with a file to commit, and others' changes to bring in: a new file, a new version, a removal."""
    mount, other = bench.mount("m"), bench.mount("other")
    for name in ("changed", "gone", "d/kept"):
        put(mount, name, "old")
    mount.commit(AUTHOR)
    other.reload()
    put(other, "changed", "new")
    put(other, "new", "new")
    FilePath(other.path, "gone").unlink()
    other.commit(AUTHOR)
    put(mount, "mine", "mine")
    return mount


def put(mount: WorkingDirectory, name: str, text: str) -> None:
    path = FilePath(mount.path, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def take_away(mount: WorkingDirectory) -> None:
    """Do as people do who tidy up."""
    subprocess.run(["find", mount.path, "-type", "d", "-empty", "-delete"], check=True)
    assert not FilePath(mount.path, ".vgit/tmp").exists() and not FilePath(mount.path, ".vgit/displaced").exists()


def take_all_away(mount: WorkingDirectory) -> None:
    take_away(mount)
    for name in MADE_AGAIN:
        FilePath(mount.path, ".vgit", name).unlink(missing_ok=True)


def put_a_directory_there(mount: WorkingDirectory) -> None:
    for area in ("tmp", "displaced"):
        FilePath(mount.path, ".vgit", area, "of somebody").mkdir(exist_ok=True)
        FilePath(mount.path, ".vgit", area, "of somebody/file").touch()


@pytest.mark.parametrize("tidy", [take_away, put_a_directory_there])
def test_every_operation_goes_on(
    bench: Bench, behind: WorkingDirectory, tidy: Callable[[WorkingDirectory], None]
) -> None:
    tidy(behind)
    behind.commit(AUTHOR)
    tidy(behind)
    behind.reload()
    assert FilePath(behind.path, "new").read_text() == "new"
    tidy(behind)
    behind.close()
    again = bench.mount("m")
    tidy(again)
    assert unbind(again, remove_files=True)
    assert os.listdir(again.path) == []
    assert set(bench.published()) == {"changed", "new", "mine", "d", "d/kept"}


def test_also_where_a_reload_was_cut_off(
    bench: Bench, behind: WorkingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vgit.mount.plan_execution.PlanExecution._settle", killed)
        with pytest.raises(KeyboardInterrupt):
            behind.reload()
    for name in os.listdir(FilePath(behind.path, ".vgit/displaced")):
        FilePath(behind.path, ".vgit/displaced", name).unlink()
    behind.close()
    again = bench.mount_as_it_is("m")
    take_all_away(again)
    again.reload()
    assert FilePath(again.path, "changed").read_text() == "new"
    again.commit(AUTHOR)
    assert set(bench.published()) == {"changed", "new", "mine", "d", "d/kept"}


@pytest.mark.parametrize("name", ["mount", "state.db"])
@pytest.mark.parametrize("how", ["removed", "damaged"])
def test_what_cannot_be_made_again_is_named_with_the_way_out(
    bench: Bench, behind: WorkingDirectory, name: str, how: str
) -> None:
    behind.close()
    file = FilePath(behind.path, ".vgit", name)
    for extra in FilePath(behind.path, ".vgit").glob("state.db-*"):
        if name == "state.db":
            extra.unlink()
    file.unlink() if how == "removed" else file.write_bytes(b"no JSON, and no database" * 200)
    with pytest.raises(NotMountedError) as caught:
        bench.mount_as_it_is("m").commit(AUTHOR)
    if how == "damaged":
        assert str(file) in str(caught.value), "it says what to remove"
        file.unlink()
    adopt = "--adopt" in str(caught.value)
    assert "ount" in str(caught.value) and "no file" in str(caught.value) and adopt == (name == "mount")
    again = bench.mount("m", adopt=adopt)
    assert FilePath(again.path, "mine").read_text() == "mine"
    assert FilePath(again.path, "changed").read_text() == "old", "which of the two is the newer nobody knows any more"
    again.commit(AUTHOR)
    assert {"mine", "new", "gone"} <= set(bench.published())
