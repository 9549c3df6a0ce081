"""Workers: what the tests run in processes of their own, started afresh (``spawn``)."""

import fcntl
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from tests import gitjudge
from vgit.backend.descriptor_cache import DescriptorCache
from vgit.backend.local import LocalBackend
from vgit.errors import BackendUnavailableError, Error, NotFoundError


def count_up(path: str, key: str, times: int) -> None:
    """Add 1 to a counter, ``times`` times, by compare-and-swap."""
    backend = LocalBackend(path)
    done = 0
    while done < times:
        value = backend.get(key)
        done += backend.put_if(key, b"%d" % (int(value) + 1), value)


def create(path: str, key: str, value: bytes, winners: Connection) -> None:
    """Make a key that must be absent; report whether it was."""
    winners.send(LocalBackend(path).put_if(key, value, None))


def swap_ref(path: str, ids: list[str], report: Connection) -> None:
    """Move main from wherever it is to each of ``ids``; report each move as it was made."""
    backend = LocalBackend(path)
    moves = []
    for new in ids:
        while True:
            old = backend.get("refs/heads/main")
            if backend.put_if("refs/heads/main", new.encode() + b"\n", old):
                moves.append((old.decode().strip(), new))
                break
    report.send(moves)


def swap_ref_by_git(path: str, ids: list[str], report: Connection) -> None:
    """Do what ``swap_ref`` does, with stock git."""
    moves = []
    for new in ids:
        while True:
            old = gitjudge.run(path, "rev-parse", "refs/heads/main").decode().strip()
            if gitjudge.attempt(path, "update-ref", "refs/heads/main", new, old).returncode == 0:
                moves.append((old, new))
                break
    report.send(moves)


def hold(path: str, ready: Connection) -> None:
    """Hold ``exclusive`` until killed."""
    with LocalBackend(path).exclusive():
        ready.send("held")
        time.sleep(600)


def hang_in_swap(path: str, key: str, ready: Connection) -> None:
    """Stop in the middle of a swap, with git's lock file made, until killed."""

    def hang(fd: int) -> None:
        ready.send("in the middle")
        time.sleep(600)

    os.fsync = hang
    backend = LocalBackend(path)
    backend.put_if(key, b"new", backend.get(key))


def fork_and_die(path: str, report: Connection) -> None:
    """Fork while holding ``exclusive``, leave the child alive, die. Reports the child's id."""
    backend = LocalBackend(path)
    backend.exclusive().__enter__()
    child = os.fork()
    if child == 0:
        time.sleep(600)
    report.send(child)
    os._exit(0)


def fork_inside_and_use(path: str, report: Connection) -> None:
    """Fork while holding; the child leaves the block and then takes the lock in its own right.

    Reports what happened, in order.
    """
    backend = LocalBackend(path)
    backend.put("a.pack", b"abc")
    assert backend.get("a.pack") == b"abc"
    reading, writing = os.pipe()
    with backend.exclusive():
        child = os.fork()
        if child:
            assert os.read(reading, 1) == b"l"  # The child has left its copy of the block.
            report.send(_is_locked(path))
    if child == 0:
        os.write(writing, b"l")
        with backend.exclusive():  # waits until the parent has left
            assert backend.put_if("child", b"1", None)
        os._exit(0 if backend.get("a.pack") == b"abc" else 1)
    report.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    with backend.exclusive():
        report.send(backend.get("child"))


def fork_beside_a_holder(path: str, report: Connection) -> None:
    """Fork while another thread holds every lock there is; report how the child, which uses them, ended."""
    descriptors = DescriptorCache()
    backend = LocalBackend(path, descriptors=descriptors)
    backend.put("a.pack", b"abc")
    held, forked = threading.Event(), threading.Event()

    def hold_all() -> None:
        with backend.exclusive(), descriptors._lock:
            held.set()
            forked.wait()

    thread = threading.Thread(target=hold_all)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends a child that waits for a thread it does not have
        swapped = backend.put_if("child", b"1", None)
        os._exit(0 if swapped and backend.get("a.pack") == b"abc" else 1)
    forked.set()
    thread.join()
    report.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _is_locked(path: str) -> bool:
    fd = os.open(path + "/vgit.lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def as_ordinary_user(path: str, report: Connection) -> None:
    """Try everything in a store that belongs to somebody else; report the errors."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    backend = LocalBackend(path)

    def staged() -> None:
        backend.stage()

    def listed() -> None:
        list(backend.list(""))

    calls: dict[str, Callable[[], object]] = {
        "get": lambda: backend.get("secret"),
        "view": lambda: backend.view("secret"),
        "list": listed,
        "put": lambda: backend.put("new", b"1"),
        "put_if": lambda: backend.put_if("open", b"1", None),
        "stage": staged,
        "mark": lambda: backend.mark("new.keep"),
        "touch": lambda: backend.touch("secret"),
        "delete": lambda: backend.delete("open"),
        "exclusive": lambda: backend.exclusive().__enter__(),
    }
    report.send({name: _error_of(call) for name, call in calls.items()})


def _error_of(call: Callable[[], object]) -> tuple[str, str, str]:
    try:
        call()
    except Error as error:
        return type(error).__name__, str(error), type(error.__cause__).__name__
    return "no error", "", ""


def within_file_size(path: str, limit: int, report: Connection) -> None:
    """Write more than a file may hold; report what was said and what is left."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    backend = LocalBackend(path)
    said = []
    try:
        backend.put("value", b"n" * (limit + 1))
    except BackendUnavailableError as error:
        said.append(str(error))
    try:
        backend.put_if("ref", b"n" * (limit + 1), None)
    except BackendUnavailableError as error:
        said.append(str(error))
    try:
        with backend.stage() as staged:
            staged.write([b"n" * (limit - 10), b"n" * 20])
    except BackendUnavailableError as error:
        said.append(str(error))
    try:
        backend.get("ref")
    except NotFoundError:
        said.append("ref is absent")
    said.append(backend.get("value").decode())
    backend.put("value", b"room for this")
    report.send(said)
