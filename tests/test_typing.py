"""Test_typing: what a type checker knows of the API: right programs pass under --strict, wrong ones do not."""

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "tests/typing"
_ERROR = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
_EXPECTED = re.compile(r"  # ([\w-]+)$")


@pytest.fixture(scope="module")
def said() -> dict[str, dict[int, set[str]]]:
    """Return what mypy says of the programs: file → line → codes."""
    files = sorted(PROGRAMS.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stderr or done.stdout  # 0: no mistake was found; 2: it could not be run
    found: dict[str, dict[int, set[str]]] = {file.name: defaultdict(set) for file in files}
    for match in _ERROR.finditer(done.stdout):
        found[Path(match["file"]).name][int(match["line"])].add(match["code"])
    return found


@pytest.mark.parametrize("program", ["blocking.py", "awaited.py"])
def test_right_programs_pass(said: dict[str, dict[int, set[str]]], program: str) -> None:
    assert dict(said[program]) == {}


def test_wrong_programs_are_refused_line_by_line(said: dict[str, dict[int, set[str]]]) -> None:
    lines = (PROGRAMS / "mistakes.py").read_text().splitlines()
    matches = ((number, _EXPECTED.search(line)) for number, line in enumerate(lines, 1))
    expected = {number: match[1] for number, match in matches if match}
    assert len(expected) > 30, "the mistakes were not found"
    refused = said["mistakes.py"]
    assert sorted(refused) == sorted(expected), "these lines, and no others"
    assert {number: code for number, code in expected.items() if code not in refused[number]} == {}


def test_every_public_call_is_in_a_program() -> None:
    """A new method of the API has to be given its types there."""
    import vgit

    for program, suffix in (("blocking.py", r"\("), ("awaited.py", r"\.aio\(")):
        text = (PROGRAMS / program).read_text()
        for owner in (vgit.Volume, vgit.Mount, vgit.Snapshot, type(vgit.Volume.objects)):
            for name in dir(owner):
                is_call = not name.startswith("_") and hasattr(
                    getattr(owner, name), "aio" if suffix != r"\(" else "__call__"
                )
                if is_call and name not in INTERNAL:
                    assert re.search(rf"\.{name}{suffix}", text), f"{program} lacks {owner.__name__}.{name}"


# Calls of the rest of vgit, below the API.
INTERNAL = {
    "after_fork",
    "check_open_files",
    "commit_in_detail",
    "commit_in_background",
    "info_of",
    "left_out_here",
    "left_out_of",
    "local_changes",
    "release",
    "reload_in_detail",
    "renew_lease",
    "stop_background",
}


def test_the_marker_of_a_typed_package_is_shipped() -> None:
    assert (ROOT / "vgit/py.typed").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["vgit"]
