"""Module table: each module has its row, folders stand in the order of their layers, and a stale page is noticed."""

import shutil
import subprocess
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent.parent / "tools" / "module_table"

FILES = {
    "vgit/__init__.py": '"""vgit: all of it.\n\nMore.\n"""\n',
    "vgit/refs.py": '"""Refs: the names that move: ``a | b``."""\n',
    "vgit/tree/__init__.py": '"""Trees: directories."""\n',
    "vgit/tree/entry.py": '"""Entry: one name; no more."""\n',
    "vgit/tree/deep/__init__.py": '"""Deep: below."""\n',
    "vgit/backend/__init__.py": '"""Backend: keys to bytes."""\n',
    "vgit/backend/keys.py": '"""Keys: which text."""\n',
    "tests/test_layers.py": 'FIRST = "tree/"\nLAYERS = ("errors", "backend/", "content/ tree/")\n',
    "docs/other.md": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOL, tmp_path / "tools")
    return tmp_path


def run(project: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [project / "tools" / "module_table", *options]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def test_every_module_has_its_row_below_its_folder(project: Path) -> None:
    assert run(project).returncode == 0
    lines = (project / "docs" / "modules.md").read_text().splitlines()
    assert [line for line in lines if line.startswith(("## ", "| `"))] == [
        "## `vgit/`: all of it",
        "| `refs.py` | the names that move: `a \\| b` |",
        "## `vgit/backend/`: keys to bytes",
        "| `backend/keys.py` | which text |",
        "## `vgit/tree/`: directories",
        "| `tree/entry.py` | one name; no more |",
        "## `vgit/tree/deep/`: below",
    ]


def test_a_page_that_is_not_what_the_code_says_is_noticed(project: Path) -> None:
    assert run(project, "--check").returncode == 1, "there is no page yet"
    run(project)
    assert run(project, "--check").returncode == 0
    (project / "vgit" / "tree" / "entry.py").rename(project / "vgit" / "entry.py")
    done = run(project, "--check")
    assert done.returncode == 1
    assert "run tools/module_table" in done.stderr


@pytest.mark.parametrize("text", ["", '"""Says what it is."""\n'])
def test_a_module_that_does_not_say_what_it_is_is_named(project: Path, text: str) -> None:
    (project / "vgit" / "tree" / "entry.py").write_text(text)
    done = run(project)
    assert done.returncode == 1
    assert "vgit/tree/entry.py: needs a docstring" in done.stderr
