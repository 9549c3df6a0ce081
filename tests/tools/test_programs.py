"""Programs: every one in tools/ can be run, says at its top what it is for, and is judged as the other code is."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = sorted(path for path in (ROOT / "tools").iterdir() if path.is_file())
SHELL = "#!/usr/bin/env bash\n# "
PYTHON = '#!/usr/bin/env python3\n"""'


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_it_can_be_run_and_says_what_it_is_for(program: Path) -> None:
    assert os.access(program, os.X_OK)
    text = program.read_text("utf-8")
    assert text.startswith((SHELL, PYTHON))
    if text.startswith(PYTHON):
        assert re.match(rf"{program.name.replace('_', ' ').capitalize()}: \S", text.removeprefix(PYTHON))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_help_says_what_is_at_its_top(program: Path, tmp_path: Path) -> None:
    text = program.read_text("utf-8")
    top = text.removeprefix(PYTHON if text.startswith(PYTHON) else SHELL).split("\n", 1)[0]
    done = subprocess.run([program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert top in " ".join(done.stdout.split())


@pytest.mark.parametrize(("made", "complaint"), [([], "is no directory"), (["python"], "there is no vgit in")])
def test_the_demo_tells_where_no_vgit_is(tmp_path: Path, made: list[str], complaint: str) -> None:
    place = tmp_path / "bin"
    for name in made:
        place.mkdir()
        (place / name).touch(mode=0o755)
    done = subprocess.run([ROOT / "tools" / "demo", place], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


@pytest.mark.parametrize(
    "program", [p for p in PROGRAMS if p.read_text().startswith(SHELL)], ids=lambda path: path.name
)
def test_bash_understands_it(program: Path) -> None:
    subprocess.run(["bash", "-n", program], check=True)


def test_ruff_is_told_of_each_that_is_python() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["extend-include"]
    python = [path.relative_to(ROOT).as_posix() for path in PROGRAMS if path.read_text("utf-8").startswith(PYTHON)]
    assert told == python
