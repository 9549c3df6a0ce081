"""Test_background: mounts that commit themselves; what is torn, what fails, who is forked."""

import asyncio
import logging
import math
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import vgit
from tests import torn_writes
from tests.gitjudge import fsck
from vgit.api.background import LONG_SECONDS, HeldBack
from vgit.api.open_mounts import mounts_of
from vgit.clock import Clock
from vgit.files.steady_read import wait_for_writes
from vgit.localfs.file_systems import file_system_of
from vgit.localfs.filesystem_clock import Clocks, Probe
from vgit.localfs.syscalls import exchange
from vgit.mount import mount_clock
from vgit.mount.policy import UnstableFiles
from vgit.mount.working_directory import WorkingDirectory

ROOT = Path(__file__).parent.parent
AT_FDCWD = -100
SOON = 0.05  # seconds between commits, where a test waits for one


@pytest.fixture
def client(tmp_path: Path) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what must come, however slow the machine."""
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def content(volume: vgit.Volume, path: str) -> bytes:
    try:
        return b"".join(volume.read_file(path))
    except vgit.NotFoundError:
        return b""


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("vgit commits")]


def test_commits_come_by_themselves(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "m", commit_every=SOON) as path:
        for text in ("one", "two"):
            (path / "f").write_text(text)
            wait_until(lambda text=text: content(volume, "f") == text.encode())
        before = volume.info().commits
        assert volume.commit() is None  # all is published already
        (path / "f").write_text("three")
    assert content(volume, "f") == b"three"
    assert volume.info().commits == before + 1  # none for nothing
    assert workers() == []
    fsck(volume.git_dir)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5", None])
def test_what_is_no_interval_is_refused(volume: vgit.Volume, tmp_path: Path, seconds: object) -> None:
    if seconds is None:
        volume.mount(tmp_path / "m", commit_every=None).close()
        return
    with pytest.raises(vgit.InvalidError, match="commit_every"):
        volume.mount(tmp_path / "m", commit_every=seconds)  # type: ignore[arg-type]
    assert not (tmp_path / "m").exists()


def test_a_read_only_mount_cannot(volume: vgit.Volume, tmp_path: Path) -> None:
    with pytest.raises(vgit.InvalidError, match="read-only"):
        volume.mount(tmp_path / "m", read_only=True, commit_every=1)
    assert not (tmp_path / "m").exists()


def test_an_interval_of_ages_is_no_error(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "m", commit_every=1e300) as path:
        (path / "f").write_text("x")
    assert content(volume, "f") == b"x"


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_passes_and_all_is_published(volume: vgit.Volume, tmp_path: Path, is_async: bool) -> None:
    """As a container's end publishes what its program had done."""

    async def program() -> None:
        async with volume.mount(tmp_path / "m", commit_every=1000) as path:
            (path / "f").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        if is_async:
            asyncio.run(program())
        with volume.mount(tmp_path / "m", commit_every=1000) as path:
            (path / "f").write_text("x")
            raise KeyError
    assert content(volume, "f") == b"x"
    assert workers() == []


def test_close_without_commit_ends_the_thread_and_publishes_nothing(volume: vgit.Volume, tmp_path: Path) -> None:
    mount = volume.mount(tmp_path / "m", commit_every=1000)
    (mount.path / "f").write_text("x")
    mount.close(commit=False)
    assert workers() == [] and content(volume, "f") == b""
    with volume.mount(tmp_path / "m") as path:
        assert (path / "f").read_text() == "x"


