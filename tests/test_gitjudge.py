"""Test_gitjudge: the judge must be able to condemn."""

from pathlib import Path

import pytest

from tests import gitjudge


def repository(path: Path) -> Path:
    """Make a bare repository of one commit with stock git alone."""
    gitjudge.init_bare(path)
    blob = gitjudge.run(path, "hash-object", "-w", "--stdin", stdin=b"hello\n").strip()
    tree = gitjudge.run(path, "mktree", stdin=b"100644 blob " + blob + b"\thello\n").strip()
    commit = gitjudge.run(path, "commit-tree", tree, "-m", "first").strip()
    gitjudge.run(path, "update-ref", "refs/heads/main", commit)
    return path


def test_a_sound_repository_passes(tmp_path: Path) -> None:
    git_dir = repository(tmp_path / "a.git")
    gitjudge.fsck(git_dir)
    gitjudge.fsck_clean(git_dir)
    assert gitjudge.log(git_dir, pretty="%s") == ["first"]
    assert (gitjudge.clone(git_dir, tmp_path / "copy") / "hello").read_bytes() == b"hello\n"


def test_an_empty_repository_passes_fsck(tmp_path: Path) -> None:
    gitjudge.fsck(gitjudge.init_bare(tmp_path / "a.git"))


def test_dangling_objects_are_allowed_but_not_clean(tmp_path: Path) -> None:
    git_dir = repository(tmp_path / "a.git")
    gitjudge.run(git_dir, "hash-object", "-w", "--stdin", stdin=b"nobody's")
    gitjudge.fsck(git_dir)
    with pytest.raises(AssertionError, match="dangling blob"):
        gitjudge.fsck_clean(git_dir)


def test_a_damaged_object_fails(tmp_path: Path) -> None:
    git_dir = repository(tmp_path / "a.git")
    blob = gitjudge.run(git_dir, "rev-parse", "main:hello").decode().strip()
    loose = git_dir / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(loose.read_bytes()[:-3])
    with pytest.raises(AssertionError, match="git fsck"):
        gitjudge.fsck(git_dir)


def test_a_missing_object_fails(tmp_path: Path) -> None:
    git_dir = repository(tmp_path / "a.git")
    blob = gitjudge.run(git_dir, "rev-parse", "main:hello").decode().strip()
    (git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(AssertionError, match="missing blob"):
        gitjudge.fsck(git_dir)


def test_a_warning_of_strict_mode_fails(tmp_path: Path) -> None:
    git_dir = repository(tmp_path / "a.git")
    blob = gitjudge.run(git_dir, "rev-parse", "main:hello").strip()
    bad_mode = b"100664 hello\0" + bytes.fromhex(blob.decode())
    gitjudge.run(git_dir, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=bad_mode)
    with pytest.raises(AssertionError, match="badFilemode"):
        gitjudge.fsck(git_dir)


def test_git_sees_no_configuration_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = somebody\n")
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    assert gitjudge.attempt(git_dir, "config", "user.name").returncode == 1


def test_run_demands_success(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exited with"):
        gitjudge.run(tmp_path / "nothing.git", "log")
