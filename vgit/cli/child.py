r"""Child: a command run as if vgit were not there: its signals, its terminal, its exit code.

The command stays in vgit's process group, so the terminal treats the two as one
job: what is typed (Ctrl-C, Ctrl-\, Ctrl-Z) reaches the command from the kernel,
once. vgit blocks these signals and takes them one by one with ``sigwaitinfo``,
which tells who sent them:

    the kernel                   the command has it too: nothing to do
    somebody, to vgit and others the same: witness.py tells
    somebody, to vgit alone      passed on
    the command itself           not passed back

A command that the terminal stopped stops vgit too, so that the shell notices;
`fg` wakes both. If vgit is killed outright (SIGKILL), the kernel sends SIGTERM to
the command, but not to what that has started, nor to one that is setuid.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from threading import Thread

import click

from vgit.cli.witness import TOGETHER_SECONDS, Witness, end_with_parent

PASSED_ON = frozenset((
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT,
))  # fmt: skip
_MEANS_END = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))
_WATCHED = PASSED_ON | {signal.SIGCHLD}
_TERMINAL_STOPS = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


class CommandNotFound(click.ClickException):
    """There is no such command."""

    exit_code = 127


class CommandNotExecutable(click.ClickException):
    """There is such a file, and it cannot be run."""

    exit_code = 126


class Child:
    """A command that runs. Made in a process that has no other thread; those started later block the signals too."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], witness: Witness) -> None:
        self._witness = witness
        parent = os.getpid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as some start us, the exit code would be lost
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)

        def prepare() -> None:
            for number in _WATCHED:
                if callable(signal.getsignal(number)):  # our own handler: what is ignored stays ignored, as under nohup
                    signal.signal(number, signal.SIG_DFL)
            end_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)  # vgit died before it could be noticed
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

        try:
            # preexec_fn is unsafe beside other threads, and there are none. All inherited descriptors are passed on.
            self._process = subprocess.Popen(command, env=environment, close_fds=False, preexec_fn=prepare)  # noqa: PLW1509
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            kind = CommandNotFound if isinstance(error, FileNotFoundError) else CommandNotExecutable
            raise kind(f"cannot run {command[0]!r}: {error.strerror}.") from error
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise

    def wait(self) -> int:
        """Wait for the command's end, passing signals on; return its exit code, 128 + n if signal n killed it."""
        while self._process.poll() is None:
            got = signal.sigwaitinfo(_WATCHED)
            if got.si_signo == signal.SIGCHLD:
                self._stop_with_it()
            elif self._is_for_us_alone(got):
                self._process.send_signal(got.si_signo)
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def _is_for_us_alone(self, got: signal.struct_siginfo) -> bool:
        is_from_kernel = got.si_code > 0
        return not is_from_kernel and got.si_pid != self._process.pid and not self._witness.has_it_too(got)

    def _stop_with_it(self) -> None:
        """If the terminal stopped the command, stop as well: the shell waits for us, not for it."""
        try:
            stopped = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG)
        except ChildProcessError:
            return  # it has ended
        if stopped is not None and stopped.si_status in _TERMINAL_STOPS and _is_terminals_job():
            os.kill(os.getpid(), signal.SIGSTOP)


def finish_despite_signals(work: Callable[[], None], tell: Callable[[], None]) -> None:
    """Do ``work`` to its end, though signals that mean the end come; ``tell`` after the first, give up at the second.

    For after a ``Child`` has ended; the signals stay blocked. What ``work`` raises is raised.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGCHLD)  # wakes the wait below

    thread = Thread(target=run, name="vgit last commit", daemon=True)
    thread.start()
    first: signal.struct_siginfo | None = None
    while thread.is_alive():
        got = signal.sigtimedwait(_WATCHED, 1.0)
        if got is None or got.si_signo not in _MEANS_END:
            continue
        if first is None:
            first, since = got, time.monotonic()
            tell()
        elif not _is_same(first, got, time.monotonic() - since):
            sys.stderr.flush()
            os._exit(128 + got.si_signo)  # the thread cannot be stopped; what it leaves is as after a kill
    if raised:
        raise raised[0]


def _is_same(first: signal.struct_siginfo, got: signal.struct_siginfo, seconds: float) -> bool:
    """Whether one sender sent a signal to vgit and to its group: one wish, though it came twice."""
    is_sent = first.si_code <= 0 and got.si_code <= 0
    same = (first.si_signo, first.si_pid) == (got.si_signo, got.si_pid)
    return is_sent and same and seconds < TOGETHER_SECONDS


def _is_terminals_job() -> bool:
    """Whether a shell looks at our job: our session has a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
