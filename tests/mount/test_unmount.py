"""Test_unmount: a mount ends, and whatever cuts that off, nothing is taken for removed."""

import os
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench
from vgit.errors import BackendUnavailableError, NotMountedError
from vgit.mount import plan_execution
from vgit.mount.lease import list_leases
from vgit.mount.open import renew, reopen_mount, reopen_to_unmount, unbind
from vgit.mount.working_directory import WorkingDirectory


def files_of(bench: Bench, names: list[str]) -> None:
    mount = bench.mount("a")
    for name in names:
        path = FilePath(mount.path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    mount.commit(AUTHOR)
    mount.close()


def test_clean_files_go_and_the_lease_too(bench: Bench) -> None:
    files_of(bench, ["f", "d/g"])
    working = bench.mount_as_it_is("a")
    renew(working, bench.repository().clock)
    assert len(list_leases(bench.repository())) == 1
    assert unbind(working, remove_files=True)
    assert os.listdir(working.path) == []
    assert list_leases(bench.repository()) == []
    assert set(bench.published()) == {"f", "d", "d/g"}


@pytest.mark.parametrize("remove_files", [True, False])
def test_a_local_change_keeps_every_file(bench: Bench, remove_files: bool) -> None:
    files_of(bench, ["f", "d/g"])
    working = bench.mount_as_it_is("a")
    FilePath(working.path, "f").write_text("not published")
    assert not unbind(working, remove_files=remove_files)
    assert sorted(os.listdir(working.path)) == ["d", "f"]
    assert FilePath(working.path, "f").read_text() == "not published"


def test_cut_off_it_leaves_no_mount_that_could_publish_removals(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    files_of(bench, [f"f{number}" for number in range(6)])
    working = bench.mount_as_it_is("a")
    displace = plan_execution.PlanExecution._displace
    calls: list[object] = []

    def interrupted(*arguments: object) -> bool:
        calls.append(arguments)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return displace(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_execution.PlanExecution, "_displace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unbind(working, remove_files=True)
    with pytest.raises(NotMountedError):
        working.commit(AUTHOR)
    with pytest.raises(NotMountedError):
        reopen_mount(working.path, bench.repository(), bench.repository().clock)
    assert len(bench.published()) == 6


def test_a_mount_made_there_at_once_keeps_its_state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    files_of(bench, ["f"])
    working = bench.mount_as_it_is("a")
    close = WorkingDirectory.close
    made: list[WorkingDirectory] = []

    def late(self: WorkingDirectory) -> None:
        if not made:
            made.append(self)
            made[0] = bench.mount("a")
        close(self)

    with monkeypatch.context() as patch:
        patch.setattr(WorkingDirectory, "close", late)
        assert unbind(working, remove_files=True)
    FilePath(made[0].path, "g").write_text("of the new mount")
    assert made[0].commit(AUTHOR).published is not None
    assert not bench.mount_as_it_is("a").status().edits
    assert set(bench.published()) == {"f", "g"}


def test_who_waited_for_the_lock_finds_no_mount_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_of(bench, ["f"])
    working, waiting = bench.mount_as_it_is("a"), bench.mount_as_it_is("a")
    rmdir = os.rmdir
    came: list[object] = []

    def late(name: str, *, dir_fd: int | None = None) -> None:
        if name == ".vgit" and not came:
            came.append(name)
            with pytest.raises(NotMountedError):  # makes the lock's file anew, in what is going
                waiting.status()
            FilePath(working.path, ".vgit/lock").touch()
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", late)
    assert unbind(working, remove_files=True)
    assert came
    assert os.listdir(working.path) == []


def test_a_local_change_that_slipped_in_when_it_died_goes_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    files_of(bench, ["f", "g"])
    working = bench.mount_as_it_is("a")
    rename = os.rename

    def late(source: str, target: str, **options: int) -> None:
        if source == "f":
            FilePath(working.path, "f").write_text("written at the last moment, and longer")
        rename(source, target, **options)
        if source == "f":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", late)
        with pytest.raises(KeyboardInterrupt):
            unbind(working, remove_files=True)
    working.close()
    assert not FilePath(working.path, "f").exists()
    repository = bench.repository()
    assert not unbind(reopen_to_unmount(working.path, repository, repository.clock), remove_files=True)
    assert os.listdir(working.path) == ["f"]
    assert FilePath(working.path, "f").read_text() == "written at the last moment, and longer"


@pytest.mark.parametrize("remove_files", [True, False])
def test_one_that_was_to_keep_the_files_keeps_them_when_it_is_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, remove_files: bool
) -> None:
    files_of(bench, ["f"])
    working = bench.mount_as_it_is("a")

    def out_of_reach(*arguments: object) -> None:
        raise BackendUnavailableError("the store is out of reach")

    with monkeypatch.context() as patch:
        patch.setattr("vgit.mount.unmount.drop_lease", out_of_reach)
        with pytest.raises(BackendUnavailableError):
            unbind(working, remove_files=False)
        with pytest.raises(NotMountedError, match="vgit unmount"):
            bench.mount_as_it_is("a")
    working.close()
    repository = bench.repository()
    unbind(reopen_to_unmount(working.path, repository, repository.clock), remove_files=remove_files)
    assert os.listdir(working.path) == ["f"] and list_leases(repository) == []
