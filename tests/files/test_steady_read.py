"""Test_steady_read: no write that is under way, and no store that moves no time, is taken for a file at rest."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vgit.files.steady_read import Belief, FileToRead, Moved, Watch, in_flight_ns, wait_for_writes
from vgit.localfs.file_stat import to_stat
from vgit.localfs.filesystem_clock import Clocks, Probe

WRITER = """
import mmap, os, sys, time
size = 96 << 20
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_DIRECT)
os.posix_fallocate(file, 0, size)
data = mmap.mmap(-1, size)
data[:] = b"x" * size
os.pwrite(file, data, 0)
print(flush=True)
while sys.stdin.readline():
    os.write(1, b"begins\\n")
    os.pwrite(file, data, 0)
    print(time.monotonic(), flush=True)
"""


def may_be_direct(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        return False
    return True


def test_a_direct_write_under_way_is_waited_for(tmp_path: Path) -> None:
    """It shares the inode's lock with whoever else writes directly, or looks for data."""
    path = tmp_path / "f"
    if not may_be_direct(path):
        pytest.skip("no O_DIRECT here")
    waited = []  # which part of the rest of each write
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WRITER, path], text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        for _ in range(8):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            time.sleep(0.003)  # in the middle, most times
            with open(path, "rb") as file:
                began = time.monotonic()
                wait_for_writes(file.fileno())
                ended = time.monotonic()
            rest = float(process.stdout.readline()) - began
            waited.append((ended - began) / rest if rest > 0 else 0)
        process.stdin.close()
    assert max(waited) > 0.5


def test_waiting_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    before = path.stat()
    file = os.open(path, os.O_RDONLY)
    wait_for_writes(file)
    os.close(file)
    assert path.stat() == before and os.listxattr(path) == []


def test_how_long_ago_a_write_may_have_begun() -> None:
    assert in_flight_ns(0) == 2_000_000_000
    assert in_flight_ns(100 << 20) > 12_000_000_000
    assert in_flight_ns(100 << 30) == in_flight_ns(2 << 30) < 300_000_000_000


class Looked:
    """A watch over one file on this machine, with a clock that the test sets."""

    def __init__(self, path: Path, mapped: bool = False, age_ns: int = 0) -> None:
        self.file = os.open(path, os.O_RDONLY)
        found = os.fstat(self.file)
        self.place = FileToRead(self.file, found.st_dev)
        self.now = to_stat(found)
        self.looks = 0
        self.mapped = mapped
        at = Probe(found.st_ctime_ns + age_ns, 20_000_000, is_exact=True)
        self.clocks = Clocks(lambda seconds: None, found.st_dev, lambda: at)
        self.watch = Watch(self.clocks, self._look)

    def _look(self) -> set[tuple[int, int]]:
        self.looks += 1
        return {(self.place.device, self.now.ino)} if self.mapped else set()

    def belief(self) -> Belief | None:
        """None: it is being written."""
        try:
            return self.watch.settle(self.place, self.now)
        except Moved:
            return None
        finally:
            os.close(self.file)


SMALL, LARGE = 100, 5 << 20
YOUNG, OLD = 30_000_000, 3_000_000_000


@pytest.mark.parametrize(
    "size, age, flags, expected",
    [
        (SMALL, YOUNG, None, Belief.SURE),
        (SMALL, YOUNG, os.O_WRONLY, Belief.ONCE_MORE),
        (SMALL, YOUNG, os.O_WRONLY | os.O_DIRECT, Belief.ONCE_MORE),
        (SMALL, OLD, os.O_WRONLY | os.O_DIRECT, Belief.SURE),
        (LARGE, YOUNG, None, Belief.SURE),
        (LARGE, YOUNG, os.O_WRONLY, Belief.SURE),
        (LARGE, YOUNG, os.O_WRONLY | os.O_DIRECT, None),
        (LARGE, OLD, os.O_WRONLY | os.O_DIRECT, Belief.SURE),
    ],
)
def test_who_has_it_open_counts_as_long_as_a_write_may_take(
    tmp_path: Path, size: int, age: int, flags: int | None, expected: Belief | None
) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(size))
    writer = os.open(path, flags) if flags is not None else None
    assert Looked(path, age_ns=age).belief() is expected
    if writer is not None:
        os.close(writer)


def test_a_writer_that_nobody_sees_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(LARGE))
    monkeypatch.setattr("vgit.files.steady_read.is_open_for_writing", lambda _: None)
    looked = Looked(path, age_ns=YOUNG)
    assert looked.belief() is Belief.ONCE_MORE
    believes = looked.watch.believes
    assert not believes(Belief.ONCE_MORE, looked.place, looked.now.ctime_ns, is_same=True)  # a moment later is too soon
    later = Looked(path, age_ns=OLD)
    assert later.watch.believes(Belief.ONCE_MORE, later.place, later.now.ctime_ns, is_same=True)
    assert not later.watch.believes(Belief.ONCE_MORE, later.place, later.now.ctime_ns, is_same=False)
    assert not later.watch.believes(Belief.NEVER, later.place, later.now.ctime_ns, is_same=True)
    os.close(later.file)


def test_maps_are_looked_at_after_the_last_change(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(SMALL))
    with open(path, "r+b"):
        looked = Looked(path, age_ns=0)  # changed in the moment when the clock was read
        assert looked.watch.mapped_inodes() == frozenset()
        looked.mapped = True
        assert looked.belief() is Belief.NEVER and looked.looks == 2


def test_what_nobody_has_open_needs_no_other_look(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(SMALL))
    looked = Looked(path, age_ns=0)
    assert looked.belief() is Belief.SURE and looked.looks == 0
