"""Test_clean_or_not: a change is seen however fast, however small; what did not change is not read."""

import mmap
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path as FilePath

import pytest
from blake3 import blake3

from tests.mount.conftest import AUTHOR, Bench
from vgit.files import small_files, steady_read
from vgit.files.content_sink import PackSink
from vgit.mount import entry_reader
from vgit.mount.policy import UnstableFiles
from vgit.mount.scan import Scan, Scanner


def published_bytes(bench: Bench, name: str) -> bytes:
    from_store = subprocess.run(
        ["git", f"--git-dir={bench.git_dir}", "cat-file", "blob", f"main:{name}"], capture_output=True, check=True
    )
    return from_store.stdout


def test_a_rewrite_of_equal_size_in_the_same_tick_is_always_seen(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(b"%08d" % 0)
    a.commit(AUTHOR)
    # A scan alone decides what is clean; a commit every time would be too slow to fall into one tick.
    for number in range(1, 3000):
        with open(path, "r+b") as file:
            file.write(b"%08d" % number)
        edits = a.status().edits
        assert ("f",) in edits, f"rewrite {number} was not seen"
    for number in range(3000, 3100):
        with open(path, "r+b") as file:
            file.write(b"%08d" % number)
        assert a.commit(AUTHOR).published is not None, f"rewrite {number} was not published"
    assert published_bytes(bench, "f") == b"00003099"


def test_a_rewrite_with_the_old_mtime_set_back_is_seen(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    for number in range(50):
        path.write_bytes(b"%08d" % number)
        os.utime(path, ns=(1_000_000_000, 1_000_000_000))
        assert a.commit(AUTHOR).published is not None


def test_what_is_clean_is_not_read_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a = bench.mount("a")
    for number in range(20):
        FilePath(a.path, f"f{number}").write_bytes(b"x" * number)
    a.commit(AUTHOR)
    a._clock.sleep(0.05)
    a.commit(AUTHOR)  # its rows were young: read once more, and trusted from now on
    read: list[str] = []
    open_to_read = steady_read.open_to_read
    for module in (small_files, entry_reader):
        monkeypatch.setattr(module, "open_to_read", lambda name, at: read.append(name) or open_to_read(name, at))
    assert a.commit(AUTHOR).published is None
    FilePath(a.path, "f3").write_bytes(b"new")
    assert a.commit(AUTHOR).published is not None
    assert read == ["f3"]


def test_a_store_into_a_shared_map_is_seen_though_it_moves_no_time(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(b"0" * 8192)
    a.commit(AUTHOR)
    with open(path, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)
    try:
        for number in range(1, 30):
            shared[0:8] = b"%08d" % number
            a.commit(AUTHOR)
            assert published_bytes(bench, "f")[:8] == b"%08d" % number
    finally:
        shared.close()


def test_a_file_that_does_not_hold_still_is_named_and_stays_dirty(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "log")
    path.write_bytes(b"begin\n" * 1_000_000)
    stop = threading.Event()

    def keep_writing() -> None:
        with open(path, "ab") as file:
            while not stop.is_set():
                file.write(b"line\n" * 100)
                file.flush()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        held = a.commit(AUTHOR, when_unstable=UnstableFiles.HOLD_BACK)
        assert held.published is None
        stored = a.commit(AUTHOR)
    finally:
        stop.set()
        writer.join()
    assert stored.unstable == (("log",),)
    assert stored.published is not None and stored.published.commit.unstable == (("log",),)
    last = a.commit(AUTHOR)
    assert last.published is not None and not last.unstable
    assert bench.published()["log"].size == path.stat().st_size


def test_a_fifo_in_the_place_of_a_file_does_not_hang_a_commit(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(b"x")
    a.commit(AUTHOR)
    path.unlink()
    os.mkfifo(path)
    assert a.commit(AUTHOR).published is not None
    assert bench.published()["f"].kind.value == "fifo"


_AS_ORDINARY_USER = """
import os, sys
from pathlib import Path
from tests.mount.conftest import AUTHOR, Bench
os.setgid(65534); os.setuid(65534)
bench = Bench(Path(sys.argv[1]))
a = bench.mount("a")
os.mkdir(a.path + "/d")
for name in ("d/f", "g"):
    Path(a.path, name).write_text("x")
a.commit(AUTHOR)
os.chmod(a.path + "/d", 0)
os.chmod(a.path + "/g", 0)
Path(a.path, "g2").write_text("x")
done = a.commit(AUTHOR)
assert {problem.path for problem in done.left_out} == {("g",)}, done.left_out
assert {"d/f", "g", "g2"} <= set(bench.published())
assert bench.published()["d"].mode & 0o777 == 0 == os.stat(a.path + "/d").st_mode & 0o777
os.chmod(a.path + "/d", 0o755)
os.chmod(a.path + "/g", 0o644)
assert not a.commit(AUTHOR).left_out
b = bench.mount("b")
os.chmod(a.path + "/d", 0o555)
Path(a.path, "g").write_text("y")
a.commit(AUTHOR)
b.reload()
assert os.stat(b.path + "/d").st_mode & 0o777 == 0o555
os.chmod(a.path + "/d", 0o755)
Path(a.path, "d/new").write_text("in a directory that the other mount may not write")
os.chmod(a.path + "/d", 0o555)
a.commit(AUTHOR)
b.reload()
assert Path(b.path, "d/new").exists()
assert os.stat(b.path + "/d").st_mode & 0o777 == 0o555
"""


def test_as_an_ordinary_user_what_cannot_be_read_is_reported_and_never_removed() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to become an ordinary user")
    root = FilePath(__file__).parent.parent.parent
    with tempfile.TemporaryDirectory() as place:  # pytest's own directories are closed to other users
        os.chmod(place, 0o777)
        command = [sys.executable, "-c", _AS_ORDINARY_USER, place]
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


class MappedLater:
    """A shared map made after a commit's look at maps, and stored into twice: the second store moves no time."""

    def __init__(self, path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._monkeypatch = monkeypatch
        self.view: mmap.mmap | None = None
        run = Scanner.run

        def map_then_run(scanner: Scanner) -> Scan:
            if self.view is None:
                with open(path, "r+b") as file:
                    self.view = mmap.mmap(file.fileno(), 0)
                self.view[0:5] = b"first"
            return run(scanner)

        monkeypatch.setattr(Scanner, "run", map_then_run)

    def store_after(self, owner: object, name: str) -> None:
        """Store once more as soon as a function has done its work, and close the map."""
        real = getattr(owner, name)

        def call_and_store(*args: object) -> object:
            done = real(*args)
            if self.view is not None and not self.view.closed:
                self.view[0:5] = b"LAST."
                self.view.close()
            return done

        self._monkeypatch.setattr(owner, name, call_and_store)


def test_a_store_into_a_map_that_was_made_after_the_look_is_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is large, so that the commit waits for the clock and could trust its row."""
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(bytes(17 << 20))
    a.commit(AUTHOR)
    MappedLater(path, monkeypatch).store_after(PackSink, "add_file")
    a.commit(AUTHOR)
    a.commit(AUTHOR)
    assert not a.status().edits
    with open(path, "rb") as file:
        assert file.read(5) == b"LAST."
    from_store = bench.published()["f"]
    assert from_store.hash == blake3(path.read_bytes()).digest()


def test_no_commit_in_the_background_takes_a_file_that_is_stored_into(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(bytes(200_000))
    a.commit(AUTHOR)
    MappedLater(path, monkeypatch).store_after(steady_read, "wait_for_writes")
    assert a.commit(AUTHOR, when_unstable=UnstableFiles.HOLD_BACK).published is None
    assert a.commit(AUTHOR, when_unstable=UnstableFiles.HOLD_BACK).published is not None


def test_a_file_that_is_written_directly_is_not_taken_for_one_at_rest(bench: Bench) -> None:
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(bytes(5 << 20))
    try:
        writer = os.open(path, os.O_WRONLY | os.O_DIRECT)
    except OSError:
        pytest.skip("no O_DIRECT here")
    try:
        assert a.commit(AUTHOR, when_unstable=UnstableFiles.HOLD_BACK).published is None
        assert a.commit(AUTHOR).unstable == (("f",),)
        with open(path, "r+b") as file:  # what the direct write brings, and moves no time
            before = os.fstat(file.fileno())
            file.write(b"LAST.")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(writer)
    last = a.commit(AUTHOR)
    assert last.published is not None and not last.unstable
    assert a.commit(AUTHOR).published is None


def test_what_somebody_unseen_may_still_write_is_read_once_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a = bench.mount("a")
    FilePath(a.path, "f").write_bytes(bytes(5 << 20))
    monkeypatch.setattr(steady_read, "is_open_for_writing", lambda _: None)
    monkeypatch.setattr(steady_read, "in_flight_ns", lambda _: 3600 * 10**9)
    monkeypatch.setattr(steady_read, "COARSE_MARGIN_NS", 0)
    a._clock.sleep(0.05)
    read: list[str] = []
    open_to_read = entry_reader.open_to_read
    monkeypatch.setattr(entry_reader, "open_to_read", lambda name, at: read.append(name) or open_to_read(name, at))
    assert a.commit(AUTHOR).published is not None
    for _ in range(3):
        assert a.commit(AUTHOR).published is None
    assert read == ["f", "f"]
