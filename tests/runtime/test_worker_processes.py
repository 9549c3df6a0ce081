"""Worker processes: all jobs are done, whatever becomes of the processes that do some of them."""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from vgit.runtime import worker_processes
from vgit.runtime.worker_processes import WorkerProcesses

JOBS = 300


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 2)


def returns_its_process(_: int) -> int:
    time.sleep(0.001)
    return os.getpid()


def process_ids() -> Callable[[int], int]:
    return returns_its_process


def dying(at: int, how: str) -> Callable[[int], int]:
    def perform(job: int) -> int:
        if job >= at:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("as a full disk would")
        return returns_its_process(job)

    return perform


def printing() -> Callable[[int], int]:
    def perform(job: int) -> int:
        print("this must not look like a result")
        return returns_its_process(job)

    return perform


def large(size: int) -> Callable[[bytes], bytes]:
    return lambda job: job * size


def run(factory: Any, jobs: int = JOBS) -> dict[int, int]:
    """Return job → process, having shown that each was done once."""
    done: dict[int, int] = {}

    def finish(job: int, process: int) -> None:
        assert job not in done
        done[job] = process

    with WorkerProcesses(factory, returns_its_process) as running:
        running.run(deque(range(jobs)), finish)
    assert sorted(done) == list(range(jobs))
    return done


def test_workers_do_a_part_and_the_caller_does_too() -> None:
    processes = set(run(process_ids).values())
    assert os.getpid() in processes
    assert len(processes) == 3


def test_a_few_jobs_start_no_process() -> None:
    assert set(run(process_ids, 10).values()) == {os.getpid()}


@pytest.mark.parametrize("how", ["killed", "raises"])
@pytest.mark.parametrize("at", [0, 60])
def test_the_caller_does_what_a_worker_that_ended_has_left(how: str, at: int) -> None:
    done = run(partial(dying, at, how))
    assert all(process == os.getpid() for job, process in done.items() if job >= at)


@pytest.mark.parametrize("factory", [lambda: returns_its_process, partial(dying, 0)], ids=["no pickle", "no such call"])
def test_what_cannot_be_made_elsewhere_is_done_here(factory: Any) -> None:
    assert set(run(factory).values()) == {os.getpid()}


def test_without_an_interpreter_there_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/usr/bin/a-program-that-embeds-python")
    assert worker_processes.workers_wanted() == 0
    monkeypatch.setattr(sys, "executable", "/no/such/python3")
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 1)
    assert set(run(process_ids).values()) == {os.getpid()}


def test_what_a_worker_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(set(run(printing).values())) == 3
    assert capfd.readouterr() == ("", "")


def test_jobs_and_results_larger_than_a_pipe_holds() -> None:
    jobs = deque(bytes([number]) * 300_000 for number in range(40))
    results = []
    with WorkerProcesses(partial(large, 3), lambda job: job * 3) as running:
        running.run(jobs, lambda job, result: results.append(result == job * 3 and len(result) == 900_000))
    assert results == [True] * 40


def test_jobs_that_finishing_adds_are_done() -> None:
    jobs = deque([0])
    done = []

    def finish(job: int, _: int) -> None:
        done.append(job)
        jobs.extend(range(10 * job + 1, 10 * job + 11) if job < 12 else ())

    with WorkerProcesses(process_ids, returns_its_process) as running:
        running.run(jobs, finish)
    assert sorted(done) == list(range(121))


def test_an_error_of_the_caller_ends_the_workers() -> None:
    processes = set()

    def finish(_: int, process: int) -> None:
        processes.add(process)
        if len(processes) == 3:
            raise KeyError

    with pytest.raises(KeyError), WorkerProcesses(process_ids, returns_its_process) as running:
        running.run(deque(range(10_000)), finish)
    assert not [process for process in processes - {os.getpid()} if exists(process)]


def test_a_worker_ends_with_its_caller() -> None:
    program = (
        "import os, sys, time; sys.path[:] = %r\n"
        "from collections import deque\n"
        "from tests.runtime import test_worker_processes as tasks; from vgit.runtime import worker_processes\n"
        "worker_processes.workers_wanted = lambda: 1\n"
        "def finish(_, process):\n"
        "    if process == os.getpid(): return\n"
        "    print(process, flush=True)\n"
        "    if os.fork() == 0: os.close(1); time.sleep(30); os._exit(0)\n"  # it has the pipe too, and lives on
        "    os.kill(os.getpid(), 9)\n"
        "with worker_processes.WorkerProcesses(tasks.process_ids, tasks.returns_its_process) as running:\n"
        "    running.run(deque(range(10_000)), finish)\n"
    ) % [os.getcwd(), *sys.path]
    with os.popen(f"{sys.executable} - <<'EOT'\n{program}\nEOT") as output:
        process = int(output.readline())
    assert any(not exists(process) for _ in waiting())


def waiting() -> Iterator[None]:
    for _ in range(500):
        yield
        time.sleep(0.02)


def exists(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
