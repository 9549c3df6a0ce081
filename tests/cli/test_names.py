"""Test_names: every command on every kind of name that a file system can hold."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from tests.cli.test_patch import apply
from tests.cli.test_terminal import on_terminal
from vgit.api.client import Client
from vgit.volume import Volume

NAMES = (
    b"\xff\xfe", b"a b\xff c", b"\xff" * 255, b"\xed\xa0\x80", b"\xc3",  # not UTF-8
    b"a\nb", b"x\r\n", b"a\tb", b"\x01", b"\x7f", b"\x1b[31mred", b"\xc2\x9b31m", b"\n" * 255, "\u2028".encode(),
    "e\u0301".encode(), "é".encode() * 127, "\u202egnp.exe".encode(), "\u200fא".encode(), "👩‍👩‍👧".encode(),
    b'q"uote', b"it's", b"back\\slash", b"\\x0a", b"\\", b"%41", b"$(x)", b"`x`", b"#", b"*", b"?", b"x*", b"a:b",
    b"-rf", b"--", b"--json", b"-", b"~", b"~root", b" lead", b"trail ", b" ", b"x" * 255,
    b".hidden", b"..x", b"...", b".vgitx", b".vgit~", b".gitmodules", b".gitattributes", b"HEAD", b"@{now}", b"null",
)  # fmt: skip
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]")  # in what people see, `ls` in a pipe excepted
GROUPS = [NAMES[start : start + 10] for start in range(0, len(NAMES), 10)]


def text(name: bytes) -> str:
    return os.fsdecode(name)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A mount of `data` with two states of files and directories of all names, and a third that is not published."""
    volume = Volume.from_name("data", create_if_missing=True, client=Client.from_env())
    mount = volume.mount(tmp_path / "work")
    root = os.fsencode(tmp_path / "work")
    os.mkdir(root + b"/files")
    for number, name in enumerate(NAMES):
        write(root + b"/files/" + name, f"{number}\none\ntwo\n")
        os.makedirs(root + b"/dirs/" + name)
        write(root + b"/dirs/" + name + b"/in", "1\n")
    mount.commit()
    change(root)
    mount.commit()
    change(root)
    mount.close(commit=False)
    return tmp_path / "work"


def write(path: bytes, content: str) -> None:
    with open(path, "a") as file:
        file.write(content)


def change(root: bytes) -> None:
    """Add a line to each file, and give each directory's file another name."""
    for number, name in enumerate(NAMES):
        write(root + b"/files/" + name, f"more {number}\n")
        (old,) = os.listdir(root + b"/dirs/" + name)
        os.rename(root + b"/dirs/" + name + b"/" + old, root + b"/dirs/" + name + b"/" + old + b"n")


def in_process(*words: "str | bytes | Path") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-m", "vgit", *words], capture_output=True, check=False)


LINES = (
    "status WORK", "diff WORK", "diff WORK --stat", "diff WORK -p", "commit WORK", "ls data -Rl",
    "diff data", "diff data --stat", "diff data -p", "show data", "show data -p", "log data",
    "restore data HEAD~1 --dry-run",
)  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_lines_name_every_file_and_command_no_terminal(place: Path, line: str) -> None:
    done = in_process(*line.replace("WORK", str(place)).split())
    assert done.returncode == 0, done.stderr
    assert not HARMFUL.search((done.stdout + done.stderr).decode())
    if line.split()[0] not in ("log", "commit"):
        is_listing = line.startswith("ls")
        odd = (b"a b\\xff c", b"a\\x0ab") if is_listing else (b'files/a b\\377 c"', b'files/a\\nb"')
        assert all(name in done.stdout for name in (*odd, b"files/x*", b"~root"))
        assert done.stdout.count(b"files/") >= len(NAMES)


JSON = ("status WORK --json", "diff WORK --json", "diff data --json", "show data --json", "ls data -R --json",
        "restore data HEAD~1 --dry-run --json")  # fmt: skip


@pytest.mark.parametrize("line", JSON)
def test_json_has_the_bytes_of_every_name(place: Path, line: str) -> None:
    done = in_process(*line.replace("WORK", str(place)).split())
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    changes = value["changes"] if isinstance(value, dict) else value
    paths = {os.fsencode(one.get("path", one.get("filename"))) for one in changes}
    assert paths >= {b"files/" + name for name in NAMES}


def test_ls_in_a_pipe_has_names_as_they_are(place: Path) -> None:
    written = in_process("ls", "data", "files").stdout
    lines = [b"files/" + name + b"\n" for name in NAMES]
    assert all(line in written for line in lines) and len(written) == len(b"".join(lines))


