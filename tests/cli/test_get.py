"""Test_get: files of a volume onto this machine, by the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.volume import Volume


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new current directory."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def test_get_defaults_to_the_current_directory(vgit: Vgit, data: Volume, here: Path) -> None:
    result = vgit("get", "data", "a.txt")
    assert (here / "a.txt").read_text() == "one\ntwo\n"
    assert result.stdout == "" and result.stderr.startswith("1 file, 8 B in ")
    vgit("get", "data", "/sub")
    assert (here / "sub" / "b.bin").read_bytes() == b"\0\1" * 1000
    vgit("get", "data", "link", "copy")
    assert os.readlink(here / "copy") == "a.txt"
    vgit("get", "data", "/", "all")
    assert sorted(os.listdir("all")) == ["a.txt", "link", "sub"]
    (here / "into").mkdir()
    vgit("get", "data", "/", "into")
    assert sorted(os.listdir("into")) == ["a.txt", "link", "sub"]


def test_what_exists_is_exit_2_without_force(vgit: Vgit, data: Volume, here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "b.bin").write_text("mine")
    (here / "sub" / "own").write_text("mine")
    result = vgit("get", "data", "sub", code=2)
    assert result.stderr == (
        f"Error: {here}/sub/b.bin exists already, and nothing was written. --force replaces files.\n"
    )
    assert (here / "sub" / "b.bin").read_text() == "mine"
    vgit("get", "data", "sub", "--force")
    assert (here / "sub" / "b.bin").stat().st_size == 2000
    assert (here / "sub" / "own").read_text() == "mine"


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_what_force_cannot_replace_is_exit_1(vgit: Vgit, data: Volume, here: Path, force: tuple[str, ...]) -> None:
    (here / "a.txt").mkdir()
    (here / "sub").symlink_to("a.txt")
    for path in ("a.txt", "sub"):
        error = vgit("get", "data", path, f"{here}/x/../", *force, code=1).stderr
        assert error.startswith("Error: ") and error.count("\n") == 1
        (here / "x").mkdir(exist_ok=True)
    assert os.listdir(here / "a.txt") == []


def test_a_dash_is_standard_output_and_nothing_else(vgit: Vgit, data: Volume, here: Path) -> None:
    result = vgit("get", "data", "sub/b.bin", "-")
    assert result.stdout_bytes == b"\0\1" * 1000 and result.stderr == ""
    assert "is a directory" in vgit("get", "data", "sub", "-", code=1).stderr
    assert os.listdir(here) == []


def test_at_gets_an_older_state(vgit: Vgit, data: Volume, here: Path, tmp_path: Path) -> None:
    with data.mount(tmp_path / "again") as path:
        (path / "a.txt").write_text("new\n")
    vgit("get", "data", "a.txt", "old", "--at", "HEAD~1")
    vgit("get", "data", "a.txt", "new")
    assert (here / "old").read_text() == "one\ntwo\n" and (here / "new").read_text() == "new\n"
    assert vgit("get", "data", "a.txt", "-", "--at", "HEAD~1").stdout == "one\ntwo\n"
    assert "No revision 'nope'" in vgit("get", "data", "a.txt", "--at", "nope", code=1).stderr


def test_mistakes_are_one_line_each(vgit: Vgit, data: Volume, here: Path) -> None:
    mistakes = {
        ("nope",): "No such file or directory: 'nope'",
        ("a.txt/x",): "is a file, not a directory",
        ("a.txt", "no/such"): "No such directory: no. Make it first.",
        ("a.txt", "/proc/x"): "/proc/x: ",
        ("../a.txt",): "'..'",
        ("sub", "/dev/null"): "is a file; a directory cannot replace it",
    }
    for words, complaint in mistakes.items():
        error = vgit("get", "data", *words, code=1).stderr
        assert complaint in error and error.startswith("Error: ") and error.count("\n") == 1, error
    assert "nosuch" in vgit("get", "nosuch", "a.txt", code=1).stderr
    assert "Missing argument 'REMOTE'" in vgit("get", "data", code=2).stderr
    assert os.listdir(here) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(vgit: Vgit, data: Volume, here: Path) -> None:
    """A limit on the size of files stands for the full disk; what exceeds it is refused by the kernel."""
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); from vgit.cli.main import main; main()"
    command = [sys.executable, "-c", limited, "get", "data", "sub"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    assert os.listdir(here) == []


@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_process_that_is_told_to_end_cleans_up(vgit: Vgit, data: Volume, here: Path, is_ignored: bool) -> None:
    """It is told where its first file is whole, but has no name yet."""
    code = f"""
import os, signal
# Set in either case: the tests themselves may run under nohup, which ignores it.
signal.signal(signal.SIGHUP, signal.SIG_IGN if {is_ignored} else signal.SIG_DFL)
from vgit.cli.main import main
from vgit.cli.progress_bar import Counter
advance = Counter.advance
def stop(self, files, size_bytes):
    if files:
        print(sorted(os.listdir()), flush=True)
        os.kill(os.getpid(), signal.SIGHUP)
    advance(self, files, size_bytes)
Counter.advance = stop
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "get", "data", "sub"], capture_output=True, text=True, check=False
    )
    assert ".sub.vgit-" in done.stdout
    assert done.returncode == (0 if is_ignored else 128 + signal.SIGHUP)
    assert os.listdir(here) == (["sub"] if is_ignored else [])
    assert is_ignored or done.stderr == ""
