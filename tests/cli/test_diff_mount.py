"""`vgit diff` of a mount: what it has that is not published."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.cli.output import local_time
from vgit.types import ChangeKind
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
    os.utime(work / "sub")  # a directory's own time is no change
    assert vgit("diff", f"{work}/").stdout == ""


def test_a_change_of_times_alone_is_told_by_every_command_as_what_it_is(vgit: Vgit, work: Path, data: Volume) -> None:
    os.utime(work / "a.txt", (0, 86_400))
    (work / "sub" / "b.bin").write_bytes((work / "sub" / "b.bin").read_bytes())  # written again, the same
    lines = "t\ta.txt\nt\tsub/b.bin\n"
    assert vgit("status", work).stdout == vgit("diff", f"{work}/").stdout == lines
    assert kinds(vgit("status", work, "--json").stdout) == {"a.txt": "time", "sub/b.bin": "time"}
    assert "0 added, 0 changed, 0 removed, 2 touched" in vgit("commit", work).stderr
    assert vgit("diff", "data").stdout == lines
    assert f"-> {local_time(datetime.fromtimestamp(86_400, UTC))}\n" in vgit("diff", "data", "--stat").stdout
    assert vgit("restore", "data", "HEAD~1", "--dry-run").stdout == lines
    shown = vgit("show", "data").stdout
    assert "    2 touched\n" in shown and "0 removed, 2 touched" in shown and "t\ta.txt\t" in shown
    assert kinds(vgit("show", "data", "--json").stdout) == {"a.txt": "time", "sub/b.bin": "time"}
    (newest,) = data.log(limit=1)
    assert (newest.touched, newest.changed, newest.message) == (2, 0, "2 touched")
    assert [change.kind for change in data.diff()] == [ChangeKind.TIME] * 2
    assert vgit("log", "data", "a.txt", "--oneline").stdout.startswith(newest.id[:12])


def kinds(text: str) -> dict[str, str]:
    return {change["path"]: change["kind"] for change in json.loads(text)["changes"]}


def test_many_that_were_only_touched_do_not_hide_the_rest(vgit: Vgit, work: Path, data: Volume) -> None:
    for number in range(60):
        (work / f"{number:02}").touch()
    vgit("commit", work)
    for number in range(60):
        os.utime(work / f"{number:02}", (1, 1))
    (work / "z").touch()
    for words in (("status", work), ("diff", f"{work}/")):
        told = vgit(*words)
        assert told.stdout.count("t\t") == 20 and told.stdout.endswith("A\tz\n")
        assert "… and 40 more of which only the time changed" in told.stderr
    vgit("commit", work)
    assert len(vgit("show", "data").stdout.split("\n\n")[-1].splitlines()) == 21
    assert len(kinds(vgit("show", "data", "--json").stdout)) == 61


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
