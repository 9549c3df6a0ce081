"""Test_open_for_writing: who has a file open for writing, maps it or writes to it directly; what cannot be seen."""

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vgit.localfs.open_for_writing import OpenForWriting, is_open_for_writing


@contextmanager
def reading(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def asked(path: Path) -> bool | None:
    with reading(path) as file:
        return is_open_for_writing(file)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_bytes(bytes(8192))
    return path


def test_who_only_reads_does_not_count(path: Path) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        assert asked(path) is False


def test_a_descriptor_counts_until_it_is_closed(path: Path) -> None:
    for mode in ("ab", "r+b"):
        with open(path, mode):
            assert asked(path) is True
        assert asked(path) is False


def test_a_map_counts_though_its_descriptor_is_closed(path: Path) -> None:
    code = (
        "import ctypes, mmap, os, sys; libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p;"
        "file = os.open(sys.argv[1], os.O_RDWR); libc.mmap(None, 8192, 3, mmap.MAP_SHARED, file, ctypes.c_long(0));"
        "os.close(file); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert asked(path) is True
        process.stdin.close()
    assert asked(path) is False


def test_of_another_users_file_nothing_is_known(path: Path) -> None:
    os.chmod(path.parent, 0o755)
    os.chmod(path, 0o644)
    code = (
        f"import os, sys; sys.path.insert(0, {os.getcwd()!r}); file = os.open({os.fspath(path)!r}, os.O_RDONLY);"
        "from vgit.localfs.open_for_writing import is_open_for_writing; os.setgid(65534); os.setuid(65534);"
        "print(is_open_for_writing(file))"
    )
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "None\n"


def test_who_opens_meanwhile_waits_for_a_moment_and_nobody_is_killed(path: Path) -> None:
    """The signal by which the kernel breaks a lease ends a process by default; ours is one that is ignored."""
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
    stop = threading.Event()
    opened = []

    def keep_opening() -> None:
        while not stop.is_set():
            with open(path, "r+b") as file:
                opened.append(file.write(b"x"))

    writer = threading.Thread(target=keep_opening)
    writer.start()
    answers: set[bool | None] = set()
    for turn in range(100_000):
        answers.add(asked(path))
        if turn > 1000 and answers == {True, False}:
            break
    stop.set()
    writer.join()
    assert answers == {True, False} and opened


@pytest.mark.parametrize(
    "flags, expected", [(os.O_RDONLY | os.O_DIRECT, None), (os.O_RDWR, False), (os.O_WRONLY, False)]
)
def test_who_has_a_file_open_and_how(path: Path, flags: int, expected: bool | None) -> None:
    status = path.stat()
    file = os.open(path, flags)
    try:
        assert OpenForWriting().is_direct((status.st_dev, status.st_ino)) is expected
        assert OpenForWriting().is_direct((status.st_dev + 1, status.st_ino)) is None
        direct = os.open(path, os.O_WRONLY | os.O_DIRECT)
        try:
            assert OpenForWriting().is_direct((status.st_dev, status.st_ino)) is True
        finally:
            os.close(direct)
    finally:
        os.close(file)
    assert OpenForWriting().is_direct((status.st_dev, status.st_ino)) is None


def test_no_other_thread_runs_while_we_have_a_lease(tmp_path: Path) -> None:
    """One that opens the file in C, with Python's lock held, would wait for us, and we for that lock: 45 s."""
    path = tmp_path / "f"
    path.write_bytes(b"x")
    file = os.open(path, os.O_RDONLY)
    turns = 0
    end = threading.Event()

    def take_turns() -> None:
        nonlocal turns
        while not end.is_set():
            time.sleep(0)  # lets go of the lock, and wants it back
            turns += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # nobody has to let go of the lock but by a call that does
    other = threading.Thread(target=take_turns)
    try:
        other.start()
        while turns == 0:
            time.sleep(0)
        start = turns
        answers = [is_open_for_writing(file) for _ in range(20_000)]
        taken = turns - start
        end.set()
        other.join()
    finally:
        end.set()
        sys.setswitchinterval(before)
        os.close(file)
    assert not any(answers)
    assert taken == 0