def test_an_interrupted_close_lets_go_after_the_commit_under_way(
    volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    ended: list[str] = []
    commit, release = WorkingDirectory.commit, WorkingDirectory.close

    def slow_commit(working: WorkingDirectory, *args: object) -> object:
        begun.set()
        may_end.wait(10)
        committed = commit(working, *args)  # type: ignore[arg-type]
        ended.append("commit")
        return committed

    def close(working: WorkingDirectory) -> None:
        ended.append("close")
        release(working)

    monkeypatch.setattr(WorkingDirectory, "commit", slow_commit)
    monkeypatch.setattr(WorkingDirectory, "close", close)
    mount = volume.mount(tmp_path / "m", commit_every=0.01)
    assert begun.wait(10)
    here = threading.get_ident()
    threading.Timer(0.2, lambda: signal.pthread_kill(here, signal.SIGINT)).start()
    threading.Timer(0.5, may_end.set).start()
    with pytest.raises(KeyboardInterrupt):
        mount.close()
    assert ended == ["commit", "close"]
    assert workers() == []


# --- Failures


def test_failures_are_kept_told_once_and_tried_again(
    volume: vgit.Volume, client: vgit.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "away").touch()
    with caplog.at_level(logging.WARNING):
        mount = volume.mount(tmp_path / "m", commit_every=SOON)
        exchange(AT_FDCWD, client.store, AT_FDCWD, str(tmp_path / "away"))  # the store is out of reach
        (mount.path / "f").write_text("x")
        wait_until(lambda: mount.background_error)
        first = mount.background_error
        wait_until(lambda: mount.background_error is not first)  # tried again
        exchange(AT_FDCWD, client.store, AT_FDCWD, str(tmp_path / "away"))
        wait_until(lambda: content(volume, "f") == b"x" and mount.background_error is None)
        mount.close()
    assert len(caplog.records) == 1
    assert "fail, and are tried again" in caplog.text


def test_a_last_commit_that_fails_is_raised(
    volume: vgit.Volume, client: vgit.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "away").touch()
    with pytest.raises(vgit.Error), volume.mount(tmp_path / "m", commit_every=SOON) as path:
        (path / "f").write_text("x")
        exchange(AT_FDCWD, client.store, AT_FDCWD, str(tmp_path / "away"))
    assert workers() == []
    exchange(AT_FDCWD, client.store, AT_FDCWD, str(tmp_path / "away"))
    with volume.mount(tmp_path / "m"):
        pass
    assert content(volume, "f") == b"x"


# --- Processes


def test_a_forked_child_has_no_thread_and_commits_nothing(volume: vgit.Volume, tmp_path: Path) -> None:
    child = -1
    with volume.mount(tmp_path / "m", commit_every=1000) as path:
        child = os.fork()
        if child == 0:
            (path / "f").write_text("x")
        else:
            os.waitpid(child, 0)
            assert content(volume, "f") == b""
    if child == 0:
        os._exit(0)  # it left the block
    assert content(volume, "f") == b"x"


KILLED = """
import os, sys, time
import vgit
volume = vgit.Volume.from_name("x", client=vgit.Client(sys.argv[1]))
with volume.mount(sys.argv[2], commit_every=0.05) as path:
    (path / "checkpoint.new").write_bytes(b"1" * 3_000_000)
    os.rename(path / "checkpoint.new", path / "checkpoint")
    time.sleep(1000)
"""


def test_a_killed_process_leaves_its_last_commit(volume: vgit.Volume, client: vgit.Client, tmp_path: Path) -> None:
    volume.hydrate()
    with subprocess.Popen([sys.executable, "-c", KILLED, client.store, tmp_path / "m"], cwd=ROOT) as process:
        wait_until(lambda: len(content(volume, "checkpoint")) == 3_000_000)
        process.send_signal(signal.SIGKILL)
    fsck(volume.git_dir)
    with volume.mount(tmp_path / "m") as path:
        assert (path / "checkpoint").stat().st_size == 3_000_000


FORGETS = """
import sys, vgit
volume = vgit.Volume.from_name("x", client=vgit.Client(sys.argv[1]))
mount = volume.mount(sys.argv[2], commit_every=1000)
"""


def test_a_program_that_forgets_to_close_ends(volume: vgit.Volume, client: vgit.Client, tmp_path: Path) -> None:
    volume.hydrate()
    subprocess.run([sys.executable, "-c", FORGETS, client.store, tmp_path / "m"], cwd=ROOT, check=True)


# --- What is held back


def test_a_file_that_never_rests_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    clock = Clock(lambda: 0, lambda: now[0], lambda seconds: None, lambda count: bytes(count))
    held_back = HeldBack("/m", clock)

    def note(*names: str) -> list[str]:
        caplog.clear()
        held_back.note([("d", name) for name in names])
        now[0] += LONG_SECONDS / 2
        return [record.getMessage().split(" has been")[0] for record in caplog.records]

    with caplog.at_level(logging.WARNING):
        assert note("log", "rests") == []
        assert note("log") == []
        assert note("log", "rests", "b") == ["d/log in /m"]
        assert note("log", "rests", "b") == []  # it rested in between; and log is told of already
        assert note("log", "rests", "b") == ["d/rests and 1 more in /m"]
        assert note("log") == [] and note() == []
        assert note("log", "c") == note("log", "c") == []
        assert note("log", "c") == ["d/c in /m"]


def test_no_file_is_told_of_before_three_commits_saw_it_written(caplog: pytest.LogCaptureFixture) -> None:
    now = iter([0.0, 10_000.0, 20_000.0])
    held_back = HeldBack("/m", Clock(lambda: 0, lambda: next(now), lambda seconds: None, lambda count: bytes(count)))
    told = []
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            held_back.note([("f",)])
            told.append(len(caplog.records))
    assert told == [0, 0, 1]


def test_what_is_renamed_just_before_is_published_with_it(volume: vgit.Volume, tmp_path: Path) -> None:
    """No commit has neither the old name nor the new one."""
    with volume.mount(tmp_path / "m") as path:
        mount = mounts_of(volume.object_id)[0]
        (path / "a").write_text("x")
        mount.commit()
        for names in (("a", "b"), ("b", "a")) * 3:
            os.rename(path / names[0], path / names[1])
            mount.commit_in_detail(when_unstable=UnstableFiles.HOLD_BACK)
            assert [entry.path for entry in volume.listdir("/")] == [names[1]]


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_write_within_one_tick_is_noticed(
    volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_exact: bool
) -> None:
    """Where the clock ticks coarsely, a commit waits for a tick before it reads; where it is exact, it need not."""
    waits = []
    wait = Clocks.wait
    monkeypatch.setattr(Clocks, "wait", lambda self: waits.append(self) or wait(self))
    real = mount_clock.probe
    monkeypatch.setattr(mount_clock, "probe", lambda fd, **_: Probe(real(fd).ctime_ns, real(fd).margin_ns, is_exact))
    mount = volume.mount(tmp_path / "m")
    for name in "abc":
        (mount.path / name).write_text("new")
    for when in UnstableFiles:
        (mount.path / f"f {when.value}").write_text("new")
        assert mount.commit_in_detail(when_unstable=when).published is not None
    assert len(waits) == (0 if is_exact else 2)  # one for all files of a commit
    assert len(volume.listdir("/")) == 5
    mount.close()


def test_on_a_network_what_is_new_waits(volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = mount_clock.probe
    monkeypatch.setattr(mount_clock, "probe", lambda fd, **_: Probe(real(fd).ctime_ns, 2_000_000_000))
    mount = volume.mount(tmp_path / "m")
    (mount.path / "f").write_text("new")
    assert mount.commit_in_detail(when_unstable=UnstableFiles.HOLD_BACK).published is None
    assert mount.commit() is not None  # asked for, it is not held back
    mount.close()


WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
parts = [bytes([generation]) * (192 << 20) for generation in (1, 2)]
os.pwrite(file, parts[0], 0)
print(flush=True)
for turn in range(6):
    sys.stdin.readline()
    os.write(1, b"x\\n")
    os.pwrite(file, parts[turn % 2 - 1], 0)
"""


def test_a_write_under_way_is_waited_for(tmp_path: Path) -> None:
    """One call, which set the file's times when it began: the stat is the same before and after it was read."""
    path = tmp_path / "f"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WRITER, path], text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        for _ in range(6):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            time.sleep(0.002)  # in the middle, most times
            file = os.open(path, os.O_RDONLY)
            before = os.fstat(file)
            wait_for_writes(file)
            ends = {os.pread(file, 1, offset) for offset in range(0, 192 << 20, 1 << 20)}
            is_same = os.fstat(file) == before
            os.close(file)
            assert not is_same or len(ends) == 1


@pytest.mark.parametrize("directory", ["/dev/shm", None])
def test_a_shared_map_that_hides_its_stores(tmp_path: Path, directory: str | None, volume: vgit.Volume) -> None:
    """In memory no store moves a time: held back, or told. On a disk ``fsync`` makes the next one show."""
    where = Path(directory or tmp_path) / f"vgit-test-{os.getpid()}"
    if directory and not os.access(directory, os.W_OK):
        pytest.skip("there is no file system in memory")
    try:
        mount = volume.mount(where)
        root = os.open(where, os.O_RDONLY)
        in_memory = file_system_of(root).is_memory
        os.close(root)
        with open(where / "f", "w+b") as file:
            file.write(b"1" * 8192)
            file.flush()
            with mmap.mmap(file.fileno(), 8192) as view:
                view[0] = 2
                held = mount.commit_in_detail(when_unstable=UnstableFiles.HOLD_BACK)
                assert (held.published is None) == in_memory
                told = mount.commit()
                if in_memory:
                    assert told is not None and told.unstable == ("f",)
                else:
                    assert told is None
        mount.close()
        assert content(volume, "f")[0] == 2
    finally:
        subprocess.run(["rm", "-rf", where], check=True)


# --- Torn writes: see tests/torn_writes.py, which runs as a program for as long as one likes


@pytest.mark.parametrize("way", ["background", "explicit"])
def test_nothing_torn_is_published_silently(tmp_path: Path, way: str) -> None:
    if way == "background":
        found = torn_writes.run(tmp_path, 4, torn_writes.in_background, commit_every=0.1)
    else:
        found = torn_writes.run(tmp_path, 4, torn_writes.every(0.1))
    assert torn_writes.torn(found) == []
    assert sum(count for verdict, count in found.items() if verdict != "commits") >= len(torn_writes.FILES)


def test_the_judge_of_torn_writes_can_condemn() -> None:
    judge, block = torn_writes.judge, torn_writes.block
    whole = [[block(generation, number) for number in range(4)] for generation in (1, 2, 3)]
    assert judge(b"".join(whole[1]), "blocks", 4) == judge(b"".join(whole[1]), "whole", 4) == "whole"
    between = b"".join(whole[2][:1] + whole[1][1:])
    assert judge(between, "blocks", 4) == "between" and judge(between, "whole", 4).startswith("torn")
    assert judge(b"", "blocks", 4) == judge(b"".join(whole[0][:2]), "blocks", 4) == "between"
    for torn in (
        whole[1][:1] + whole[2][1:],  # the new after the old
        whole[2][:1] + whole[0][1:],  # a generation between them
        whole[2][:1] + whole[1][1:2],  # cut short
        [*whole[2][:3], bytes(4096)],
        [whole[2][0], whole[2][2], whole[2][1], whole[2][3]],
        [whole[2][0][:2000] + whole[1][0][2000:], *whole[1][1:]],
        [whole[2][0][:-1]],
    ):
        assert judge(b"".join(torn), "blocks", 4).startswith("torn"), torn
