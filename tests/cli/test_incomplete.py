"""Test_incomplete: what the command line says, and exits with, where something could not be read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from tests.ordinary_user import AS_OTHERS
from vgit.volume import Volume


def as_others(*words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run vgit as one who may not read every file."""
    command = [*AS_OTHERS, sys.executable, "-m", "vgit", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def secret(work: Path) -> Path:
    """A file in the mount that its owner may not read."""
    path = work / "secret"
    path.write_text("x")
    path.chmod(0)
    return path


def test_commit_publishes_the_rest_and_exits_3(data: Volume, work: Path, secret: Path) -> None:
    (work / "new").touch()
    done = as_others("commit", work, "--json")
    assert done.returncode == 3
    assert "Warning: not read, so what is published of it stays: secret: Permission denied\n" in done.stderr
    info = json.loads(done.stdout)
    assert info["left_out"] == [{"path": "secret", "kind": "unreadable", "reason": "Permission denied"}]
    assert info["id"] == data.info().head and "new" in [entry.path for entry in data.listdir("/")]
    done = as_others("commit", work)
    assert (done.returncode, done.stdout) == (3, "") and "secret" in done.stderr  # nothing else, and not silent
    shown = as_others("status", work, "--json")
    assert shown.returncode == 0 and json.loads(shown.stdout)["left_out"] == info["left_out"]
    secret.chmod(0o600)
    assert as_others("commit", work).returncode == 0


def test_long_lists_are_cut(work: Path) -> None:
    for number in range(25):
        (work / f"secret{number:02}").touch(0o000)
    said = as_others("commit", work).stderr
    assert said.count("secret") == 20 and "… and 5 more" in said


def test_unmount_leaves_it_and_exits_3(work: Path, secret: Path) -> None:
    done = as_others("unmount", work)
    assert done.returncode == 3 and "secret" in done.stderr and secret.exists()


@pytest.mark.parametrize(("script", "code"), [("true", 3), ("exit 5", 5)])
def test_run_exits_3_if_its_command_went_well(data: Volume, tmp_path: Path, script: str, code: int) -> None:
    script = f"echo x > data/f; echo x > data/secret; chmod 0 data/secret; {script}"
    done = as_others("run", "-v", "data", "--", "sh", "-c", script, cwd=tmp_path)
    assert done.returncode == code and "secret: Permission denied" in done.stderr
    assert "f" in [entry.path for entry in data.listdir("/")]


def test_put_is_all_or_nothing(data: Volume, tmp_path: Path, secret: Path) -> None:
    (secret.parent / "new").touch()
    head = data.info().head
    done = as_others("put", "data", secret.parent, "/up")
    assert done.returncode == 1 and "secret" in done.stderr
    assert data.info().head == head


def test_put_tells_what_a_volume_cannot_hold(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/one").touch()
    os.link(tmp_path / "d/one", tmp_path / "d/two")
    result = vgit("put", "data", tmp_path / "d", "--json")
    assert "Warning: not kept in a volume: d/one: hard link" in result.stderr
    assert json.loads(result.stdout)["left_out"][0]["kind"] == "hard link"
