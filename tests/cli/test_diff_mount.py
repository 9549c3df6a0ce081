"""`vgit diff` of a mount: what it has that is not published."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.volume import Volume


@pytest.fixture
def changed(work: Path) -> Path:
    (work / "a.txt").write_text("one\nTWO\n")
    (work / "new").mkdir()
    (work / "new" / "c.txt").write_text("c\n")
    os.rename(work / "sub" / "b.bin", work / "moved.bin")
    os.rmdir(work / "sub")
    return work


def test_lines(vgit: Vgit, changed: Path) -> None:
    out = vgit("diff", f"{changed}/").stdout
    assert out.splitlines() == ["M\ta.txt", "R\tsub/b.bin\tmoved.bin", "A\tnew/c.txt"]


def test_nothing_without_changes(vgit: Vgit, work: Path) -> None:
    os.utime(work / "a.txt")
    assert vgit("diff", f"{work}/").stdout == ""


def test_in_the_current_directory(vgit: Vgit, changed: Path) -> None:
    for arguments in ([], ["."]):
        os.chdir(changed / "new")
        assert "M\ta.txt" in vgit("diff", *arguments).stdout


def test_mode_and_stat(vgit: Vgit, work: Path) -> None:
    (work / "a.txt").chmod(0o600)
    (work / "empty").mkdir()
    lines = vgit("diff", "--stat", f"{work}/").stdout.splitlines()
    assert lines == ["T\ta.txt\t0644 -> 0600", "A\tempty\tdir"]


def test_json(vgit: Vgit, changed: Path) -> None:
    found = json.loads(vgit("diff", "--json", f"{changed}/").stdout)
    assert found[0]["path"] == "a.txt" and found[0]["kind"] == "changed"


def test_one_path(vgit: Vgit, changed: Path) -> None:
    assert vgit("diff", f"{changed}/", "--", "new").stdout == "A\tnew/c.txt\n"


def test_the_patch_applies(vgit: Vgit, changed: Path, tmp_path: Path) -> None:
    patch = vgit("diff", "-p", f"{changed}/", "--", "a.txt").stdout
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "a.txt").write_text("one\ntwo\n")
    subprocess.run(["git", "apply", "-"], cwd=copy, input=patch.encode(), check=True)
    assert (copy / "a.txt").read_text() == "one\nTWO\n"


def test_a_part_of_a_volume(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "part", "--sub-path", "sub")
    (tmp_path / "part" / "b.bin").write_text("text\n")
    (tmp_path / "part" / "b.txt").write_text("text\n")
    out = vgit("diff", "-p", f"{tmp_path}/part").stdout
    assert "Binary files a/b.bin and b/b.bin differ" in out
    assert "+text" in out


def test_revisions_are_for_volumes(vgit: Vgit, work: Path) -> None:
    assert "give a volume" in vgit("diff", f"{work}/", "HEAD", code=2).stderr


def test_outside_of_mounts(vgit: Vgit, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    assert "not in a mount" in vgit("diff", code=1).stderr


def test_a_directory_named_like_a_volume_that_is_not_there(vgit: Vgit, work: Path) -> None:
    os.chdir(work.parent)
    assert "write ./work" in vgit("diff", "work", code=1).stderr
