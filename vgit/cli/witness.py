"""Witness: tells whether a signal that came to vgit was sent to others of its kind, so that the command has it too.

`kill -- -GROUP`, `timeout`, a service manager that stops all processes of a service:
they all reach vgit and its command alike, and passing the signal on would be a second
one, which many programs take for "now, without cleaning up". From vgit's own side
nothing tells these from `kill PID`. So a process stands beside it in the same group,
session and service, and does nothing but say which signals it got, and from whom. If it
is silent for a moment, the signal was meant for vgit alone.

Its name and command line are none of vgit's: who signals processes by name means vgit.
"""

import ctypes
import os
import select
import signal
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import NoReturn, Self

TOGETHER_SECONDS = 0.2  # within which the signals of one sender to several processes come
_START_SECONDS = 5.0
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_RECORD_BYTES = 8
_READY = bytes(_RECORD_BYTES)
_NAME = b"witness"
_ARGUMENTS = 45, 46  # in /proc/self/stat, behind the name: where the command line begins and ends in memory

_prctl = ctypes.CDLL(None, use_errno=True).prctl  # found here, so that a forked child need not look for it


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent dies."""
    _prctl(_SET_DEATH_SIGNAL, int(number), 0, 0, 0)


class Witness:
    """The process that stands by; a context manager that ends it. Made where there is no other thread.

    A fork that runs nothing but its loop: a program of its own would take as long to start as many commands run. If it
    cannot be made, or somebody ends it, all signals are taken to be for vgit alone.
    """

    def __init__(self, numbers: AbstractSet[signal.Signals]) -> None:
        self._settled: dict[tuple[int, int], float] = {}
        self._is_ready = False
        self._pid = 0
        parent = os.getpid()
        self._source, sink = os.pipe()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # in it from its first moment on
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _stand_by(sink, numbers, parent)
        except OSError:
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(sink)

    def __enter__(self) -> Self:
        # Until it has let go of the directory and the files that it was forked with, it is somebody who uses them.
        self._is_ready = self._read(_START_SECONDS) == _READY
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._source)
        if self._pid:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)

    def has_it_too(self, got: signal.struct_siginfo) -> bool:
        """Return whether a signal was sent to others as well, or is one more of the same; waits for a moment."""
        key = got.si_signo, got.si_pid
        if not self._is_settled(key):  # else it is such as timeout's, which comes to its child, and then to the group
            self._listen(key)
        return self._is_settled(key)

    def _is_settled(self, key: tuple[int, int]) -> bool:
        return time.monotonic() < self._settled.get(key, 0.0)

    def _listen(self, key: tuple[int, int]) -> None:
        """Note what it tells, till that is ``key`` or it has had the time to."""
        end = time.monotonic() + (TOGETHER_SECONDS if self._is_ready else _START_SECONDS)
        while not self._is_settled(key) and (record := self._read(end - time.monotonic())):
            if any(record):
                told = int.from_bytes(record[:4], "little"), int.from_bytes(record[4:], "little")
                self._settled[told] = time.monotonic() + TOGETHER_SECONDS
            else:
                self._is_ready, end = True, time.monotonic() + TOGETHER_SECONDS

    def _read(self, seconds: float) -> bytes:
        """Return what it tells next; nothing if it does not within ``seconds``, or is no more."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        return os.read(self._source, _RECORD_BYTES) if poll.poll(max(0.0, seconds) * 1000) else b""


def _stand_by(sink: int, numbers: AbstractSet[signal.Signals], parent: int) -> NoReturn:
    """Be the witness, until the end of vgit."""
    try:
        end_with_parent(signal.SIGKILL)
        os.chdir("/")  # it must not keep a directory in use, nor a file
        os.dup2(sink, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        _take_another_name()
        os.write(0, _READY)
        while os.getppid() == parent:
            got = signal.sigwaitinfo(numbers)
            if got.si_code <= 0:  # above: from the kernel
                os.write(0, got.si_signo.to_bytes(4, "little") + got.si_pid.to_bytes(4, "little"))
    finally:
        os._exit(0)


def _take_another_name() -> None:
    with open("/proc/self/comm", "wb", buffering=0) as file:
        file.write(_NAME)
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    begin, end = (int(fields[number]) for number in _ARGUMENTS)
    if begin < end:
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, _NAME, min(len(_NAME), end - begin - 1))
