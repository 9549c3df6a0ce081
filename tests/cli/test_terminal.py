"""Test_terminal: what people see and are asked, on a pseudo-terminal and through a process of its own."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.volume import Volume

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_terminal(
    *args: str, type_in: str = "", columns: int = 100, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Run vgit with a terminal on all three descriptors; return its exit code and what the screen got."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (40, columns))
    command = [sys.executable, "-m", "vgit", *args]
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    variables = {**inherited, "TERM": "xterm-256color", **(environment or {})}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        os.write(ours, type_in.encode())
        screen = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # EIO: the other end is closed
                break
            if not piece:
                break
            screen += piece
    os.close(ours)
    return process.returncode, screen.decode("utf-8", "replace").replace("\r\n", "\n")


def plain(screen: str) -> list[list[str]]:
    return [line.split() for line in _ESCAPES.sub("", screen).splitlines()]


def test_ls_is_a_table(data: Volume) -> None:
    code, screen = on_terminal("ls", "data", "-R")
    assert code == 0
    lines = plain(screen)
    assert ["Filename", "Type", "Modified", "Size"] in lines
    by_name = {line[0]: line for line in lines if line}
    assert by_name["a.txt"][1] == "file" and by_name["a.txt"][-2:] == ["8", "B"]
    assert by_name["sub/b.bin"][-2:] == ["2.0", "KiB"]
    assert by_name["sub"][1] == "dir"


def test_no_color_is_respected(data: Volume) -> None:
    assert "\x1b[" in on_terminal("list")[1]
    assert "\x1b[" not in on_terminal("list", environment={"NO_COLOR": "1"})[1]


def test_a_long_name_is_whole_on_a_narrow_terminal(data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "m") as path:
        (path / ("q" * 150)).touch()
    screen = on_terminal("ls", "data", columns=60)[1]
    assert screen.count("q") == 150


def test_a_name_cannot_command_the_terminal(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "m")
    (tmp_path / "m" / "evil\x1b[31m[red]\n").touch()
    for line in (("status", str(tmp_path / "m")), ("commit", str(tmp_path / "m")), ("ls", "data"), ("diff", "data")):
        screen = on_terminal(*line, environment={"NO_COLOR": "1"})[1]
        assert "\x1b[31m" not in screen
        spelled = "evil\\x1b[31m[red]\\x0a" if line[0] == "ls" else "evil\\033[31m[red]\\n"
        assert line[0] == "commit" or spelled in screen
    screen = on_terminal("cat", "data", "evil\x1b[31m")[1]
    assert "evil\\x1b[31m" in screen and "\x1b[31m" not in screen


@pytest.mark.parametrize(("answer", "is_deleted"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False)])
def test_delete_asks(vgit: Vgit, data: Volume, answer: str, is_deleted: bool) -> None:
    code, screen = on_terminal("delete", "data", type_in=answer)
    assert "Delete volume data? [y/N]" in screen
    assert (code, vgit("list").stdout == "") == ((0, True) if is_deleted else (1, False))
    assert is_deleted or "not confirmed" in screen


def test_end_of_input_is_no_answer(vgit: Vgit, data: Volume) -> None:
    code, _ = on_terminal("delete", "data", type_in="\x04")
    assert code == 1 and vgit("list").stdout != ""


def test_restore_asks_nothing_because_it_loses_nothing(vgit: Vgit, data: Volume) -> None:
    code, screen = on_terminal("restore", "data", "HEAD~1")
    assert code == 0 and "[y/N]" not in screen
    assert vgit("ls", "data").stdout == ""


def test_a_question_leaves_stdout_alone(data: Volume) -> None:
    """What is asked goes to stderr, as stdout may be a pipe while the keyboard is there."""
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    command = [sys.executable, "-m", "vgit", "rename", "data", "other"]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "[y/N]" not in done.stdout and "[y/N]" in done.stderr
