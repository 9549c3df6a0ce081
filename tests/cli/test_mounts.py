"""Test_mounts: mount, unmount, mounts."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from tests.gitjudge import run
from vgit.volume import Volume


def test_mount_prints_the_path_and_leaves_the_directory_mounted(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    assert vgit("mount", "data", tmp_path / "m").stdout == f"{tmp_path}/m\n"
    assert (tmp_path / "m" / "a.txt").read_text() == "one\ntwo\n"
    assert vgit("status", tmp_path / "m").stdout == ""


def test_mount_again_brings_it_up_to_date(vgit: Vgit, data: Volume, work: Path, tmp_path: Path) -> None:
    with data.mount(tmp_path / "other") as path:
        (path / "new").touch()
    vgit("mount", "data", work)
    assert (work / "new").exists()


def test_mount_create_makes_the_volume(vgit: Vgit, tmp_path: Path) -> None:
    assert "not found" in vgit("mount", "new", tmp_path / "m", code=1).stderr
    vgit("mount", "new", tmp_path / "m", "--create")
    assert vgit("ls", "new").stdout == ""


def test_mount_refuses_a_directory_with_files_unless_it_adopts(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine").touch()
    assert "--adopt" in vgit("mount", "data", tmp_path / "m", code=1).stderr
    vgit("mount", "data", tmp_path / "m", "--adopt")
    assert vgit("status", tmp_path / "m").stdout == "A\tmine\n"
    assert (tmp_path / "m" / "a.txt").exists()


def test_a_mount_of_an_old_state_is_read_only(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "old", "--at", "HEAD~1")
    assert os.listdir(tmp_path / "old") == [".vgit"]
    assert "read-only" in vgit("commit", tmp_path / "old", code=1).stderr
    assert "reload" not in vgit("status", tmp_path / "old").stderr
    vgit("unmount", tmp_path / "old")


def test_a_read_only_mount(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "m", "--read-only")
    assert (tmp_path / "m" / "a.txt").stat().st_mode & 0o222 == 0
    vgit("unmount", tmp_path / "m")
    assert os.listdir(tmp_path / "m") == []


def test_unmount_commits_and_takes_the_files_away(vgit: Vgit, data: Volume, work: Path) -> None:
    (work / "new").write_text("x")
    result = vgit("unmount", work)
    assert "1 added, 0 changed, 0 removed" in result.stderr
    assert os.listdir(work) == []
    assert vgit("cat", "data", "new").stdout == "x"
    assert str(work) not in vgit("mounts").stdout
    assert "is not in a mount" in vgit("status", work, code=1).stderr


def test_unmount_from_within(vgit: Vgit, work: Path) -> None:
    os.chdir(work / "sub")
    vgit("unmount")
    assert os.listdir(work) == []


def test_unmount_keeps_the_files_when_told_to(vgit: Vgit, data: Volume, work: Path) -> None:
    (work / "new").write_text("x")
    vgit("unmount", work, "--keep-files")
    assert sorted(os.listdir(work)) == ["a.txt", "link", "new", "sub"]
    assert vgit("cat", "data", "new").stdout == "x"


def test_unmount_discard_publishes_nothing(vgit: Vgit, data: Volume, work: Path) -> None:
    head = data.info().head
    (work / "new").write_text("x")
    (work / "a.txt").write_text("changed")
    vgit("unmount", work, "--discard")
    assert os.listdir(work) == []
    assert data.info().head == head


def test_unmount_discard_and_keep_files_leaves_all_as_it_is(vgit: Vgit, data: Volume, work: Path) -> None:
    head = data.info().head
    (work / "a.txt").write_text("changed")
    vgit("unmount", work, "--discard", "--keep-files")
    assert (work / "a.txt").read_text() == "changed" and not (work / ".vgit").exists()
    assert data.info().head == head


def test_unmount_and_reload_are_refused_while_a_file_is_open(vgit: Vgit, data: Volume, work: Path) -> None:
    head = data.info().head
    (work / "new").write_text("x")
    with open(work / "a.txt"):
        for line in ("unmount", "reload"):
            assert (
                "there are open files preventing the operation: path a.txt is open" in vgit(line, work, code=1).stderr
            )
    assert data.info().head == head, "nothing is published by what is refused"
    assert (work / "new").exists()


def test_unmount_is_refused_while_a_program_has_it_mounted(vgit: Vgit, data: Volume, work: Path) -> None:
    code = f"import sys, vgit; m = vgit.Volume.from_name('data').mount({str(work)!r}); print(1, flush=True); input()"
    program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with program:
        assert program.stdout is not None and program.stdout.readline() == b"1\n"
        assert "already mounted by a running program" in vgit("unmount", work, code=1).stderr
        program.communicate(b"\n")
    vgit("unmount", work)


def test_a_process_that_works_in_the_mount_is_named(vgit: Vgit, work: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=work / "sub") as process:
        try:
            message = vgit("reload", work, code=1).stderr
        finally:
            process.kill()
    assert "cwd of 'sleep 60' is inside volume" in message


def test_mounts_lists_every_mount_of_the_environment(vgit: Vgit, data: Volume, work: Path, tmp_path: Path) -> None:
    vgit("mount", "other", tmp_path / "o", "--create", "--read-only")
    listed = json.loads(vgit("mounts", "--json").stdout)
    by_path = {one["path"]: one for one in listed}
    assert by_path[str(work)]["volume"] == "data" and not by_path[str(work)]["read_only"]
    assert by_path[str(work)]["host"] == socket.gethostname()
    assert by_path[str(work)]["base"] == data.info().head
    assert by_path[str(tmp_path / "o")]["read_only"]
    fields = [line.split("\t") for line in vgit("mounts", "other").stdout.splitlines()]
    assert [(one[0], one[2], one[3]) for one in fields] == [("other", str(tmp_path / "o"), "read-only")]
    assert "not found" in vgit("mounts", "nope", code=1).stderr
    assert vgit("mounts", "-e", "dev").stdout == ""


def test_a_mount_of_a_deleted_volume_says_what_to_do(vgit: Vgit, work: Path) -> None:
    vgit("delete", "-y", "data")
    message = vgit("commit", work, code=1).stderr
    assert "may have been deleted" in message and f"remove {work}/.vgit" in message


@pytest.mark.parametrize("line", ["status", "commit", "reload", "unmount"])
def test_outside_of_a_mount(vgit: Vgit, data: Volume, tmp_path: Path, line: str) -> None:
    os.chdir(tmp_path)
    assert "is not in a mount" in vgit(line, code=1).stderr
    assert "No such file or directory" in vgit(line, tmp_path / "nope", code=1).stderr


def test_in_a_directory_that_is_gone(vgit: Vgit, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the current directory was deleted" in vgit("status", code=1).stderr


def test_a_catalog_that_was_set_back_is_told_and_can_be_brought_forward(
    vgit: Vgit, tmp_path: Path, store: Path
) -> None:
    vgit("create", "other")
    shutil.copytree(store, tmp_path / "backup")
    work = tmp_path / "work"
    vgit("mount", "--create", "data", work)
    (work / "f").write_text("x")
    shutil.copytree(tmp_path / "backup", store, dirs_exist_ok=True)
    said = vgit("commit", work, code=1).stderr
    assert "its repository is there" in said and "set back" in said
    catalog = store / "catalog.git"
    assert f"git --git-dir={catalog} fsck --no-reflogs --lost-found" in said
    newest = run(catalog, "fsck", "--no-reflogs", "--lost-found").split()[-1]
    run(catalog, "update-ref", "refs/heads/main", newest)
    vgit("commit", work)
    vgit("rename", "-y", "data", "moved")
    vgit("create", "data")
    said = vgit("mount", "data", work, code=1).stderr
    assert said.count("vo-") == 2, "two volumes that were called alike at some time are told apart"


def test_files_of_a_mount_can_be_kept_where_the_store_was_set_back(
    vgit: Vgit, data: Volume, work: Path, tmp_path: Path, store: Path
) -> None:
    shutil.copytree(store, tmp_path / "backup")
    (work / "a.txt").write_text("newer")
    vgit("commit", work)
    shutil.rmtree(store)
    shutil.copytree(tmp_path / "backup", store)
    assert "`vgit unmount --keep-files --discard`" in vgit("unmount", work, code=1).stderr
    vgit("unmount", "--keep-files", "--discard", work)
    vgit("mount", "--adopt", "data", work)
    vgit("commit", work)
    assert vgit("cat", "data", "a.txt").stdout == "newer"


@pytest.mark.parametrize("options", [(), ("--keep-files",)])
def test_an_unmount_that_was_cut_off_is_repeated(
    vgit: Vgit, work: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vgit.mount.unmount.PlanExecution.run", cut_off)
        vgit("unmount", work, code=130)
    for command in ("status", "commit", "reload"):
        assert f"`vgit unmount {work}` finishes it" in vgit(command, work / "sub", code=1).stderr
    assert "finishes it" in vgit("mount", "data", work, code=1).stderr
    assert "is unmounted" in vgit("unmount", *options, work / "sub").stderr
    assert sorted(os.listdir(work)) == (["a.txt", "link", "sub"] if options else [])
    assert vgit("mounts", "--json").stdout.count("mount_id") <= 1
