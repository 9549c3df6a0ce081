"""Test_local_processes: many processes, some of which die, beside stock git."""

import multiprocessing
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests import gitjudge
from tests.backend import workers
from vgit.backend.local import LocalBackend

SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def started(work: Callable[..., None], *args: object) -> Iterator[tuple[Any, Connection]]:
    """Run ``work`` in a process, given a connection as its last argument; end it at the end."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(*args, there))
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        here.close()
        process.kill()
        process.join()
        process.close()


def kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_swaps_by_processes_lose_nothing(tmp_path: Path) -> None:
    backend = LocalBackend(str(tmp_path))
    backend.put("n", b"0")
    processes = [SPAWN.Process(target=workers.count_up, args=(str(tmp_path), "n", 50)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert backend.get("n") == b"200"
    assert sorted(os.listdir(tmp_path)) == ["n", "vgit.lock"]
    assert (tmp_path / "vgit.lock").read_bytes() == b""


def test_one_of_many_creates(tmp_path: Path) -> None:
    with (
        started(workers.create, str(tmp_path), "r", b"1") as (_, one),
        started(workers.create, str(tmp_path), "r", b"2") as (_, two),
    ):
        results = [one.recv(), two.recv()]
    assert sorted(results) == [False, True]
    assert LocalBackend(str(tmp_path)).get("r") == (b"1" if results[0] else b"2")


def commits(git_dir: Path, count: int) -> list[str]:
    """Make ``count`` commits with stock git, each the next one's parent."""
    lines = [f"commit refs/heads/made\nmark :{n + 1}\ncommitter a <a@b> {n} +0000\ndata 0\n" for n in range(count)]
    marks = git_dir / "marks"
    gitjudge.run(git_dir, "fast-import", "--quiet", f"--export-marks={marks}", stdin="".join(lines).encode())
    return [
        line.split()[1] for line in sorted(marks.read_text().splitlines(), key=lambda line: int(line[1:].split()[0]))
    ]


def test_swaps_beside_stock_git_lose_nothing(tmp_path: Path) -> None:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    first, *ids = commits(git_dir, 161)
    gitjudge.run(git_dir, "update-ref", "refs/heads/main", first)
    path = str(git_dir)
    with (
        started(workers.swap_ref, path, ids[:60]) as (_, ours),
        started(workers.swap_ref, path, ids[60:120]) as (_, ours_too),
        started(workers.swap_ref_by_git, path, ids[120:]) as (_, gits),
    ):
        moves = dict(ours.recv() + ours_too.recv() + gits.recv())
    # Every move began where another ended: one line through all of them, so none was lost.
    assert len(moves) == len(ids)
    at = first
    for _ in ids:
        at = moves.pop(at)
    assert gitjudge.run(git_dir, "rev-parse", "main").decode().strip() == at
    gitjudge.run(git_dir, "update-ref", "refs/heads/main", first)  # git replaces what we wrote
    gitjudge.run(git_dir, "pack-refs", "--all")
    gitjudge.fsck(git_dir)


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    with started(workers.hold, str(tmp_path)) as (process, ready):
        assert ready.recv() == "held"
        kill(process)
    with LocalBackend(str(tmp_path)).exclusive():
        pass


@pytest.fixture
def killed_in_swap(tmp_path: Path) -> LocalBackend:
    """Return a store where a process died with git's lock file on ``refs/heads/main``."""
    backend = LocalBackend(str(tmp_path))
    backend.put("refs/heads/main", b"old")
    with started(workers.hang_in_swap, str(tmp_path), "refs/heads/main") as (process, ready):
        assert ready.recv() == "in the middle"
        kill(process)
    assert (tmp_path / "refs/heads/main.lock").exists()
    assert (tmp_path / "vgit.lock").read_bytes() == b"refs/heads/main\n"
    assert [listed.key for listed in backend.list("")] == ["refs/heads/main"]
    return backend


