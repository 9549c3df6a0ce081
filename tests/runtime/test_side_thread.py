"""Side thread: one call in a thread of its own."""

import signal
import threading
import time

import pytest

from vgit.runtime.side_thread import SideThread


def test_the_call_runs_while_the_caller_goes_on() -> None:
    met = threading.Barrier(2, timeout=10)
    with SideThread(met.wait):
        met.wait()


def test_what_the_call_raises_is_raised_by_each_wait() -> None:
    def fail() -> None:
        raise ValueError("no room")

    beside = SideThread(fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="no room"):
            beside.wait()


def test_a_caller_that_fails_leaves_no_thread_behind() -> None:
    may_end = threading.Event()
    ended: list[bool] = []

    def call() -> None:
        may_end.wait(10)
        ended.append(True)

    with pytest.raises(KeyError), SideThread(call):
        threading.Timer(0.05, may_end.set).start()
        raise KeyError
    assert ended == [True]


def test_without_a_thread_the_call_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls: list[int] = []
    SideThread(lambda: calls.append(1)).wait()
    assert calls == [1]


@pytest.mark.parametrize("how", ["wait", "exit", "both"])
def test_an_interrupt_is_raised_when_the_call_has_ended(how: str) -> None:
    may_end = threading.Event()
    ended: list[bool] = []

    def call() -> None:
        may_end.wait(10)
        ended.append(True)

    def interrupt() -> None:
        signal.pthread_kill(waiting, signal.SIGINT)

    waiting = threading.get_ident()  # another thread's signal would not break off what this one waits for
    threading.Timer(0.05, interrupt).start()
    if how == "both":
        threading.Timer(0.1, interrupt).start()
    threading.Timer(0.2, may_end.set).start()
    with pytest.raises(KeyboardInterrupt), SideThread(call) as beside:
        if how != "exit":
            beside.wait()
    assert ended == [True]


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_while_the_thread_starts_leaves_no_call_behind(
    monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    start = threading.Thread.start
    running: list[threading.Thread] = []
    order: list[str] = []

    def call() -> None:
        time.sleep(0.1)
        order.append("called")

    def interrupted(self: threading.Thread) -> None:
        running.append(self)
        if begun:
            start(self)
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SideThread(call)
    order.append("given up")
    if not begun:
        start(running[0])
    running[0].join()
    assert order == (["called", "given up"] if begun else ["given up"])