@pytest.mark.parametrize("names", GROUPS)
def test_commands_take_every_name(vgit: Vgit, place: Path, tmp_path: Path, names: tuple[bytes, ...]) -> None:
    second = Volume.from_name("data").info().head
    for name in map(text, names):
        path, index = f"files/{name}", NAMES.index(os.fsencode(name))
        content = f"{index}\none\ntwo\nmore {index}\n"
        assert vgit("cat", "data", path).stdout == content
        assert vgit("ls", "data", path).stdout_bytes == os.fsencode(path) + b"\n"
        assert len(vgit("log", "data", path, "--oneline", "-n", "2").stdout.splitlines()) == 2
        assert vgit("diff", "data", second + "~1", second, "-p", "--", path).stdout.endswith(f"+more {index}\n")
        assert vgit("diff", place, "--", path).stdout[0] == "M"
        vgit("get", "data", path, tmp_path)
        assert (tmp_path / name).read_text() == content
        vgit("put", "data", tmp_path / name, "/put/")
        vgit("cp", "data", "--", f"put/{name}", name)
        vgit("rm", "data", "--", name)
        vgit("restore", "data", "HEAD~1", "--", name)
        assert vgit("cat", "data", "--", name).stdout == content
        told = vgit("cat", "data", f"nowhere/{name}", code=1).stderr
        assert told.startswith("Error: No such file") and not HARMFUL.search(told)


@pytest.mark.parametrize("names", GROUPS)
def test_mounts_are_made_at_every_name_and_of_every_name(
    vgit: Vgit, place: Path, tmp_path: Path, names: tuple[bytes, ...]
) -> None:
    for name in map(text, names):
        there = tmp_path / "mounts" / name
        vgit("mount", "data", there, "--sub-path", f"dirs/{name}")
        assert sorted(os.listdir(there)) == [".vgit", "inn"]
        (there / "new").touch()
        assert vgit("status", there).stdout == "A\tnew\n"
        assert str(there) in [one["path"] for one in json.loads(vgit("mounts", "--json").stdout)]
        assert not HARMFUL.search(vgit("mounts").stdout)
        vgit("commit", there)
        assert not HARMFUL.search(vgit("unmount", there).stderr)
        assert vgit("cat", "data", f"dirs/{name}/new").stdout == ""


def test_git_applies_patches_of_every_name(vgit: Vgit, place: Path, tmp_path: Path) -> None:
    """Changes and renames; `.git` itself, at any depth, git takes from nobody."""
    vgit("get", "data", "/", tmp_path / "old", "--at", "HEAD~1")
    vgit("get", "data", "/", tmp_path / "new")
    apply(tmp_path / "old", vgit("diff", "data", "-p").stdout_bytes)
    assert subprocess.run(["diff", "-r", tmp_path / "old", tmp_path / "new"], check=False).returncode == 0


def test_what_a_commit_overwrote_and_a_reload_kept_is_named(vgit: Vgit, place: Path, tmp_path: Path) -> None:
    with Volume.from_name("data").mount(tmp_path / "other") as other:
        change(os.fsencode(other))
    kept = json.loads(vgit("reload", place, "--json").stdout)["kept"]
    assert {os.fsencode(path) for path in kept} >= {b"files/" + name for name in NAMES}
    write(os.fsencode(place) + b"/files/" + NAMES[0], "ours\n")
    result = vgit("commit", place, "--json")
    assert {os.fsencode(path) for path in json.loads(result.stdout)["overwrote"]} == {b"files/" + NAMES[0]}
    assert "overwrote: files/\\xff\\xfe" in vgit("log", "data", "-n", "1").stdout


IN_MOUNT = """
import os, sys, vgit
vol = vgit.Volume.from_name("data")
with open(os.fsencode(sys.argv[1]) + b"/new\\xff", "w"):
    pass
assert vol.commit().added == 1
"""


@pytest.mark.parametrize("name", [b"\xff\n", "\u202eé 'x'".encode()])
def test_the_command_of_run_finds_its_mount_at_any_name(place: Path, tmp_path: Path, name: bytes) -> None:
    there = os.fsencode(tmp_path) + b"/" + name
    done = in_process("run", "-v", b"data:" + there, "--", sys.executable, "-c", IN_MOUNT, there)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_few_characters_gets_the_rest_spelled(place: Path, encoding: str) -> None:
    code, screen = on_terminal("ls", "data", "files", environment={"PYTHONIOENCODING": encoding})
    assert code == 0
    assert "\\u0301" in screen and "\\xff\\xfe" in screen


def test_a_wrong_command_line_is_told_without_commanding_the_terminal(vgit: Vgit) -> None:
    told = vgit("ls", "data", "a", "\x1b[31mred", code=2).stderr
    assert "\\x1b[31mred" in told and "\x1b" not in told
