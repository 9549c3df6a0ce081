import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from vgit.clock import SYSTEM_CLOCK
from vgit.errors import LockedError
from vgit.localfs.file_lock import FileLock

BUSY = "the mount is busy"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def is_free(path: str) -> bool:
    lock = FileLock(path, BUSY)
    if not lock.try_acquire():
        return False
    lock.release()
    return True


@contextmanager
def holder(path: str, more: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds the lock till its input ends."""
    script = (
        f"import sys, os\nsys.path[:] = {sys.path!r}\nfrom vgit.localfs.file_lock import FileLock\n"
        f"lock = FileLock({path!r}, '')\nlock.acquire(5, 'the other one')\n{more}\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == b"\n"
            yield process
        finally:
            process.stdin.close()


def test_two_objects_exclude_each_other(path: str) -> None:
    first, second = FileLock(path, BUSY), FileLock(path, BUSY)
    assert first.try_acquire()
    assert first.is_held
    assert not second.try_acquire()
    assert not second.is_held
    first.release()
    assert second.try_acquire()
    second.release()


def test_threads_take_turns(path: str) -> None:
    counter = [0]

    def count() -> None:
        for _ in range(20):
            with FileLock(path, BUSY).hold(30):
                seen = counter[0]
                time.sleep(0.0001)
                counter[0] = seen + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter == [80]


def test_refusal_has_message_and_note(path: str) -> None:
    with FileLock(path, BUSY).hold(note="pid 1 on host: vgit commit\n"):
        with pytest.raises(LockedError) as caught:
            FileLock(path, BUSY).acquire(0)
        assert str(caught.value) == "the mount is busy (held by pid 1 on host: vgit commit)"
    with FileLock(path, BUSY).hold(), pytest.raises(LockedError) as caught:
        FileLock(path, BUSY).acquire(0)
    assert str(caught.value) == BUSY  # the old note went with its holder


def test_note_is_text_of_bounded_length(path: str) -> None:
    lock = FileLock(path, BUSY)
    assert lock.read_note() == ""
    with lock.hold(note="x" * 10_000 + "\udcff"):
        assert lock.read_note() == "x" * 500
    with lock.hold(note="\udcff"):
        assert lock.read_note() == r"\xff"


def test_waiting_ends_at_the_time_given_by_the_clock(path: str) -> None:
    now = [0.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    clock = replace(SYSTEM_CLOCK, monotonic=lambda: now[0], sleep=sleep)
    with FileLock(path, BUSY).hold(), pytest.raises(LockedError):
        FileLock(path, BUSY, clock=clock).acquire(10)
    assert now[0] == pytest.approx(10)
    assert 0 < min(slept) <= max(slept) <= 0.05


def test_waiting_ends_when_the_lock_is_free(path: str) -> None:
    first, second = FileLock(path, BUSY), FileLock(path, BUSY)
    first.acquire()
    tries = [0]

    def sleep(_: float) -> None:
        tries[0] += 1
        if tries[0] == 3:
            first.release()

    waiting = FileLock(path, BUSY, clock=replace(SYSTEM_CLOCK, sleep=sleep))
    waiting.acquire(None)
    assert tries == [3]
    assert not second.try_acquire()
    waiting.release()


def test_release_twice_and_at_an_exception(path: str) -> None:
    lock = FileLock(path, BUSY)
    with pytest.raises(KeyError), lock.hold():
        raise KeyError
    assert is_free(path)
    lock.release()


def test_a_lock_that_is_dropped_is_free(path: str) -> None:
    lock = FileLock(path, BUSY)
    lock.acquire()
    assert not is_free(path)
    del lock
    assert is_free(path)


def test_relative_to_a_directory(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with FileLock("lock", BUSY, directory_fd=fd).hold(note="me"):
            assert not is_free(str(tmp_path / "lock"))
            with pytest.raises(LockedError, match="held by me"):
                FileLock("lock", BUSY, directory_fd=fd).acquire(0)
    finally:
        os.close(fd)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        FileLock(str(tmp_path / "lock"), BUSY).acquire(0)
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_on_a_removed_file_excludes_nobody_and_is_not_given(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opens = [0]
    open_ = os.open

    def open_then_remove(*arguments: object, **options: object) -> int:
        fd = open_(*arguments, **options)  # type: ignore[arg-type]
        opens[0] += 1
        if opens[0] == 1:
            os.unlink(path)
        return fd

    monkeypatch.setattr(os, "open", open_then_remove)
    lock = FileLock(path, BUSY)
    assert lock.try_acquire()
    assert opens == [2]
    assert not is_free(path)
    lock.release()


def test_another_process_and_its_death(path: str) -> None:
    with holder(path) as process:
        with pytest.raises(LockedError, match="held by the other one"):
            FileLock(path, BUSY).acquire(0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = FileLock(path, BUSY)
        assert lock.try_acquire()  # at once, though the note is still there
        lock.release()


def test_a_forked_child_outlives_its_parent_without_the_lock(path: str, tmp_path: Path) -> None:
    # The child says that it is ready, and lives till the test closes the input of both.
    fork = "if os.fork():\n    sys.stdin.read()\nlock.release()"
    with holder(path, fork) as process:
        assert not is_free(path)  # nor did the child's release() unlock it
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_free(path)


def test_a_child_process_can_lock_for_itself(path: str) -> None:
    lock = FileLock(path, BUSY)
    lock.acquire()
    child = os.fork()
    if child == 0:
        refused = not lock.try_acquire()
        os._exit(0 if refused and not lock.is_held else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lock.is_held
    lock.release()


def test_a_started_program_does_not_inherit_it(path: str) -> None:
    lock = FileLock(path, BUSY)
    lock.acquire()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        lock.release()
        assert is_free(path)
