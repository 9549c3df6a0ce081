"""Test_ls_cat: ls and cat."""

import json
import os
from pathlib import Path

from tests.cli.conftest import Vgit
from vgit.volume import Volume


def test_ls_is_one_path_a_line_in_a_pipe(vgit: Vgit, data: Volume) -> None:
    assert vgit("ls", "data").stdout == "a.txt\nlink\nsub\n"
    assert vgit("ls", "data", "-R").stdout.splitlines() == ["a.txt", "link", "sub", "sub/b.bin"]
    assert vgit("ls", "data", "/sub").stdout == "sub/b.bin\n"
    assert vgit("ls", "data", "a.txt").stdout == "a.txt\n"
    assert "nope" in vgit("ls", "data", "nope", code=1).stderr


def test_ls_json_has_the_fields_that_programs_expect(vgit: Vgit, data: Volume) -> None:
    listed = {one["filename"]: one for one in json.loads(vgit("ls", "data", "-R", "--json").stdout)}
    assert all(list(one) == ["filename", "type", "created_modified", "size"] for one in listed.values())
    assert {name: one["type"] for name, one in listed.items()} == {
        "a.txt": "file",
        "link": "link",
        "sub": "dir",
        "sub/b.bin": "file",
    }
    assert listed["sub/b.bin"]["size"] == 2000
    assert listed["a.txt"]["created_modified"].endswith("+00:00")


def test_ls_long(vgit: Vgit, data: Volume) -> None:
    one = json.loads(vgit("ls", "data", "a.txt", "-l", "--json").stdout)[0]
    assert one["mode"] == "0644" and len(one["hash"]) == 64 and isinstance(one["mtime_ns"], int)
    assert vgit("ls", "data", "a.txt", "-l").stdout.split("\t")[:2] == ["0644", "8"]


def test_ls_of_an_empty_directory(vgit: Vgit) -> None:
    vgit("create", "empty")
    assert vgit("ls", "empty").stdout == ""
    assert json.loads(vgit("ls", "empty", "--json").stdout) == []


def test_names_that_are_not_utf8_come_back_as_their_bytes(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    name = b"caf\xc3\xa9\xff\n"
    with data.mount(tmp_path / "odd") as path:
        (path / os.fsdecode(name)).touch()
    assert name in vgit("ls", "data").stdout_bytes
    output = vgit("ls", "data", "--json").stdout_bytes
    output.decode("utf-8")
    assert "café".encode() in output, "what is UTF-8 stands as it is"
    assert name in [os.fsencode(one["filename"]) for one in json.loads(output)]
    assert vgit("diff", "data").stdout == 'A\t"café\\377\\n"\n'  # as git quotes it


def test_cat_writes_exactly_the_bytes(vgit: Vgit, data: Volume) -> None:
    assert vgit("cat", "data", "sub/b.bin").stdout_bytes == b"\0\1" * 1000
    assert vgit("cat", "data", "/a.txt", "--offset", 2, "--length", 3).stdout_bytes == b"e\nt"
    assert vgit("cat", "data", "a.txt", "--offset", 100).stdout_bytes == b""
    assert "is a directory" in vgit("cat", "data", "sub", code=1).stderr
    vgit("cat", "data", "a.txt", "--offset", "-1", code=2)


def test_at_reads_an_older_state(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "again") as path:
        (path / "a.txt").write_text("new\n")
        (path / "c").touch()
    assert vgit("cat", "data", "a.txt").stdout == "new\n"
    assert vgit("cat", "data", "a.txt", "--at", "HEAD~1").stdout == "one\ntwo\n"
    assert "c" in vgit("ls", "data").stdout.split()
    assert "c" not in vgit("ls", "data", "--at", "HEAD~1").stdout.split()
    assert "No revision 'nope'" in vgit("ls", "data", "--at", "nope", code=1).stderr
