"""Measuring: a command as a child process: its time until all is on disk, its processor time, its peak memory.

The kernel counts the memory that the parent had at the moment of the start as
the child's peak. So this program stays small (some 25 MB) and does what needs
memory in children; peaks below that are not told apart.
"""

import ctypes
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

_libc = ctypes.CDLL(None, use_errno=True)


class Command(NamedTuple):
    """What is run and measured."""

    argv: Sequence[str | Path]
    cwd: Path
    env: Mapping[str, str]
    durable: bool = True  # the measured time ends when the file system is flushed


class Figures(NamedTuple):
    """What one run of a command took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: bytes  # what it wrote to standard output, if that was asked for


class CommandFailed(Exception):
    """A measured command ended with an error; the text says which, and what it said."""


def measure(command: Command, *, keep_output: bool = False) -> Figures:
    """Run a command and return what it took; raise CommandFailed if it fails."""
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as kept:
        output = kept if keep_output else subprocess.DEVNULL
        begun = time.perf_counter()
        child = subprocess.Popen(
            [os.fspath(word) for word in command.argv],
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,  # so that all it started can be ended with it
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        if command.durable:
            flush(command.cwd)
        wall = time.perf_counter() - begun
        if child.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-2000:]
            raise CommandFailed(f"exit code {child.returncode} of {' '.join(map(str, command.argv))}: {said}")
        kept.seek(0)
        return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, kept.read())


def flush(path: Path) -> None:
    """Do what ``sync -f path`` does, without the time that starting a process takes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), f"cannot flush the file system of {path}")
    finally:
        os.close(descriptor)


def warm_memory(size_bytes: int) -> None:
    """Touch memory that is free, and free it again; to be called in a child.

    A virtual machine may have given its free memory back to its host. Then the
    first touch costs up to 1.4 s a GiB, more than ``cp`` takes in all, and the
    tool that is next would pay for it, or not, by chance.
    """
    with open("/proc/meminfo") as meminfo:
        free_bytes = next(int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemFree:"))
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)
    mmap.mmap(-1, max(mmap.PAGESIZE, min(size_bytes, free_bytes * 6 // 10)), flags=flags).close()


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a forked child, whose memory is its own, and return what JSON keeps of its result."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(writing, function, arguments)
    os.close(writing)
    try:
        with open(reading, "rb") as answer:
            said = answer.read()
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if status != 0:
        raise RuntimeError(f"{function.__qualname__} failed, see above")
    return json.loads(said)


def _answer(writing: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> NoReturn:
    code = 1
    try:
        with open(writing, "wb") as answer:
            answer.write(json.dumps(function(*arguments)).encode())
        code = 0
    except KeyboardInterrupt:
        pass  # the parent gets it too, and says so
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def tree_bytes(tops: Sequence[Path]) -> int:
    """Return the bytes of all files below some directories; a file with several names counts once."""
    seen: dict[int, int] = {}
    for top in tops:
        for where, _, names in os.walk(top):
            for name in names:
                found = os.lstat(os.path.join(where, name))
                seen[found.st_ino] = found.st_size
    return sum(seen.values())


def tree_outline(top: Path) -> tuple[int, int]:
    """Return how many files there are and their bytes, without what tools keep among them."""
    count = size_bytes = 0
    for where, directories, names in os.walk(top):
        directories[:] = [name for name in directories if name not in (".git", ".vgit")]
        for name in names:
            count += 1
            size_bytes += os.lstat(os.path.join(where, name)).st_size
    return count, size_bytes
