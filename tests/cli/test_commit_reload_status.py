"""Test_commit_reload_status: status, commit, reload in a mount that the command line made."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.mount import open as mount_open
from vgit.mount.lease import Lease, renew_lease
from vgit.repository.repository import Repository
from vgit.volume import Volume


def test_status_lists_what_is_not_published(vgit: Vgit, work: Path) -> None:
    assert "nothing to commit" in vgit("status", work).stderr
    (work / "a.txt").write_text("changed")
    (work / "new").touch()
    (work / "sub" / "b.bin").unlink()
    assert vgit("status", work).stdout.splitlines() == ["M\ta.txt", "A\tnew", "D\tsub/b.bin"]


def test_status_json(vgit: Vgit, data: Volume, work: Path) -> None:
    (work / "a.txt").chmod(0o755)
    found = json.loads(vgit("status", work, "--json").stdout)
    assert (found["volume"], found["path"]) == ("data", str(work))
    assert found["base"] == found["head"] == data.info().head
    assert [(one["kind"], one["old"]["mode"], one["new"]["mode"]) for one in found["changes"]] == [
        ("mode", "0644", "0755")
    ]


def test_the_mount_is_found_from_within(vgit: Vgit, work: Path) -> None:
    (work / "new").touch()
    os.chdir(work / "sub")
    assert vgit("status").stdout == "A\tnew\n"
    assert vgit("status", work / "a.txt").stdout == "A\tnew\n"
    os.chdir(work / "sub")
    assert vgit("status", "..").stdout == "A\tnew\n"


def test_a_mount_knows_its_store(vgit: Vgit, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGIT_STORE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("VGIT_ENVIRONMENT", "dev")
    (work / "new").touch()
    assert vgit("status", work).stdout == "A\tnew\n"
    assert "leave --store out" in vgit("commit", work, "--store", tmp_path / "elsewhere", code=1).stderr
    assert "leave --env out" in vgit("-e", "dev", "commit", work, code=1).stderr
    vgit("commit", work, "--store", tmp_path / "store", "-e", "main")
    assert not (tmp_path / "elsewhere").exists()


def test_commit_prints_the_id_and_tells_what_it_did(vgit: Vgit, data: Volume, work: Path) -> None:
    (work / "new").touch()
    result = vgit("commit", work, "-m", "why")
    assert data.info().head.startswith(result.stdout.strip())
    assert "1 added, 0 changed, 0 removed" in result.stderr
    assert next(iter(data.log())).message == "why"


def test_commit_of_nothing(vgit: Vgit, work: Path) -> None:
    result = vgit("commit", work)
    assert (result.stdout, result.stderr) == ("", "nothing to commit\n")
    assert json.loads(vgit("commit", work, "--json").stdout) is None


def test_commit_tells_what_it_overwrote_unseen(vgit: Vgit, data: Volume, work: Path, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "two")
    (work / "a.txt").write_text("theirs")
    vgit("commit", work)
    (tmp_path / "two" / "a.txt").write_text("ours")
    result = vgit("commit", tmp_path / "two")
    assert "overwrote: a.txt" in result.stderr
    assert len(result.stdout.split()) == 1
    assert vgit("cat", "data", "a.txt", "--at", "HEAD~1").stdout == "theirs"
    (work / "a.txt").write_text("again")
    assert json.loads(vgit("commit", work, "--json").stdout)["overwrote"] == ["a.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_told(vgit: Vgit, work: Path) -> None:
    (work / "secret").touch(0o000)
    (work / "new").touch()
    result = vgit("commit", work, code=3)
    assert "Warning: not read" in result.stderr and "secret" in result.stderr
    assert result.stdout != ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_what_a_volume_cannot_hold_is_told(vgit: Vgit, work: Path) -> None:
    try:
        os.mknod(work / "null", 0o020644, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices here")
    (work / "new").touch()
    for line in ("status", "commit"):
        assert "Warning: not kept in a volume: null: character device" in vgit(line, work).stderr
    left_out = json.loads(vgit("status", work, "--json").stdout)["left_out"]
    assert left_out == [{"path": "null", "kind": "device", "reason": "character device"}]


def test_reload_brings_in_and_keeps_local_changes(vgit: Vgit, data: Volume, work: Path, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "two")
    (tmp_path / "two" / "a.txt").write_text("theirs")
    (tmp_path / "two" / "new").write_text("new")
    vgit("commit", tmp_path / "two")
    (work / "a.txt").write_text("mine")
    assert "`vgit reload`" in vgit("status", work).stderr
    result = vgit("reload", work)
    assert data.info().head.startswith(result.stdout.strip())
    assert "kept: a.txt" in result.stderr and "1 path brought in" in result.stderr
    assert (work / "a.txt").read_text() == "mine" and (work / "new").read_text() == "new"
    assert "nothing to bring in" in vgit("reload", work).stderr
    discarded = json.loads(vgit("reload", work, "--discard", "--json").stdout)
    assert discarded == {"head": data.info().head, "changed": 1, "kept": [], "left_out": []}
    assert (work / "a.txt").read_text() == "theirs"


def test_reload_from_within_a_mount_is_not_in_its_own_way(vgit: Vgit, work: Path) -> None:
    os.chdir(work / "sub")
    assert "nothing to bring in" in vgit("reload").stderr


def test_reload_names_the_shell_that_stands_in_the_mount(vgit: Vgit, work: Path) -> None:
    script = f"cd {work}/sub; {sys.executable} -m vgit reload; exit $?"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there are open files preventing the operation: cwd of 'sh -c" in done.stderr


def test_the_lease_is_renewed_once(
    vgit: Vgit, data: Volume, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Lease] = []

    def renew(repository: Repository, lease: Lease) -> None:
        renewed.append(lease)
        renew_lease(repository, lease)

    def count(action: Callable[[], object]) -> int:
        renewed.clear()
        action()
        return len(renewed)

    monkeypatch.setattr(mount_open, "renew_lease", renew)
    other = data.mount(tmp_path / "two")
    (other.path / "new").touch()
    other.commit()
    assert count(lambda: vgit("reload", work)) == 1  # brings something in
    assert count(lambda: vgit("reload", work)) == 1  # does not, and shows all the same that the mount is in use
    assert count(other.reload) == 0
    vgit("put", "data", Path(__file__), "/x")
    assert count(other.reload) == 1
    other.close()
    assert count(lambda: vgit("mount", "data", work)) == 1
    assert count(lambda: vgit("mount", "data", tmp_path / "three")) == 1
    assert count(lambda: data.mount(tmp_path / "four", read_only=True).close()) == 1
    assert count(lambda: vgit("unmount", work)) == 0


def test_reload_moves_the_lease(vgit: Vgit, data: Volume, work: Path, tmp_path: Path) -> None:
    with data.mount(tmp_path / "two") as path:
        (path / "new").touch()
    vgit("reload", work)
    bases = {one["path"]: one["base"] for one in json.loads(vgit("mounts", "--json").stdout)}
    assert bases[str(work)] == data.info().head
