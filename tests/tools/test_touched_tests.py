"""Touched tests: which tests stand for a change, and what counts as one."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent.parent / "tools" / "touched_tests"

FILES = {
    "vgit/refs.py": "",
    "vgit/clock.py": ">>> 1",
    "vgit/api/handle.py": "",
    "vgit/api/other.py": "",
    "vgit/none.py": "",
    "vgit/mount/scan.py": "",
    "vgit/mount/plan.py": "",
    "vgit/mount/deep/rows.py": "",
    "tests/conftest.py": "",
    "tests/mount/conftest.py": "",
    "tests/judge.py": "",
    "tests/test_refs.py": "from tests import judge\n",
    "tests/test_refs_again.py": "",
    "tests/test_handle.py": "import vgit\n",
    "tests/test_volume.py": "from vgit.api.other import x\nfrom vgit.clock import Clock\n",
    "tests/mount/test_layout.py": "",
    "tests/mount/test_more.py": "from vgit.mount import layout, scan\n",
    "tests/mount/test_scan.py": "import pytest\n",
    "tests/mount/deep/test_rows.py": "",
    "tests/docs/test_examples.py": "",
    "tests/tools/test_check.py": "",
    "tests/tools/test_bench.py": "",
    "tools/check": "",
    "tools/benchmark/bar.py": "",
    "docs/page.md": "",
    "README.md": "",
    "pyproject.toml": "",
}
OF_MOUNT = ["tests/mount/deep/test_rows.py", "tests/mount/test_layout.py", "tests/mount/test_more.py"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(TOOL, tmp_path / "tools")
    return tmp_path


def touched(project: Path, *names: str) -> list[str]:
    command = [project / "tools" / "touched_tests", *names]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("tests/test_volume.py", ["tests/test_volume.py"]),
        ("vgit/refs.py", ["tests/test_refs.py", "tests/test_refs_again.py"]),
        ("vgit/clock.py", ["vgit/clock.py", "tests/test_volume.py"]),
        ("vgit/api/handle.py", ["tests/test_handle.py"]),
        ("vgit/api/other.py", ["tests/test_volume.py"]),
        ("vgit/mount/scan.py", ["tests/mount/test_scan.py", "tests/mount/test_more.py", *OF_MOUNT[:2]]),
        ("vgit/mount/plan.py", [*OF_MOUNT, "tests/mount/test_scan.py"]),
        ("vgit/mount/deep/rows.py", ["tests/mount/deep/test_rows.py"]),
        ("tests/judge.py", ["tests/test_refs.py"]),
        ("tests/conftest.py", []),
        ("tests/mount/conftest.py", [*OF_MOUNT, "tests/mount/test_scan.py"]),
        ("docs/page.md", ["tests/docs/test_examples.py"]),
        ("README.md", ["tests/docs/test_examples.py"]),
        ("tools/check", ["tests/tools/test_check.py"]),
        ("tools/benchmark/bar.py", ["tests/tools/test_bench.py", "tests/tools/test_check.py"]),
        ("pyproject.toml", []),
        ("vgit/none.py", []),
    ],
)
def test_which_tests_stand_for_a_file(project: Path, changed: str, tests: list[str]) -> None:
    assert touched(project, changed) == tests


def test_of_several_files_the_likeliest_come_first_and_each_test_once(project: Path) -> None:
    found = touched(project, "vgit/mount/plan.py", "vgit/mount/scan.py", "vgit/refs.py", "tests/mount/test_layout.py")
    assert found[:4] == [
        "tests/mount/test_layout.py",
        "tests/mount/test_scan.py",
        "tests/test_refs.py",
        "tests/test_refs_again.py",
    ]
    assert sorted(found[4:]) == ["tests/mount/deep/test_rows.py", "tests/mount/test_more.py"]


def test_what_counts_as_changed(project: Path, git: Callable[..., bytes]) -> None:
    def run(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *words], cwd=project, check=True)

    run("init", "-q", "-b", "main")
    run("add", "-A")
    run("commit", "-qm", "first")
    assert touched(project) == [], "nothing, and no branch to compare with"
    (project / "vgit" / "refs.py").write_text("x = 1\n")
    assert touched(project) == ["tests/test_refs.py", "tests/test_refs_again.py"]
    run("add", "-A")
    assert touched(project) == ["tests/test_refs.py", "tests/test_refs_again.py"], "staged"
    run("branch", "published")
    run("branch", "-q", "--set-upstream-to=published")
    run("commit", "-qm", "second")
    assert touched(project) == ["tests/test_refs.py", "tests/test_refs_again.py"], "not published"
    (project / "tests" / "test_new.py").touch()
    assert touched(project) == ["tests/test_new.py"], "what is not committed comes alone"
    (project / "tests" / "test_new.py").unlink()
    run("mv", "vgit/mount/plan.py", "vgit/plan.py")
    assert touched(project) == [*OF_MOUNT, "tests/mount/test_scan.py"], "where it was counts too"
    run("rm", "-q", "tests/mount/test_layout.py")
    removed = touched(project, "tests/mount/test_layout.py")
    assert removed == ["tests/mount/deep/test_rows.py", "tests/mount/test_more.py", "tests/mount/test_scan.py"]


def test_a_file_that_never_was_is_refused(project: Path) -> None:
    done = subprocess.run([project / "tools" / "touched_tests", "nope.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nope.py does not exist" in done.stderr


def test_help() -> None:
    assert "FILE..." in subprocess.run([TOOL, "--help"], capture_output=True, text=True, check=True).stdout
