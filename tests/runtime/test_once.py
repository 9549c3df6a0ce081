"""Test_once: opened at first use, once among threads, anew in a forked child, and again after a failure."""

import os
import threading

import pytest

from vgit.runtime.once import Once


def test_threads_that_come_together_get_one_value() -> None:
    once: Once[object] = Once()
    another = threading.Event()
    made: list[object] = []

    def make() -> object:
        if made:
            another.set()
        made.append(object())
        another.wait(0.2)  # room for every other thread to come here as well
        return made[-1]

    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(once.get(make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and got == made * 8


def test_what_failed_is_tried_again_and_what_was_put_is_given() -> None:
    once: Once[int] = Once()
    with pytest.raises(ZeroDivisionError):
        once.get(lambda: 1 // 0)
    assert once.get(lambda: 2) == once.get(lambda: 3) == 2
    once.put(4)
    assert once.get(lambda: 5) == 4
    once.clear()
    assert once.get(lambda: 6) == 6


def test_a_forked_child_makes_its_own_though_a_thread_held_the_lock() -> None:
    once: Once[int] = Once()
    making, go_on = threading.Event(), threading.Event()

    def make() -> int:
        making.set()
        assert go_on.wait(60)
        return 1

    thread = threading.Thread(target=once.get, args=(make,))
    thread.start()
    assert making.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(once.get(lambda: 7))
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert once.get(lambda: 2) == 1
