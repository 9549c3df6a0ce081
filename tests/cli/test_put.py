"""Test_put: files of this machine into a volume, by the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Vgit
from tests.gitjudge import fsck
from vgit.cli.main import program
from vgit.volume import Volume


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new current directory with a directory `dir` in it."""
    path = tmp_path / "here"
    (path / "dir" / "below").mkdir(parents=True)
    (path / "dir" / "f").write_text("f")
    (path / "dir" / "below" / "g").write_text("g")
    (path / "x.txt").write_text("x")
    monkeypatch.chdir(path)
    return path


def listed(volume: Volume) -> set[str]:
    return {entry.path for entry in volume.iterdir("/") if entry.type.name != "DIRECTORY"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("dir",), {"dir/f", "dir/below/g"}),
        (("dir", "/"), {"dir/f", "dir/below/g"}),
        (("dir", "/x"), {"x/f", "x/below/g"}),
        (("dir", "x"), {"x/f", "x/below/g"}),
        (("dir/", "/"), {"f", "below/g"}),
        (("dir/", "/x/"), {"x/f", "x/below/g"}),
        (("./dir", "/x/"), {"x/dir/f", "x/dir/below/g"}),
        (("dir/.", "/"), {"f", "below/g"}),
        (("x.txt",), {"x.txt"}),
        (("x.txt", "/"), {"x.txt"}),
        (("x.txt", "/a/b/"), {"a/b/x.txt"}),
        (("x.txt", "/y"), {"y"}),
        (("../here/x.txt", "a/y"), {"a/y"}),
    ],
)
def test_where_it_goes(vgit: Vgit, here: Path, words: tuple[str, ...], expected: set[str]) -> None:
    vgit("create", "new")
    vgit("put", "new", *words)
    assert listed(Volume.from_name("new")) == expected


def test_put_says_what_it_did(vgit: Vgit, data: Volume, here: Path) -> None:
    result = vgit("put", "data", "dir", "/x", "-m", "run 3")
    assert result.stdout == data.at("HEAD").id[:12] + "\n"
    assert "2 files, 2 B in " in result.stderr and "2 added" in result.stderr
    info = json.loads(vgit("put", "data", "x.txt", "--json", "-m", "one more").stdout)
    assert info["message"] == "one more" and info["added"] == 1 and info["id"] == data.at("HEAD").id
    assert [one.message for one in data.log(limit=2)] == ["one more", "run 3"]
    fsck(data.git_dir)


def test_what_exists_is_exit_2_without_force(vgit: Vgit, data: Volume, here: Path) -> None:
    head = data.at("HEAD").id
    error = vgit("put", "data", "x.txt", "/a.txt", code=2).stderr
    assert error.startswith("Error: ") and "'a.txt' exists" in error and "--force" in error and "force=" not in error
    assert data.at("HEAD").id == head
    vgit("put", "data", "x.txt", "/a.txt", "-f")
    assert vgit("cat", "data", "a.txt").stdout == "x"
    result = vgit("put", "data", "x.txt", "/a.txt", "--force", "--json")
    assert listed(data) == {"a.txt", "link", "sub/b.bin"}
    assert result.exit_code == 0


def test_force_never_replaces_a_directory(vgit: Vgit, data: Volume, here: Path) -> None:
    assert "directory" in vgit("put", "data", "x.txt", "/sub", "--force", code=1).stderr
    assert "directory" in vgit("put", "data", "dir", "/a.txt", "--force", code=1).stderr


def test_standard_input(vgit: Vgit, data: Volume, here: Path) -> None:
    content = os.urandom(3 << 20)
    done = CliRunner().invoke(program, ["put", "data", "-", "/in/put"], input=content)
    assert done.exit_code == 0, done.output
    assert b"".join(data.read_file("in/put")) == content
    command = f"{sys.executable} -c 'print(\"piped\")' | {sys.executable} -m vgit put data - /piped"
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert vgit("cat", "data", "piped").stdout == "piped\n"
    assert "name the file" in vgit("put", "data", "-", code=2, input="x").stderr
    assert "name the file" in vgit("put", "data", "-", "/sub/", code=2, input="x").stderr


def test_what_another_command_writes_into_a_fifo(vgit: Vgit, data: Volume, here: Path) -> None:
    os.mkfifo(here / "fifo")
    with subprocess.Popen([sys.executable, "-m", "vgit", "put", "data", "fifo", "/out"], stdout=-3, stderr=-3) as one:
        (here / "fifo").write_bytes(b"through" * 100_000)
    assert one.returncode == 0
    assert vgit("cat", "data", "out").stdout_bytes == b"through" * 100_000


def test_mistakes_are_one_line_each(vgit: Vgit, data: Volume, here: Path) -> None:
    head = data.at("HEAD").id
    mistakes = {
        ("nope",): "nope",
        ("nope/", "/"): "nope",
        ("x.txt/", "/y"): "x.txt",
        ("x.txt", "/a.txt/y"): "a.txt",
        ("x.txt", "/../y"): "'..'",
        ("/dev/null", "/y"): "/dev/null",
    }
    for words, complaint in mistakes.items():
        error = vgit("put", "data", *words, code=1).stderr
        assert complaint in error and error.startswith("Error: ") and error.count("\n") == 1, error
    assert "nosuch" in vgit("put", "nosuch", "x.txt", code=1).stderr
    assert "Missing argument 'LOCAL'" in vgit("put", "data", code=2).stderr
    assert data.at("HEAD").id == head


def test_a_file_that_cannot_be_read_is_one_line(vgit: Vgit, data: Volume, here: Path) -> None:
    error = vgit("put", "data", "/proc/self/mem", "/y", code=1).stderr  # which even root cannot read from its start
    assert error.startswith("Error: ") and error.count("\n") == 1, error


def test_a_thousand_files_come_back_as_they_were(vgit: Vgit, here: Path) -> None:
    source = here / "many"
    for number in range(1000):
        path = source / str(number % 10) / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number))
        path.chmod(0o600 | number % 64)
        os.utime(path, ns=(1, 10**18 + number))
    (source / "empty").mkdir()
    (source / "link").symlink_to("0/10")
    vgit("create", "many")
    vgit("put", "many", "many/", "/")
    vgit("get", "many", "/", "back")
    subprocess.run(["diff", "-r", "--no-dereference", source, here / "back"], check=True)
    for path in source.rglob("*"):
        ours, theirs = path.lstat(), (here / "back" / path.relative_to(source)).lstat()
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns), path
