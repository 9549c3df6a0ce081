"""Checkout: with other processes it makes what it makes alone, and none of them outlives the mount's lock."""

import os
import signal
import subprocess
import sys
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench, listing
from vgit.backend.local import LocalBackend
from vgit.catalog import StoreRoot
from vgit.clock import SYSTEM_CLOCK
from vgit.runtime import worker_processes

MTIME_NS = 1_600_000_000_123_456_789

MOUNT_AND_DIE = """
import os, sys
sys.path[:] = {path!r}
from tests.mount.conftest import Bench
from vgit.runtime import worker_processes
from vgit.mount import checkout
worker_processes.workers_wanted = lambda: 1
keep = checkout.Checkout._keep
def die(self, *args):
    keep(self, *args)
    if len(self.rows) > 20: os.kill(os.getpid(), 9)
checkout.Checkout._keep = die
from tests.mount.test_checkout import again
again({base!r}, {volume!r}).mount("out")
"""


def again(base: str, volume: str) -> Bench:
    """Return the bench of another process."""
    bench = Bench.__new__(Bench)
    vars(bench).update(base=FilePath(base), sub_path=(), store=f"{base}/store", volume_id=volume, _open=[])
    bench.root = StoreRoot(LocalBackend(bench.store), SYSTEM_CLOCK, bench.store)
    return bench


def many_files(top: FilePath) -> None:
    """Make files of all sorts in directories enough for several processes."""
    for number in range(40):
        directory = top / f"d{number % 4}" / f"e{number}"
        directory.mkdir(parents=True)
        for name in range(30):
            path = directory / f"f{name}"
            path.write_bytes(f"{number} {name}".encode() * (number * name % 50 * 20))
            path.chmod([0o644, 0o600, 0o755, 0o444, 0o666][name % 5])
            os.utime(path, ns=(MTIME_NS, MTIME_NS - name))
        (directory / "link").symlink_to("f1")
    wide = top / "wide"
    wide.mkdir()
    for number in range(900):
        (wide / f"{number}").write_bytes(b"" if number % 9 == 0 else os.urandom(number * 90))
    os.mkfifo(top / "fifo")
    (top / "empty").mkdir()
    (top / "d1" / "e1").chmod(0o555)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_processes_together_make_what_one_makes(bench: Bench, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 0)
    source = bench.mount("source")
    many_files(bench.base / "source")
    source.commit(AUTHOR)
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 2)
    started = []
    make = worker_processes._WorkerProcess.__init__
    monkeypatch.setattr(
        worker_processes._WorkerProcess, "__init__", lambda self, *args: started.append(make(self, *args))
    )
    before = os.umask(umask)
    try:
        out = bench.mount("out")
    finally:
        os.umask(before)
    assert len(started) == 2
    assert listing(bench.base / "out") == listing(bench.base / "source")
    assert not out.status().edits
    assert out.commit(AUTHOR).published is None


def test_a_checkout_whose_caller_is_killed_is_done_again(bench: Bench) -> None:
    source = bench.mount("source")
    many_files(bench.base / "source")
    source.commit(AUTHOR)
    program = MOUNT_AND_DIE.format(path=[os.getcwd(), *sys.path], base=str(bench.base), volume=bench.volume_id)
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    out = bench.mount("out")  # waits for the worker, which holds the lock as long as it writes
    assert listing(bench.base / "out") == listing(bench.base / "source")
    assert not out.status().edits
