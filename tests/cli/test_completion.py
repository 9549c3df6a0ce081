"""Test_completion: what the shell is told of volumes and of the paths in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from vgit.cli.main import program
from vgit.volume import Volume


def complete(*args: str, incomplete: str) -> list[str]:
    shell = ShellComplete(program, {}, "vgit", "_VGIT_COMPLETE")
    return [item.value for item in shell.get_completions(list(args), incomplete)]


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "data"),
        ("cat", "data"),
        ("get", "data"),
        ("rm", "data"),
        ("rm", "data", "a.txt"),
        ("cp", "data"),
        ("cp", "data", "a.txt"),
        ("put", "data", "local"),
    ],
)
def test_paths_in_the_volume(data: Volume, words: tuple[str, ...]) -> None:
    assert complete(*words, incomplete="") == ["a.txt", "link", "sub/"]
    assert complete(*words, incomplete="a") == ["a.txt"]
    assert complete(*words, incomplete="s") == ["sub/", "sub/b.bin"], "so that the shell goes on into it"
    assert complete(*words, incomplete="sub/") == ["sub/b.bin"]
    assert complete(*words, incomplete="/su") == ["/sub/", "/sub/b.bin"]
    assert complete(*words, incomplete="sub/x") == []


def test_what_cannot_be_read_completes_to_nothing(data: Volume) -> None:
    assert complete("ls", "nosuch", incomplete="a") == []
    assert complete("ls", "data", incomplete="nope/a") == []
    assert complete("ls", "data", incomplete="a.txt/") == []
    assert complete("ls", "data", incomplete="../") == []
    assert complete("ls", "--store", "/no/such", "data", incomplete="") == []
    assert complete("ls", "no/name", incomplete="") == []


def test_at_is_heeded(data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "again") as path:
        (path / "also").touch()
    assert complete("ls", "data", incomplete="a") == ["a.txt", "also"]
    assert complete("ls", "--at", "HEAD~1", "data", incomplete="a") == ["a.txt"]


def test_many_are_cut_and_names_that_a_shell_would_take_apart_left_out(data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "again") as path:
        (path / "many").mkdir()
        for number in range(400):
            (path / "many" / f"f{number:03}").touch()
        (path / "odd").mkdir()
        for name in ("two words", "new\nline", "glob*", "$HOME", "com,ma", "é", os.fsdecode(b"\xff")):
            (path / "odd" / name).touch()
    assert complete("ls", "data", incomplete="many/") == [f"many/f{number:03}" for number in range(300)]
    assert complete("ls", "data", incomplete="odd/") == ["odd/é"]


def test_local_paths_are_left_to_the_shell(data: Volume) -> None:
    shell = ShellComplete(program, {}, "vgit", "_VGIT_COMPLETE")
    assert [item.type for item in shell.get_completions(["put", "data"], "x")] == ["file"]
    assert [item.type for item in shell.get_completions(["get", "data", "a.txt"], "x")] == ["file"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vgit` as a shell finds it."""
    script = tmp_path / "bin" / "vgit"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m vgit "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("vgit ls da", "data"), ("vgit get data su", "sub/ sub/b.bin"), ("vgit unt", "untag"), ("vgit rm nosuch x", "")],
)
def test_bash_completes(installed: None, data: Volume, words: str, expected: str) -> None:
    script = f"""
eval "$(_VGIT_COMPLETE=bash_source vgit)"
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_vgit_completion vgit
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(installed: None, data: Volume, shell: str) -> None:
    variables = {**os.environ, "_VGIT_COMPLETE": f"{shell}_source"}
    script = subprocess.run(["vgit"], env=variables, capture_output=True, text=True, check=True).stdout
    assert f"_VGIT_COMPLETE={shell}_complete" in script
    word = "data" if shell == "fish" else "2"
    variables = {**os.environ, "_VGIT_COMPLETE": f"{shell}_complete", "COMP_WORDS": "vgit ls data", "COMP_CWORD": word}
    output = subprocess.run(["vgit"], env=variables, capture_output=True, text=True, check=True).stdout
    assert "data" in output.replace("\n", ",").split(",")
