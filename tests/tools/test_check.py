"""Check: which steps it takes, in which environment, that a failing one stops it, and that hooks of git can run it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# In the place of each program that a step runs: tells how it was called, and fails where FAIL names it.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" "${PYTHON:+with $PYTHON}" "${CHECK_UNTIL:+until}" "${GIT_DIR-}" >>calls
case "$0 $*" in *"${FAIL:-no such thing}"*) exit 1 ;; *touched_tests) echo "$TOUCHED" ;; esac
"""
ALL_TESTS = "python -m pytest -p tools.plugins.deadline -n 2"
RULES = "python -m pytest tests/test_layers.py tests/test_style.py tests/test_docs.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    for name in ("check", "in_memory"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    for venv in (".venv", ".venv-3.99"):
        for name in ("ruff", "mypy", "python", "coverage"):
            program(tmp_path / venv / "bin" / name)
    program(tmp_path / "tools" / "setup")
    program(tmp_path / "tools" / "in_memory", '#!/bin/sh\nexec "$@"\n')
    program(tmp_path / "path" / "python3.99", "#!/bin/sh\necho 3.99 /opt/python3.99\n")
    program(tmp_path / "path" / "python3.98", "#!/bin/sh\nexit 127\n")  # as pyenv has for what is not chosen
    return tmp_path


def program(path: Path, text: str = PROGRAM) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def check(project: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    path = f"{project / 'path'}:{os.environ['PATH']}"
    env = {"HOME": str(project), "PATH": path, "TMPDIR": str(project), "TOUCHED": "", **variables}
    return subprocess.run([project / "tools" / "check", *options], cwd="/", env=env, capture_output=True, text=True)


def calls(project: Path) -> list[str]:
    return [line.rstrip() for line in (project / "calls").read_text().splitlines()]


def test_all_steps_in_their_order(project: Path) -> None:
    done = check(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("check: passed\n")
    assert calls(project) == ["setup .venv", "ruff check .", "ruff format --check .", "mypy", ALL_TESTS]


@pytest.mark.parametrize(
    ("failing", "step", "steps"),
    [("setup", "setup", 1), ("format", "format", 3), ("mypy", "types", 4), ("pytest", "tests", 5)],
)
def test_the_first_that_fails_is_named_and_ends_it(project: Path, failing: str, step: str, steps: int) -> None:
    done = check(project, FAIL=failing)
    assert done.returncode == 1
    assert f"check: FAILED at {step} (" in done.stdout
    assert "passed" not in done.stdout
    assert len(calls(project)) == steps


def test_fast_takes_the_tests_of_what_was_changed(project: Path) -> None:
    assert check(project, "--fast", TOUCHED="tests/a.py\ntests/b.py").returncode == 0
    *_, rules, touched, tests = calls(project)
    assert rules == RULES
    assert touched == "python tools/touched_tests"
    assert tests == "python -m pytest -p tools.plugins.deadline -n 2 -x tests/a.py tests/b.py  until"


def test_fast_where_nothing_was_changed(project: Path) -> None:
    done = check(project, "--fast")
    assert done.returncode == 0
    assert "== tests: none" in done.stdout
    assert calls(project)[-2:] == [RULES, "python tools/touched_tests"]


def test_fast_fails_where_it_cannot_tell_what_was_changed(project: Path) -> None:
    done = check(project, "--fast", FAIL="touched_tests")
    assert done.returncode == 1
    assert "FAILED at finding what was changed" in done.stdout


def test_coverage_measures_reports_and_tells_of_the_pages(project: Path) -> None:
    done = check(project, "--coverage")
    assert done.returncode == 0
    *_, tests, combine, html, report = calls(project)
    assert tests.startswith("python -m coverage run -m pytest -p tools.plugins.measured_workers")
    assert [line.split()[1] for line in (combine, html, report)] == ["combine", "html", "report"]
    assert "build/coverage/html/index.html" in done.stdout
    assert check(project, "--coverage", FAIL="combine").returncode == 1


@pytest.mark.parametrize("options", [["--python", "3.99"], ["--python=3.99", "--fast"]])
def test_another_python_has_its_own_environment(project: Path, options: list[str]) -> None:
    assert check(project, *options).returncode == 0
    assert calls(project)[0] == "setup .venv-3.99 with /opt/python3.99"
    assert calls(project)[3].startswith("mypy --python-version 3.99")


def test_a_python_that_is_not_there_is_told_with_those_that_are(project: Path) -> None:
    done = check(project, "--python", "3.98")
    assert done.returncode == 2
    assert "Python 3.98 was not found" in done.stderr
    assert "3.99 /opt/python3.99" in done.stderr
    assert not (project / "calls").exists()


@pytest.mark.parametrize("options", [["--slow"], ["tests"], ["--fast", "--coverage"], ["--python"], ["--python", "12"]])
def test_wrong_options(project: Path, options: list[str]) -> None:
    done = check(project, *options)
    assert done.returncode == 2
    assert done.stderr.startswith("tools/check: ")
    assert not (project / "calls").exists()


def test_help(project: Path) -> None:
    done = check(project, "--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--fast", "--coverage", "--python"))
    assert "#" not in done.stdout


def test_what_a_hook_of_git_sets_does_not_reach_the_tests(project: Path) -> None:
    assert check(project, GIT_DIR="/of/the/hook", GIT_INDEX_FILE="/other").returncode == 0
    assert calls(project)[0].endswith("/of/the/hook")
    assert calls(project)[-1] == ALL_TESTS


def test_pre_commit_calls_it() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert "entry: tools/check --fast\n" in hooks
    assert "repo: local\n" in hooks
    assert hooks.count("repo:") == 1, "hooks of others would be downloaded and run"
