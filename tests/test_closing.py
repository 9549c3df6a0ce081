"""Test_closing: a mount can be closed as often as programs do it, and says afterwards that it is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import vgit
from vgit.mount.working_directory import WorkingDirectory


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    return vgit.Volume.from_name("x", create_if_missing=True, client=client).hydrate()


def names(volume: vgit.Volume) -> list[str]:
    return sorted(entry.path for entry in volume.listdir("/"))


@pytest.mark.parametrize("commit_every", [None, 1000])
def test_a_second_time_does_nothing(volume: vgit.Volume, tmp_path: Path, commit_every: float | None) -> None:
    mount = volume.mount(tmp_path / "m", commit_every=commit_every)
    with mount as path:
        (path / "f").write_text("x")
        assert mount.close() is not None
        (path / "later").write_text("of nobody's mount")
        assert mount.close() is None
    assert mount.close(commit=False) is None
    mount.release()
    assert names(volume) == ["f"]
    with volume.mount(tmp_path / "m"):
        pass
    assert names(volume) == ["f", "later"]


def test_after_an_error_too(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "m")
    with pytest.raises(ValueError, match="mine"), mount:
        mount.close()
        raise ValueError("mine")
    mount.close()


def test_and_after_a_commit_that_failed(volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise vgit.BackendUnavailableError("no space")

    mount = volume.mount(tmp_path / "m")
    with monkeypatch.context() as patch:
        patch.setattr(WorkingDirectory, "commit", full)
        with pytest.raises(vgit.BackendUnavailableError, match="no space"), mount as path:
            (path / "f").write_text("x")
            mount.close()
    assert mount.close() is None
    with volume.mount(tmp_path / "m"):
        pass
    assert names(volume) == ["f"]


@pytest.mark.parametrize("use", [vgit.Mount.commit, vgit.Mount.reload, vgit.Mount.status, vgit.Mount.diff])
def test_what_is_closed_says_so(volume: vgit.Volume, tmp_path: Path, use: Callable[[vgit.Mount], object]) -> None:
    mount = volume.mount(tmp_path / "m")
    mount.close()
    with pytest.raises(vgit.NotMountedError, match=r"was closed.*mount the volume there again"):
        use(mount)
    assert mount.path == tmp_path / "m"
    with pytest.raises(vgit.NotMountedError, match="not mounted by this process"):
        volume.commit()


def test_threads_that_close_it_at_once(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "m")
    (mount.path / "f").write_text("x")
    with ThreadPoolExecutor(8) as pool:
        closed = list(pool.map(lambda _: mount.close(), range(8)))
    assert sum(info is not None for info in closed) == 1
    assert names(volume) == ["f"]
