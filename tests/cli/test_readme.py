"""Test_readme: what the README promises can be typed as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, in which `vgit` is a command and a package."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "vgit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vgit "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def test_the_tour_in_python(here: Path) -> None:
    command = [sys.executable, "-c", block("python")]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["['config.ini']", "b'rate = 0.2\\n'"]
    assert len(lines) == 5 and lines[-1] == "b'rate = 0.1\\n'"


def test_the_tour_in_the_shell(here: Path) -> None:
    command = ["bash", "-euo", "pipefail", "-c", block("sh")]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "+3,4\n" in done.stdout and "M\ttable.csv\n" in done.stdout
    assert os.listdir(here / "here") == []


def test_every_command_of_the_completion_is_known(here: Path) -> None:
    shells = re.findall(r"(\w+)_source", README)
    assert sorted(shells) == ["bash", "fish", "zsh"]
    for shell in shells:
        environment = {**os.environ, "_VGIT_COMPLETE": f"{shell}_source"}
        done = subprocess.run(["vgit"], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "_VGIT_COMPLETE" in done.stdout, done.stderr