def test_the_next_holder_removes_the_noted_lock(killed_in_swap: LocalBackend, tmp_path: Path) -> None:
    with killed_in_swap.exclusive():
        assert not (tmp_path / "refs/heads/main.lock").exists()
    assert (tmp_path / "vgit.lock").read_bytes() == b""
    assert killed_in_swap.put_if("refs/heads/main", b"new", b"old")


@pytest.mark.parametrize("note", [b"", b"\0\0\0\0", b"refs/heads/ma", b"../x\n", b"\xff" * 9000])
def test_a_lock_is_removed_though_its_note_was_lost(killed_in_swap: LocalBackend, tmp_path: Path, note: bytes) -> None:
    (tmp_path / "vgit.lock").write_bytes(note)
    with killed_in_swap.exclusive():
        assert (tmp_path / "refs/heads/main.lock").exists()
    assert killed_in_swap.put_if("refs/heads/main", b"new", b"old")
    assert sorted(os.listdir(tmp_path / "refs/heads")) == ["main"]


def test_a_lock_that_git_took_since_is_kept(killed_in_swap: LocalBackend, tmp_path: Path) -> None:
    lock = tmp_path / "refs/heads/main.lock"
    lock.unlink()
    lock.touch()
    with killed_in_swap.exclusive():
        pass
    assert lock.exists()


def test_a_fork_does_not_outlive_the_holder(tmp_path: Path) -> None:
    with started(workers.fork_and_die, str(tmp_path)) as (process, report):
        child = report.recv()
        try:
            process.join()
            with LocalBackend(str(tmp_path)).exclusive():
                os.kill(child, 0)  # It lives, and holds nothing.
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_fork_leaves_the_lock_to_its_parent(tmp_path: Path) -> None:
    with started(workers.fork_inside_and_use, str(tmp_path)) as (_, report):
        assert report.recv() is True
        assert report.recv() == 0
        assert report.recv() == b"1"


def test_a_fork_does_not_wait_for_threads_it_lacks(tmp_path: Path) -> None:
    with started(workers.fork_beside_a_holder, str(tmp_path)) as (_, report):
        assert report.recv() == 0


def test_no_permission_is_said(tmp_path: Path) -> None:
    # Not in tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "secret").write_bytes(b"1")
        (root / "open").write_bytes(b"1")
        (root / "dark").mkdir()
        for path, mode in [("secret", 0o000), ("dark", 0o000), (".", 0o555)]:
            (root / path).chmod(mode)
        try:
            with started(workers.as_ordinary_user, directory) as (_, report):
                errors = report.recv()
        finally:
            root.chmod(0o755)
            (root / "dark").chmod(0o755)
    if os.geteuid() != 0:
        del errors["touch"]  # whoever runs the tests owns the file and may renew its time
    for name, (kind, message, cause) in errors.items():
        assert (name, kind, cause) == (name, "BackendUnavailableError", "PermissionError")
        assert directory in message
        assert "Check its owner and mode" in message


def test_a_limit_in_the_middle_of_a_write(tmp_path: Path) -> None:
    LocalBackend(str(tmp_path)).put("value", b"old")
    with started(workers.within_file_size, str(tmp_path), 8192) as (_, report):
        *errors, absent, kept = report.recv()
    assert len(errors) == 3
    assert all("File too large (EFBIG)" in error and str(tmp_path) in error for error in errors)
    assert (absent, kept) == ("ref is absent", "old")
    left = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert sorted(left) == ["value", "vgit.lock"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("mounting needs root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    backend = LocalBackend(str(small_disk))
    assert backend.put_if("ref", b"old", None)
    with pytest.raises(ConnectionError, match=r"No space left on device \(ENOSPC\). Free space"):
        backend.put("big", bytes(300_000))
    with pytest.raises(ConnectionError, match="ENOSPC"):
        backend.put_if("ref", bytes(300_000), b"old")
    with pytest.raises(ConnectionError, match="ENOSPC"), backend.stage() as staged:
        staged.write([bytes(100_000), bytes(100_000)])
    assert [listed.key for listed in backend.list("")] == ["ref"]
    assert backend.get("ref") == b"old"
    backend.put("big", bytes(50_000))
    assert backend.put_if("ref", b"new", b"old")
