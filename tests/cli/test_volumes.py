"""Test_volumes: create, list, info, rename, delete, undelete."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.volume import Volume


def names(vgit: Vgit, *args: str) -> list[str]:
    return [one["name"] for one in json.loads(vgit("list", "--json", *args).stdout)]


def test_create_prints_the_name_and_how_to_use_it(vgit: Vgit) -> None:
    result = vgit("create", "weights")
    assert result.stdout == "weights\n"
    assert 'vgit.Volume.from_name("weights")' in result.stderr


def test_a_name_is_taken_once(vgit: Vgit) -> None:
    vgit("create", "weights")
    assert vgit("create", "weights", code=1).stderr.startswith("Error: Volume 'weights' already exists")
    assert vgit("create", "weights", "--allow-existing").stdout == "weights\n"
    assert vgit("create", "a/b", code=1).stderr.startswith("Error: Invalid Volume name: 'a/b'")


def test_list_is_newest_first_and_empty_without_a_store(vgit: Vgit) -> None:
    assert vgit("list").stdout == ""
    assert json.loads(vgit("list", "--json").stdout) == []
    vgit("create", "one")
    vgit("create", "two")
    lines = vgit("list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["two", "one"]
    assert lines[0].split("\t")[2] == "Ada <ada@host>"
    first = json.loads(vgit("list", "--json").stdout)[0]
    assert sorted(first) == ["created_at", "created_by", "name"]


def test_store_and_environment_before_or_after_the_command(vgit: Vgit, tmp_path: Path) -> None:
    vgit("--store", tmp_path / "other", "create", "a")
    vgit("create", "b", "--store", tmp_path / "other", "-e", "dev")
    vgit("-e", "dev", "create", "c")
    assert names(vgit) == []
    assert names(vgit, "--store", str(tmp_path / "other")) == ["a"]
    assert names(vgit, "--store", str(tmp_path / "other"), "--env", "dev") == ["b"]
    assert names(vgit, "-e", "dev") == ["c"]
    after = vgit("--env", "main", "list", "-e", "dev")
    assert after.stdout.startswith("c\t"), "what stands after the command wins"


def test_the_environment_variable_names_the_environment(vgit: Vgit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGIT_ENVIRONMENT", "dev")
    vgit("create", "a")
    assert names(vgit, "-e", "main") == []
    assert names(vgit) == ["a"]


def test_info(vgit: Vgit, data: Volume) -> None:
    about = json.loads(vgit("info", "data", "--json").stdout)
    assert (about["name"], about["id"], about["commits"]) == ("data", data.object_id, 2)
    assert about["size"] == 8 + 2000 + len("a.txt")
    assert os.path.isdir(about["git_dir"])
    text = vgit("info", "data").stdout
    assert f"git --git-dir={about['git_dir']} log" in text and about["head"] in text


def test_what_is_missing_is_named(vgit: Vgit) -> None:
    assert "Volume 'nope' not found" in vgit("info", "nope", code=1).stderr
    assert "no vgit store" in vgit("undelete", "nope", code=1).stderr
    vgit("create", "other")
    assert "No deleted volume was called 'nope'" in vgit("undelete", "nope", code=1).stderr


@pytest.mark.parametrize("answer", [None, "y\n", "yes\n"])
@pytest.mark.parametrize("line", [("delete", "data"), ("rename", "data", "other")])
def test_nothing_piped_in_is_an_answer(vgit: Vgit, data: Volume, line: tuple[str, ...], answer: str | None) -> None:
    head = data.info().head
    result = vgit(*line, code=1, input=answer)
    assert "no terminal" in result.stderr and "-y" in result.stderr
    assert names(vgit) == ["data"] and data.info().head == head


def test_rename_and_delete_when_told_not_to_ask(vgit: Vgit, data: Volume) -> None:
    vgit("rename", "-y", "data", "other")
    assert names(vgit) == ["other"]
    vgit("delete", "other", "--yes")
    assert names(vgit) == []
    assert vgit("undelete", "other").stdout == "other\n"
    assert json.loads(vgit("info", "other", "--json").stdout)["id"] == data.object_id


def test_delete_of_what_is_missing(vgit: Vgit) -> None:
    assert "not found" in vgit("delete", "-y", "nope", code=1).stderr
    assert vgit("delete", "-y", "nope", "--allow-missing").stderr == "there is no volume nope\n"
