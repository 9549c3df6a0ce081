"""Worker processes: new interpreters that take their share of work on many small files.

Creating or reading a small file is mostly Python and system calls, which the
interpreter lock keeps to one core: threads gain nothing. A worker is a new
interpreter, never a fork of the caller's program, which may have threads. It is
started late, once there is enough to do that its start pays.

The caller works on as well, and everything can be done without a worker: a
machine with one core, a program without an interpreter to start, a worker that
fails or dies all mean only that the caller does the jobs itself. So errors are
always the caller's own, and a worker needs no way to tell of them.

An error ends a worker, and so does the end of its caller. It holds the descriptors in ``inherit``: a lock
among them is held until the last process that works under it has gone.
"""

import ctypes
import gc
import os
import pickle
import select
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Self, TypeVar

from vgit.runtime.cancel import checkpoint
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import subprocess
else:
    subprocess = lazy_import("subprocess")

Job = TypeVar("Job")
Result = TypeVar("Result")

_MOST_WORKERS = 3  # beyond, the caller's own share of the work is what limits
_JOBS_FIRST = 6  # that the caller does before it starts any
_JOBS_WAITING = 6  # so many make it worth to start a worker
_AHEAD = 2  # jobs a worker has: one that it does, one to go on with
_POLL_MS = 20
_LENGTH_BYTES = 8
_PR_SET_PDEATHSIG = 1
# Where the package is found: this file's place less one component for each name of the module, wherever it moves.
_PACKAGE_PARENT = os.path.abspath(__file__).rsplit(os.sep, __name__.count(".") + 1)[0]
_PROGRAM = "import sys; sys.path[:] = {path!r}; from vgit.runtime.worker_processes import main; main()"


class WorkerProcesses(Generic[Job, Result]):
    """The worker processes of one run; a context manager that ends them.

    What ``factory`` returns performs jobs in a worker, ``perform`` here. ``factory`` is pickled, as jobs and results
    are: a function of a module, or a ``functools.partial`` of one.
    """

    def __init__(
        self,
        factory: Callable[[], Callable[[Job], Result]],
        perform: Callable[[Job], Result],
        inherit: Sequence[int] = (),
    ) -> None:
        self._factory = factory
        self._perform = perform
        self._inherit = inherit
        self._workers: list[_WorkerProcess[Job]] = []
        self._wanted = workers_wanted()
        self._done_here = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._workers:
            self._workers.pop().end()

    def run(self, jobs: deque[Job], finish: Callable[[Job, Result], None]) -> None:
        """Do all ``jobs``, also those that ``finish`` adds, which gets each with its result, in no order."""
        while jobs or any(worker.jobs for worker in self._workers):
            checkpoint()
            self._exchange(jobs, finish, wait=not jobs)
            if jobs:
                job = jobs.popleft()
                finish(job, self._perform(job))
                self._done_here += 1

    def assist(self, jobs: deque[Job], finish: Callable[[Job, Result], None]) -> None:
        """Have workers begin with ``jobs``, of which there will be more; do none of them here."""
        self._exchange(jobs, finish, wait=False)

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, 0
        try:
            setup = pickle.dumps(self._factory)
            for _ in range(wanted):
                self._workers.append(_WorkerProcess(setup, self._inherit))
        except (OSError, TypeError, pickle.PicklingError):
            pass  # what cannot be sent, or started, is done here

    def _exchange(self, jobs: deque[Job], finish: Callable[[Job, Result], None], *, wait: bool) -> None:
        """Take what workers have done, give them more; with ``wait`` for a moment, until one has done something."""
        if self._wanted and len(jobs) >= _JOBS_WAITING and len(jobs) + self._done_here >= _JOBS_FIRST + _JOBS_WAITING:
            self._start()
        for worker in self._workers:
            while jobs and len(worker.jobs) < _AHEAD:
                worker.send(jobs.popleft())
        busy = [worker for worker in self._workers if worker.jobs]
        if not busy:
            return
        poll = select.poll()
        for worker in busy:
            worker.register(poll)
        ready = {descriptor for descriptor, _ in poll.poll(_POLL_MS if wait else 0)}
        for worker in busy:
            if ready & worker.descriptors:
                self._take(worker, jobs, finish)

    def _take(self, worker: "_WorkerProcess[Job]", jobs: deque[Job], finish: Callable[[Job, Result], None]) -> None:
        try:
            result = worker.receive()
        except (OSError, EOFError):
            self._workers.remove(worker)
            jobs.extendleft(reversed(worker.jobs))
            worker.end()
            return
        for one in result:
            finish(worker.jobs.popleft(), one)


def workers_wanted() -> int:
    """Return how many workers this process may have: none on one core, or without an interpreter to start."""
    name = os.path.basename(sys.executable or "")
    if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
        return 0  # what ``sys.executable`` would start is the user's program
    return min(len(os.sched_getaffinity(0)) - 1, _MOST_WORKERS)


class _WorkerProcess(Generic[Job]):
    """A worker as the caller sees it."""

    def __init__(self, setup: bytes, inherit: Sequence[int]) -> None:
        self.jobs: deque[Job] = deque()
        path = [_PACKAGE_PARENT, *sys.path]
        self._process = subprocess.Popen(
            # Isolated, it does not see PYTHONUTF8: names of files must be in UTF-8 there, as they are here.
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",  # a worker must not keep a directory of the caller's in use
            pass_fds=inherit,
            process_group=0,  # an interrupt on the terminal is the caller's to answer
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)  # both sides writing, neither reading, would be for ever
        self._unsent = bytearray(_framed(setup))
        self._flush()

    @property
    def descriptors(self) -> set[int]:
        """What a poll is told of."""
        return {self._in, self._out}

    def register(self, poll: "select.poll") -> None:
        """Wait with ``poll`` for a result, or for room for what is not sent yet."""
        poll.register(self._out, select.POLLIN)
        if self._unsent:
            poll.register(self._in, select.POLLOUT)

    def send(self, job: Job) -> None:
        """Give it a job."""
        self.jobs.append(job)
        self._unsent += _framed(pickle.dumps(job, 5))
        self._flush()

    def receive(self) -> list[Any]:
        """Return what has come: the result of the oldest job, or nothing yet. OSError or EOFError: it is no more."""
        self._flush()
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        return [pickle.loads(_read_frame(self._out))] if poll.poll(0) else []

    def end(self) -> None:
        """End it, whatever it does; nothing of it runs on return."""
        self._process.kill()
        self._process.communicate()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._in, self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # it has died; reading from it will tell


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _read_frame(descriptor: int) -> bytes:
    return _read(descriptor, int.from_bytes(_read(descriptor, _LENGTH_BYTES), "big"))


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def main() -> None:
    """Be a worker: what a started process runs, until its caller closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The end of the pipe would do, but for children that the caller's program forked: they have the pipe as well.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    source, sink = os.dup(0), os.fdopen(os.dup(1), "wb", buffering=0)
    gc.disable()  # jobs leave no cycles, and a worker ends soon
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # whatever is printed must not look like a result
        os.dup2(nothing, standard)
    try:
        _serve(source, sink)
    except (EOFError, OSError):
        pass  # the caller has gone


def _serve(source: int, sink: BinaryIO) -> None:
    perform = pickle.loads(_read_frame(source))()
    while True:
        job = pickle.loads(_read_frame(source))
        view = memoryview(_framed(pickle.dumps(perform(job), 5)))
        while view:
            view = view[sink.write(view) :]
