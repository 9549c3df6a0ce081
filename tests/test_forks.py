"""Test_forks: a forked child neither publishes nor ends what is its parent's."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import vgit
from vgit.mount.open import reopen_mount


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    return vgit.Volume.from_name("x", create_if_missing=True, client=client).hydrate()


def in_child(work: Callable[[], object]) -> None:
    """Run ``work`` in a forked child; see that it raised nothing."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def names(volume: vgit.Volume) -> list[str]:
    return sorted(entry.path for entry in volume.listdir("/"))


def leave(mount: vgit.Mount) -> None:
    mount.__exit__(None, None, None)


def fail(mount: vgit.Mount) -> None:
    mount.__exit__(ValueError, ValueError(), None)


def leave_awaited(mount: vgit.Mount) -> None:
    asyncio.run(mount.__aexit__(None, None, None))


def close(mount: vgit.Mount) -> None:
    assert mount.close() is None


def close_twice(mount: vgit.Mount) -> None:
    mount.close()
    mount.close()


def in_another_program(volume: vgit.Volume, path: Path) -> None:
    """Take a mount up as another program would, which fails while this one has it."""
    repository = volume.repository
    with reopen_mount(str(path), repository, repository.clock) as working:
        working.own()


@pytest.mark.parametrize("commit_every", [None, 1000])
@pytest.mark.parametrize("end", [leave, fail, leave_awaited, close, close_twice, vgit.Mount.release])
def test_a_child_ends_no_mount_of_its_parent(
    volume: vgit.Volume, tmp_path: Path, end: Callable[[vgit.Mount], None], commit_every: float | None
) -> None:
    mount = volume.mount(tmp_path / "m", commit_every=commit_every)
    with mount as path:
        (path / "half done").write_text("x")
        in_child(lambda: end(mount))
        assert names(volume) == []
        (path / "half done").rename(path / "done")
        with pytest.raises(vgit.LockedError):
            in_another_program(volume, tmp_path / "m")
    assert names(volume) == ["done"]


def test_what_it_asks_for_explicitly_is_refused(volume: vgit.Volume, tmp_path: Path) -> None:
    def ask() -> None:
        for action in (mount.commit, mount.reload, lambda: mount.reload(discard=True)):
            with pytest.raises(vgit.NotMountedError, match="of the process that forked this one"):
                action()
        with pytest.raises(vgit.NotMountedError, match="is not mounted by this process"):
            volume.commit()
        with pytest.raises(vgit.NotMountedError, match="is not mounted by this process"):
            volume.reload()
        with volume.mount(tmp_path / "own") as path:
            (path / "the child's").write_text("x")
        assert [change.path for change in mount.status().changes] == ["half done"]

    with volume.mount(tmp_path / "m") as path:
        mount = volume_mount(path)
        (path / "half done").write_text("x")
        in_child(ask)
        assert names(volume) == ["the child's"]
        assert (path / "half done").exists()


def volume_mount(path: Path) -> vgit.Mount:
    from vgit.api import open_mounts

    return next(mount for mount in open_mounts._open._mounts if mount.path == path)


def test_a_child_uploads_nothing_that_its_parent_queued(volume: vgit.Volume, tmp_path: Path) -> None:
    (tmp_path / "local").write_text("x")
    with volume.batch_upload() as batch:
        batch.put_file(tmp_path / "local", "half")

        def child() -> None:
            with pytest.raises(vgit.InvalidError, match="in a forked child"):
                batch.put_file(tmp_path / "local", "other")
            batch.__exit__(None, None, None)
            with volume.batch_upload() as own:
                own.put_file(tmp_path / "local", "the child's")

        in_child(child)
        assert names(volume) == ["the child's"]
    assert names(volume) == ["half", "the child's"]
