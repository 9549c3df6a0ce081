"""Test_cp_rm: cp and rm, by the command line."""

import json
from pathlib import Path

from tests.cli.conftest import Vgit
from tests.gitjudge import fsck
from vgit.volume import Volume


def paths(volume: Volume) -> list[str]:
    return [entry.path for entry in volume.iterdir("/")]


def test_cp_is_one_commit(vgit: Vgit, data: Volume) -> None:
    before = len(list(data.log()))
    result = vgit("cp", "data", "a.txt", "b.txt", "-m", "copied")
    assert len(result.stdout) == 13 and "1 added" in result.stderr
    assert vgit("cat", "data", "b.txt").stdout == "one\ntwo\n"
    vgit("cp", "data", "a.txt", "b.txt", "/sub")
    vgit("cp", "-r", "data", "sub", "sub2")
    assert paths(data) == [
        *("a.txt", "b.txt", "link", "sub", "sub2"),
        *("sub/a.txt", "sub/b.bin", "sub/b.txt"),
        *("sub2/a.txt", "sub2/b.bin", "sub2/b.txt"),
    ]
    assert len(list(data.log())) == before + 3
    assert [one.message for one in data.log()][2] == "copied"
    info = json.loads(vgit("cp", "data", "a.txt", "c.txt", "--json").stdout)
    assert info["id"] == data.at("HEAD").id and info["added"] == 1
    fsck(data.git_dir)


def test_cp_complains_as_cp_does(vgit: Vgit, data: Volume) -> None:
    head = data.at("HEAD").id
    assert "-r" in vgit("cp", "data", "sub", "other", code=1).stderr
    assert "nope" in vgit("cp", "data", "nope", "other", code=1).stderr
    assert "director" in vgit("cp", "data", "a.txt", "sub/b.bin", "other", code=1).stderr
    assert "Missing argument" in vgit("cp", "data", "a.txt", code=2).stderr
    assert data.at("HEAD").id == head


def test_rm_is_one_commit(vgit: Vgit, data: Volume) -> None:
    before = len(list(data.log()))
    result = vgit("rm", "data", "a.txt", "link", "-m", "gone")
    assert len(result.stdout) == 13 and "2 removed" in result.stderr
    assert paths(data) == ["sub", "sub/b.bin"]
    info = json.loads(vgit("rm", "data", "-r", "sub", "--json").stdout)
    assert info["id"] == data.at("HEAD").id and info["removed"] == 1
    assert paths(data) == [] and len(list(data.log())) == before + 2
    assert vgit("cat", "data", "a.txt", "--at", "HEAD~2").stdout == "one\ntwo\n"
    fsck(data.git_dir)


def test_rm_complains_as_rm_does(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    head = data.at("HEAD").id
    assert "-r" in vgit("rm", "data", "sub", code=1).stderr
    assert "nope" in vgit("rm", "data", "a.txt", "nope", code=1).stderr
    assert "root" in vgit("rm", "data", "-r", "/", code=1).stderr
    assert "Missing argument" in vgit("rm", "data", code=2).stderr
    assert data.at("HEAD").id == head
