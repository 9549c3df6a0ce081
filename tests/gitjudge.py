"""Gitjudge: stock git as the judge of what vgit writes.

git runs without the user's and the system's configuration, so that a verdict
is the same on every machine.

What ``fsck`` accepts: exit 0 and no output but "dangling …" and "notice: …"
lines. Dangling objects are not damage: a writer that crashed, or lost the race
for a ref, leaves some behind for gc. A test that expects none of them calls
``fsck_clean``.
"""

import os
import subprocess
from pathlib import Path

_HARMLESS = ("dangling ", "notice: ")


def clean_environment() -> dict[str, str]:
    """Return an environment in which git sees no configuration but the repository's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        # A test may hand a repository to another user; that is no danger here.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_AUTHOR_NAME": "stock git",
        "GIT_AUTHOR_EMAIL": "stock@git.example",
        "GIT_COMMITTER_NAME": "stock git",
        "GIT_COMMITTER_EMAIL": "stock@git.example",
    }


def attempt(
    git_dir: str | os.PathLike[str], *arguments: str | bytes, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run ``git --git-dir=… <arguments>`` and return how it went, whatever its exit code."""
    command = ["git", f"--git-dir={os.fspath(git_dir)}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=clean_environment(), check=False)


def run(git_dir: str | os.PathLike[str], *arguments: str | bytes, stdin: bytes = b"") -> bytes:
    """Run ``git --git-dir=… <arguments>``, demand exit 0 and return what it wrote to stdout."""
    result = attempt(git_dir, *arguments, stdin=stdin)
    said = (result.stdout[-2000:] + result.stderr[-2000:]).decode(errors="backslashreplace")
    assert result.returncode == 0, f"git {arguments} exited with {result.returncode}: {said}"
    return result.stdout


def init_bare(git_dir: Path) -> Path:
    """Make an empty bare repository with the branch ``main`` and return its path."""
    run(git_dir, "init", "--quiet", "--bare", "--initial-branch=main")
    return git_dir


def fsck(git_dir: str | os.PathLike[str]) -> None:
    """Demand that git finds the repository sound; dangling objects are allowed."""
    complaints = [line for line in _fsck_lines(git_dir) if not line.startswith(_HARMLESS)]
    assert not complaints, "git fsck says:\n" + "\n".join(complaints[:50])


def fsck_clean(git_dir: str | os.PathLike[str]) -> None:
    """Demand that git finds the repository sound and without one dangling object."""
    complaints = _fsck_lines(git_dir)
    assert not complaints, "git fsck says:\n" + "\n".join(complaints[:50])


def _fsck_lines(git_dir: str | os.PathLike[str]) -> list[str]:
    result = attempt(git_dir, "fsck", "--full", "--strict", "--no-progress")
    lines = (result.stdout + result.stderr).decode(errors="backslashreplace").splitlines()
    assert result.returncode == 0, f"git fsck exited with {result.returncode}:\n" + "\n".join(lines[:50])
    return lines


def log(git_dir: str | os.PathLike[str], revision: str = "refs/heads/main", pretty: str = "%H") -> list[str]:
    """Return a line per commit reachable from ``revision``, newest first, in git's ``--format``."""
    text = run(git_dir, "log", f"--format={pretty}", revision, "--")
    return text.decode(errors="surrogateescape").splitlines()


def clone(git_dir: Path, destination: Path) -> Path:
    """Clone over git's wire protocol (no copied or linked files), check out, and return ``destination``."""
    # From a file:// URL, because git takes a short cut for a plain path.
    url = git_dir.resolve().as_uri()
    run(git_dir, "clone", "--quiet", url, str(destination))
    return destination
