"""Release: a project that is ready is built and tried; one that is not is told why; this one can be built."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "vgit"
dynamic = ["version"]
[project.scripts]
vgit = "vgit:main"
[tool.setuptools]
packages = ["vgit"]
[tool.setuptools.dynamic]
version = { attr = "vgit.__version__" }
"""
FILES = {
    "vgit/__init__.py": '__version__ = "1.2.3"\ndef main():\n    print("vgit", __version__)\n',
    "vgit/refs.py": "",
    "pyproject.toml": PYPROJECT,
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n",
    "README.md": "",
    "LICENSE": "",
    ".gitignore": "dist/\n",
    "tests/fixtures/stores/1.2.3/pack": "",
    "tools/demo": '#!/bin/sh\nset -e\ncd "$1"\n./vgit --version\n./python -c "import vgit.refs"\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with all that a release needs, so small that it is built and tried in seconds."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tools" / "demo").chmod(0o755)
    shutil.copy(ROOT / "tools" / "release", tmp_path / "tools")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(project: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *words], cwd=project, check=True)


def commit(project: Path) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-qm", "all")


def release(project: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, project / "tools" / "release", *options]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def test_what_is_ready_is_built_and_tried_and_what_is_next_is_said(project: Path) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "vgit-1.2.2.tar.gz").touch()
    (project / "vgit" / "ignored.pyc").touch()
    (project / ".git" / "info" / "exclude").write_text("*.pyc\n")
    done = release(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "git tag -a v1.2.3" in done.stdout
    names = {path.name for path in (project / "dist").iterdir()}
    assert names == {"vgit-1.2.3-py3-none-any.whl", "vgit-1.2.3.tar.gz"}
    with zipfile.ZipFile(project / "dist" / "vgit-1.2.3-py3-none-any.whl") as wheel:
        assert {name for name in wheel.namelist() if name.startswith("vgit/")} == {"vgit/__init__.py", "vgit/refs.py"}
    with tarfile.open(project / "dist" / "vgit-1.2.3.tar.gz") as sdist:
        assert "vgit-1.2.3/vgit/refs.py" in sdist.getnames()


def test_what_the_demo_finds_stops_it(project: Path) -> None:
    (project / "tools" / "demo").write_text('#!/bin/sh\necho "demo: FAILED at step 3"\nexit 1\n')
    commit(project)
    done = release(project)
    assert done.returncode == 1
    assert "demo: FAILED at step 3" in done.stderr
    assert not (project / "dist").exists()


def test_what_is_not_ready_is_told_and_nothing_is_built(project: Path) -> None:
    git(project, "tag", "v1.2.4")
    shutil.rmtree(project / "tests")
    (project / "vgit" / "__init__.py").write_text('__version__ = "1.2.4"\n')
    done = release(project)
    assert done.returncode == 1
    told = [line.removeprefix("not ready: ") for line in done.stdout.splitlines()]
    assert [line[:30] for line in told] == [
        "something is not committed",
        "CHANGELOG.md has no section '#",
        "tests/fixtures/stores/1.2.4 is",
        "there is a tag v1.2.4 already",
    ]
    assert "1.2.4 is not ready" in done.stderr


def test_what_the_build_leaves_out_stops_it(project: Path) -> None:
    (project / "vgit" / "tree").mkdir()
    (project / "vgit" / "tree" / "__init__.py").touch()
    commit(project)
    done = release(project, "--without-demo")
    assert done.returncode == 1
    assert "what was built lacks vgit/tree/__init__.py" in done.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is released is what git has")
def test_this_project_can_be_built() -> None:
    done = release(ROOT, "--dry-run", "--without-demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^release: \S+ can be built", done.stdout, re.MULTILINE)


def test_help() -> None:
    done = release(ROOT, "--help")
    assert done.returncode == 0
    assert "--dry-run" in done.stdout
