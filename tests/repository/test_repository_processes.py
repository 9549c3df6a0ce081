"""Test_repository_processes: many processes and threads publish to one volume, beside stock git."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import gitjudge, volumes, writers
from tests.volumes import files, messages
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.repository.repository import Repository

SPAWN = multiprocessing.get_context("spawn")


def join_all(processes: list[Any]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0


def check_all(repository: Repository, names: list[str], count: int) -> None:
    """Demand that every commit of ``publish_many`` is there, once, and every file."""
    told = messages(repository)
    expected = {f"{name} {number}" for name in names for number in range(count)}
    assert len(told) == len(expected) + 1
    assert set(told) == expected | {"Create volume"}
    found = files(repository)
    assert found.pop(("shared",)).decode() == told[0], "the last writer wins"
    assert found == {(name, f"file {n}"): f"{name} {n}".encode() for name in names for n in range(count)}
    for name in names:  # each writer's commits in their order
        own = [message for message in reversed(told) if message.startswith(name + " ")]
        assert own == [f"{name} {number}" for number in range(count)]


def test_400_commits_of_eight_processes(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    volumes.create_local(git_dir).close()
    names = [f"process {n}" for n in range(8)]
    join_all([SPAWN.Process(target=writers.publish_many, args=(str(git_dir), name, 50)) for name in names])
    with volumes.open_local(git_dir) as repository:
        check_all(repository, names, 50)
    gitjudge.fsck(git_dir)
    assert len(gitjudge.log(git_dir)) == 401
    assert not list(git_dir.glob("objects/pack/*.keep"))
    assert not list(git_dir.glob("objects/pack/tmp_*"))


def run_threads(works: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def publish_in_turn(repository: Repository, name: str, count: int) -> None:
    for number in range(count):
        text = f"{name} {number}"
        changes = {(name, f"file {number}"): text.encode(), ("shared",): text.encode()}
        assert writers.publish(repository, changes, text) is not None


def test_threads_that_share_a_repository(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository:
        names = [f"thread {n}" for n in range(4)]
        run_threads([lambda name=name: publish_in_turn(repository, name, 15) for name in names])
        check_all(repository, names, 15)
    gitjudge.fsck(git_dir)


def test_threads_without_turns() -> None:
    """Nothing but the swap keeps them apart: a memory backend gives everybody the turn at once."""
    backend = MemoryBackend()
    volumes.create(backend).close()
    names = [f"thread {n}" for n in range(4)]
    works = [lambda name=name: publish_in_turn(Repository.open(backend, SYSTEM_CLOCK), name, 15) for name in names]
    run_threads(works)
    check_all(Repository.open(backend, SYSTEM_CLOCK), names, 15)
    backend.check()


def push_many(clone: Path, count: int) -> None:
    """Commit and push with stock git, pulling whenever the push was refused, as people do."""
    git_dir = clone / ".git"

    def git(*arguments: str) -> int:
        return gitjudge.attempt(git_dir, f"--work-tree={clone}", "-C", str(clone), *arguments).returncode

    for number in range(count):
        (clone / f"pushed {number}").write_text(str(number))
        assert git("add", "-A") == 0
        assert git("commit", "-q", "-m", f"push {number}") == 0
        while git("push", "-q", "origin", "HEAD:main") != 0:
            assert git("pull", "-q", "--rebase", "origin", "main") == 0


def test_pushes_and_publishes_lose_nothing(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    volumes.create_local(git_dir).close()
    clone = gitjudge.clone(git_dir, tmp_path / "clone")
    process = SPAWN.Process(target=writers.publish_slowly, args=(str(git_dir), 30))
    process.start()
    push_many(clone, 8)
    process.join()
    assert process.exitcode == 0
    with volumes.open_local(git_dir) as repository:
        found = files(repository)
        told = messages(repository)
    published = [message for message in told if message.startswith("vgit ")]
    assert {message for message in told if message.startswith("push ")} == {f"push {n}" for n in range(8)}
    assert published == [f"vgit {n}" for n in reversed(range(30))]
    for number in range(8):
        assert found[f"pushed {number}",] == b"%d" % number
    for number in range(30):
        assert found["vgit", f"{number}"] == b"%d" % number
    gitjudge.fsck(git_dir)
