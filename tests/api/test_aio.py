"""Test_aio: the API awaited: nothing runs on behind a cancelled task, and nothing is left half done."""

import asyncio
import inspect
import io
import os
import pydoc
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path as FilePath
from typing import Any, TypeVar

import pytest

import vgit
from tests.gitjudge import fsck
from vgit.api import asyncio_bridge, open_mounts, resolve
from vgit.api.aio import Both, Call, Generator, Method
from vgit.backend.local import LocalBackend
from vgit.catalog.catalog import Catalog
from vgit.content import content_writer, file_writer
from vgit.files import small_files
from vgit.localfs import lockable_file
from vgit.localfs.file_lock import FileLock
from vgit.maintenance import upkeep
from vgit.mount import checkout, plan_execution, scan
from vgit.objects.object_writer import ObjectWriter
from vgit.repository import tree_view
from vgit.repository.refs import Refs
from vgit.repository.repository import Repository
from vgit.runtime import cancel
from vgit.transfer import local_tree, upload

ROOT = FilePath(__file__).parent.parent
R = TypeVar("R")


@pytest.fixture
def client(tmp_path: FilePath) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=client).hydrate()


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    yield
    assert busy_threads() == [], "a call runs on that nobody waits for"


def busy_threads() -> list[str]:
    """Return the functions of ours that threads for ``.aio`` are in."""
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        while thread.name.startswith("vgit-aio") and frame is not None:
            if "vgit" in frame.f_code.co_filename.split(os.sep):
                found.append(frame.f_code.co_qualname)
            frame = frame.f_back
    return found


class Pause:
    """Stops whoever comes to ``owner.name`` until the call that it belongs to is cancelled, then lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: int = 0) -> None:
        self.reached = threading.Event()
        self.cancelled = threading.Event()
        self.left = after
        self._original = getattr(owner, name)
        monkeypatch.setattr(owner, name, self._call())

    def _call(self) -> Callable[..., Any]:
        def paused(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == -1:
                token = cancel._token.get()
                self.reached.set()
                if token is None:  # in what must not be left in the middle
                    assert self.cancelled.wait(60)
                while token is not None and not token.is_cancelled:
                    time.sleep(0.001)
            return self._original(*args, **kwargs)

        return paused


async def cancel_at(pause: Pause, work: Coroutine[Any, Any, Any]) -> None:
    """Cancel ``work`` when it has come to the pause; it must end as cancelled."""
    task = asyncio.create_task(work)
    while not pause.reached.is_set():
        assert not task.done(), task
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)  # it is told
    pause.cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert busy_threads() == []


def leftovers(volume: vgit.Volume, *mounts: FilePath) -> list[str]:
    """Return temporaries in the repository and in mounts."""
    packs = os.listdir(FilePath(volume.git_dir, "objects/pack"))
    found = [name for name in packs if not name.endswith((".pack", ".idx"))]
    for mount in mounts:
        found += [*os.listdir(mount / ".vgit/tmp"), *os.listdir(mount / ".vgit/displaced")]
    return found


def names(volume: vgit.Volume) -> list[str]:
    return [entry.path for entry in volume.iterdir("/")]


def fill(path: FilePath, count: int = 20) -> None:
    for number in range(count):
        (path / f"f{number:02}").write_bytes(b"%d" % number)


# ---- a commit


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (scan.Scanner, "_list", 0),
        (small_files.SmallFileReader, "_read", 0),
        (small_files.SmallFileReader, "_read", 10),
        (content_writer.BufferRing, "read", 2),
        (FileLock, "try_acquire", 0),
        (Repository, "head", 0),
        (ObjectWriter, "seal", 0),
        (ObjectWriter, "sync", 0),
    ],
)
def test_a_commit_that_is_cancelled_publishes_nothing(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: int
) -> None:
    with volume.mount(tmp_path / "a") as path:
        fill(path)
        (path / "large").write_bytes(os.urandom(30 << 20))
        with monkeypatch.context() as patched:
            asyncio.run(cancel_at(Pause(patched, owner, name, after=after), volume.commit.aio()))
        assert names(volume) == []
        assert leftovers(volume, path) == []
        info = volume.commit()
        assert info is not None and info.added == 21
    fsck(volume.git_dir)


@pytest.mark.parametrize(("owner", "name"), [(Refs, "advance"), (ObjectWriter, "release")])
def test_once_the_ref_is_swapped_a_commit_is_completed(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    with volume.mount(tmp_path / "a") as path:
        fill(path)
        with monkeypatch.context() as patched:
            asyncio.run(cancel_at(Pause(patched, owner, name), volume.commit.aio("first")))
        assert len(names(volume)) == 20
        status = next(iter(_mounts(volume))).status()
        assert status.changes == () and status.base == status.head, "the mount knows what it published"
        assert volume.commit() is None
        assert leftovers(volume, path) == []
    assert [info.message for info in volume.log()] == ["first", "Create volume"]


def _mounts(volume: vgit.Volume) -> list[vgit.Mount]:
    return open_mounts.mounts_of(volume.object_id)


def test_a_task_that_is_cancelled_again_and_again_still_waits_for_its_thread(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    original = Refs.advance

    def paused(*args: Any) -> bool:
        reached.set()
        assert go_on.wait(60)
        return original(*args)

    async def program() -> None:
        task = asyncio.create_task(volume.commit.aio())
        while not reached.is_set():
            await asyncio.sleep(0.001)
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0.002)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert busy_threads() == []

    with volume.mount(tmp_path / "a") as path:
        fill(path)
        with monkeypatch.context() as patched:
            patched.setattr(Refs, "advance", paused)
            asyncio.run(program())
        assert volume.commit() is None, "it was published"


# ---- waiting for locks


async def cancelled_while_it_waits(work: Coroutine[Any, Any, Any], is_waiting: threading.Event) -> None:
    task = asyncio.create_task(work)
    while not is_waiting.is_set():
        assert not task.done(), task
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("lock", ["thread", "mount", "turn", "exclusive"])
def test_who_waits_for_a_lock_stops_waiting(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    is_waiting = threading.Event()
    looked = cancel.checkpoint

    def look() -> None:
        is_waiting.set()
        looked()

    with volume.mount(tmp_path / "a") as path:
        fill(path)
        mount = _mounts(volume)[0]
        other = FileLock(str(path / ".vgit/lock"), "held by the test")
        module: Any = cancel if lock == "thread" else lockable_file
        backend = LocalBackend(volume.git_dir)  # another's, as of another process
        held = {
            "thread": lambda: cancel.hold(mount._working._session._turn),
            "mount": lambda: other.hold(0),
            "turn": lambda: backend.turn(0),
            "exclusive": backend.exclusive,
        }[lock]
        begun, done = threading.Event(), threading.Event()

        def hold() -> None:
            with held():
                begun.set()
                assert done.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        assert begun.wait(60)
        with monkeypatch.context() as patched:
            patched.setattr(module, "checkpoint", look)
            asyncio.run(cancelled_while_it_waits(volume.commit.aio(), is_waiting))
        done.set()
        holder.join()
        assert names(volume) == []
    assert len(names(volume)) == 20


def test_a_hundred_calls_that_wait_for_one_mount_leave_room_for_others(
    volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath
) -> None:
    other = vgit.Volume.from_name("y", create_if_missing=True, client=client)

    async def program(path: FilePath, lock: FileLock) -> None:
        lock.acquire(0)
        waiting = [asyncio.create_task(volume.commit.aio(f"{number}")) for number in range(50)]
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*(other.listdir.aio("/") for _ in range(50))) == [[]] * 50
        assert await asyncio.to_thread(lambda: 1) == 1, "the loop's own threads are not ours to use up"
        for task in waiting[:25]:
            task.cancel()
        done, _ = await asyncio.wait(waiting[:25])
        assert all(task.cancelled() for task in done)
        lock.release()
        infos = await asyncio.gather(*waiting[25:])
        assert sum(info is not None for info in infos) == 1

        async def write(number: int) -> None:
            (path / f"g{number}").write_text("x")
            await volume.commit.aio()

        await asyncio.gather(*(write(number) for number in range(100)))

    with volume.mount(tmp_path / "a") as path:
        fill(path)
        asyncio.run(program(path, FileLock(str(path / ".vgit/lock"), "held by the test")))
        assert len(names(volume)) == 120


def test_calls_that_have_no_thread_yet_are_cancelled_at_once(
    volume: vgit.Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    async def program() -> None:
        busy = [asyncio.create_task(asyncio_bridge.run(go_on.wait)) for _ in range(asyncio_bridge._THREADS)]
        ran: list[int] = []
        queued = asyncio.create_task(asyncio_bridge.run(lambda: ran.append(1)))
        await asyncio.sleep(0.01)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        go_on.set()
        assert all(await asyncio.gather(*busy))
        assert ran == []

    asyncio.run(program())


# ---- what asyncio has for it


def test_time_outs_and_groups_of_asyncio(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def program() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await volume.commit.aio()
        assert busy_threads() == []
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(volume.commit.aio(), 0.05)
        assert busy_threads() == []

        async def fail() -> None:
            await asyncio.sleep(0.05)
            raise ZeroDivisionError

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(volume.commit.aio())
                group.create_task(volume.reload.aio())
                group.create_task(fail())
        assert caught.group_contains(ZeroDivisionError)
        assert busy_threads() == []

    with volume.mount(tmp_path / "a") as path:
        fill(path)
        with FileLock(str(path / ".vgit/lock"), "held by the test").hold(0):
            asyncio.run(program())
        assert names(volume) == []


def test_an_error_that_comes_with_a_cancellation_is_its_cause() -> None:
    begun = threading.Event()

    def fail() -> None:
        begun.set()
        token = cancel._token.get()
        while token is not None and not token.is_cancelled:
            time.sleep(0.001)
        raise vgit.CorruptObjectError("damaged")

    async def program() -> None:
        task = asyncio.create_task(asyncio_bridge.run(fail))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert isinstance(caught.value.__cause__, vgit.CorruptObjectError)

    asyncio.run(program())


def test_a_forked_child_awaits_too(volume: vgit.Volume) -> None:
    asyncio.run(volume.info.aio())
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(len(asyncio.run(volume.listdir.aio("/")))).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "0"
    os.waitpid(pid, 0)


# ---- reading


@pytest.fixture
def large(volume: vgit.Volume, tmp_path: FilePath) -> vgit.Volume:
    with volume.mount(tmp_path / "first") as path:
        fill(path)
        (path / "large").write_bytes(os.urandom(20 << 20))
    return volume


def test_reading_that_is_cancelled(large: vgit.Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    for work in (
        lambda: large.read_file_into_fileobj.aio("large", io.BytesIO()),
        lambda: anext(aiter(large.read_file.aio("large"))),
    ):

        async def program(work: Callable[[], Awaitable[object]] = work) -> None:
            with monkeypatch.context() as patched:
                pause = Pause(patched, tree_view, "read_content")
                task = asyncio.ensure_future(work())
                while not pause.reached.is_set():
                    await asyncio.sleep(0.001)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(program())


class Items:
    """A generator method that tells how it ended, and in which thread."""

    def __init__(self, *, fail_at: int = -1, pause: bool = False) -> None:
        self.ended: list[str] = []
        self.reached = threading.Event()
        self._fail_at = fail_at
        self._pause = pause

    def _count(self, limit: int) -> Iterator[int]:
        """Count."""
        try:
            for number in range(limit):
                if number == self._fail_at:
                    raise ZeroDivisionError
                if self._pause and number == 2:
                    self.reached.set()
                    while True:
                        cancel.checkpoint()
                        time.sleep(0.001)
                yield number
                time.sleep(0.002)
        finally:
            self.ended.append(threading.current_thread().name.split("_")[0])

    count = Generator(_count)


def test_an_async_generator_gives_all_items_and_then_the_error() -> None:
    async def collect(items: AsyncGenerator[int, None]) -> list[int]:
        return [number async for number in items]

    items = Items()
    assert asyncio.run(collect(items.count.aio(5))) == [0, 1, 2, 3, 4]
    assert items.ended == ["vgit-aio"]

    async def until_it_fails() -> list[int]:
        found = []
        with pytest.raises(ZeroDivisionError):
            async for number in Items(fail_at=3).count.aio(5):
                found.append(number)
        return found

    assert asyncio.run(until_it_fails()) == [0, 1, 2]


def test_many_items_do_not_need_a_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    submit = asyncio_bridge._workers.submit
    monkeypatch.setattr(asyncio_bridge._workers, "submit", lambda function: asked.append(1) or submit(function))

    class Fast:
        def _numbers(self) -> Iterator[int]:
            yield from range(10_000)

        numbers = Generator(_numbers)

    async def program() -> None:
        assert [number async for number in Fast().numbers.aio()] == list(range(10_000))

    asyncio.run(program())
    assert len(asked) < 2000


def test_closing_an_async_generator_ends_the_generator_in_its_thread() -> None:
    items = Items()

    async def close() -> None:
        async with aclosing(items.count.aio(100)) as numbers:
            async for number in numbers:
                if number == 3:
                    break

    asyncio.run(close())
    assert items.ended == ["vgit-aio"]


def test_cancelling_in_the_middle_of_an_async_generator() -> None:
    items = Items(pause=True)

    async def program() -> None:
        found = []

        async def collect() -> None:
            async for number in items.count.aio(100):
                found.append(number)

        task = asyncio.create_task(collect())
        while not items.reached.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert found == [0, 1]
        assert items.ended == ["vgit-aio"]

    asyncio.run(program())


# ---- context managers


def test_an_ephemeral_volume_goes_when_its_block_is_cancelled(client: vgit.Client) -> None:
    async def program() -> None:
        entered = asyncio.Event()
        ids: list[str] = []

        async def block() -> None:
            async with vgit.Volume.ephemeral(client=client) as volume:
                ids.append(volume.object_id)
                entered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(block())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(vgit.NotFoundError):
            await vgit.Volume.from_id(ids[0], client=client).hydrate.aio()

    asyncio.run(program())


@pytest.mark.parametrize("name", ["create_ephemeral", "resolve"])
def test_an_ephemeral_volume_is_not_left_behind_when_entering_or_leaving_is_cancelled(
    client: vgit.Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    vgit.Volume.objects.create("keeps-the-store", client=client)

    async def block() -> None:
        async with vgit.Volume.ephemeral(client=client):
            pass

    if name == "create_ephemeral":
        pause = Pause(monkeypatch, resolve, "create_ephemeral")
        asyncio.run(cancel_at(pause, block()))
    else:
        reached = threading.Event()
        go_on = threading.Event()
        original = Catalog.remove

        def remove(*args: Any) -> None:
            reached.set()
            assert go_on.wait(60)
            original(*args)

        monkeypatch.setattr(Catalog, "remove", remove)

        async def program() -> None:
            task = asyncio.create_task(block())
            while not reached.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.sleep(0.01)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(program())
    assert client.root.catalog().ephemeral() == []


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [(checkout.EntryWriter, "write", 5), (file_writer, "_batches", 0), (upkeep, "after_mount", 0)],
)
def test_a_mount_that_is_cancelled_leaves_no_directory(
    large: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: int
) -> None:
    with monkeypatch.context() as patched:
        pause = Pause(patched, owner, name, after=after)
        asyncio.run(cancel_at(pause, large.mount.aio(tmp_path / "b")))
    assert _mounts(large) == []
    if owner is not upkeep:  # at that point it is too late: the mount is there, and is given back
        assert not (tmp_path / "b").exists()
    with large.mount(tmp_path / "b") as path:
        assert len(os.listdir(path)) == 22


def test_a_mount_that_is_awaited(large: vgit.Volume, tmp_path: FilePath) -> None:
    async def program() -> None:
        mount = await large.mount.aio(tmp_path / "b")
        async with mount as path:
            (path / "new").write_text("x")
        snapshot = await large.at.aio("HEAD~1")
        async with await snapshot.mount.aio(tmp_path / "old") as path:
            assert not (path / "new").exists()

    asyncio.run(program())
    assert "new" in names(large)


def test_a_mount_is_released_when_its_block_is_cancelled(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def program() -> None:
        entered = asyncio.Event()

        async def block() -> None:
            async with volume.mount(tmp_path / "a") as path:
                fill(path)
                entered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(block())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert names(volume) == [] and _mounts(volume) == []

    async def leave() -> None:
        async with volume.mount(tmp_path / "a") as path:
            assert (path / "f00").exists(), "what was not committed is still there"

    with monkeypatch.context() as patched:
        asyncio.run(cancel_at(Pause(patched, small_files.SmallFileReader, "_read", after=3), leave()))
    assert names(volume) == [] and _mounts(volume) == []
    with volume.mount(tmp_path / "a"):
        pass
    assert len(names(volume)) == 20


def test_a_reload_that_is_cancelled_before_it_begins_to_move_files(
    volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = volume.with_mount_options(read_only=True)
    with reader.mount(tmp_path / "r") as path:
        with volume.mount(tmp_path / "w") as writing:
            fill(writing)
        mount = next(one for one in _mounts(volume) if one.read_only)
        with monkeypatch.context() as patched:
            asyncio.run(cancel_at(Pause(patched, plan_execution.EntryWriter, "write", after=10), mount.reload.aio()))
        assert os.listdir(path) == [".vgit"]
        assert leftovers(volume, path) == []
        assert mount.reload().changed == 20
        assert len(os.listdir(path)) == 21


def test_a_reload_that_is_cancelled_between_batches_is_finished_by_the_next(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_execution, "BATCH_FILES", 5)
    with volume.mount(tmp_path / "w") as path:
        fill(path)
    with volume.with_mount_options(read_only=True).mount(tmp_path / "r") as path:
        with volume.mount(tmp_path / "w") as writing:
            for name in os.listdir(writing):
                if name != ".vgit":
                    (writing / name).write_text("changed")
        mount = next(one for one in _mounts(volume) if one.read_only)
        with monkeypatch.context() as patched:
            asyncio.run(cancel_at(Pause(patched, plan_execution.EntryWriter, "write", after=12), mount.reload.aio()))
        assert os.listdir(path / ".vgit/tmp") == []
        mount.reload()
        assert mount.status().changes == ()
        assert {(path / f"f{number:02}").read_text() for number in range(20)} == {"changed"}


@pytest.mark.parametrize("name", ["_list", "read_ahead", "store_local", "publish", "advance"])
def test_a_batch_that_is_cancelled_uploads_nothing(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "local").mkdir()
    fill(tmp_path / "local")
    (tmp_path / "local/large").write_bytes(os.urandom(10 << 20))
    owner: Any = {"_list": local_tree, "advance": Refs}.get(name, upload)

    async def block() -> None:
        async with volume.batch_upload() as batch:
            batch.put_directory(tmp_path / "local", "/")

    with monkeypatch.context() as patched:
        asyncio.run(cancel_at(Pause(patched, owner, name), block()))
    assert len(names(volume)) == (21 if name == "advance" else 0), "what was published when it came stays so"
    assert leftovers(volume) == []
    asyncio.run(block()) if name != "advance" else None
    assert len(names(volume)) == 21
    fsck(volume.git_dir)


def test_a_batch_whose_block_is_cancelled_uploads_nothing(volume: vgit.Volume) -> None:
    async def program() -> None:
        entered = asyncio.Event()

        async def block() -> None:
            async with volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"x"), "f")
                entered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(block())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert names(volume) == []


class Manager:
    """A context manager that tells what became of it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __enter__(self) -> str:
        self.reached.set()
        assert self.go_on.wait(60)
        self.events.append("entered")
        return "value"

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.events.append(f"left by {kind.__name__ if kind else None}")


def test_what_was_entered_too_late_is_left_again() -> None:
    manager = Manager()

    async def block() -> None:
        async with Both(manager):
            raise AssertionError("a cancelled task must not come in")

    async def program() -> None:
        task = asyncio.create_task(block())
        while not manager.reached.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        manager.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert manager.events == ["entered", "left by CancelledError"]


# ---- the checkpoint itself


def test_a_checkpoint_without_a_token_does_nothing() -> None:
    cancel.checkpoint()
    token = cancel.Token()
    token.cancel()

    def under() -> None:
        with cancel.shield():
            cancel.checkpoint()
        with pytest.raises(cancel.Cancelled):
            cancel.checkpoint()

    cancel.run_with(token, under)
    cancel.checkpoint()


def test_a_thread_lock_that_does_not_come_in_time() -> None:
    lock = threading.Lock()
    with cancel.hold(lock):
        assert not cancel.acquire(lock, 0.01)
        assert not cancel.run_with(cancel.Token(), cancel.acquire, lock, 0.05)
    assert cancel.run_with(cancel.Token(), cancel.acquire, lock)
    lock.release()


# ---- what a reader of the program sees


def test_signatures_and_docstrings_are_those_of_the_methods(volume: vgit.Volume) -> None:
    assert (
        str(inspect.signature(vgit.Volume.listdir))
        == "(self, path: str, recursive: bool = False) -> list[vgit.types.FileEntry]"
    )
    assert list(inspect.signature(volume.listdir).parameters) == ["path", "recursive"]
    assert list(inspect.signature(vgit.Volume.iterdir).parameters) == ["self", "path", "recursive"]
    for name in ("listdir", "iterdir", "commit", "mount", "log"):
        assert getattr(vgit.Volume, name).__doc__ == getattr(volume, name).__doc__ != None  # noqa: E711
        assert getattr(vgit.Volume, name).__name__ == name
    assert "return what is in a directory" in pydoc.render_doc(vgit.Volume, renderer=pydoc.plaintext).lower()
    assert "listdir(self, path: str, recursive: bool = False)" in pydoc.render_doc(
        vgit.Volume, renderer=pydoc.plaintext
    )
    assert "Return what is in a directory" in pydoc.render_doc(volume.listdir, renderer=pydoc.plaintext)
    assert inspect.iscoroutinefunction(volume.listdir.aio)


def test_a_method_is_called_through_its_class_too(volume: vgit.Volume) -> None:
    assert vgit.Volume.listdir(volume, "/") == []
    assert list(vgit.Volume.iterdir(volume, "/")) == []


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            vgit.Volume,
            "hydrate info commit reload listdir iterdir read_file read_file_into_fileobj remove_file copy_files mount"
            " log diff restore at tag untag tags rename",
        ),
        (vgit.Snapshot, "listdir iterdir read_file read_file_into_fileobj mount"),
        (vgit.Mount, "status commit reload close"),
        (type(vgit.Volume.objects), "create list delete undelete"),
    ],
)
def test_every_call_of_the_api_that_does_io_is_awaitable(owner: type, names: str) -> None:
    for name in names.split():
        assert isinstance(inspect.getattr_static(owner, name), Method | Generator | Call), f"{owner.__name__}.{name}"


def test_asyncio_is_not_loaded_by_a_program_that_awaits_nothing(client: vgit.Client, volume: vgit.Volume) -> None:
    code = (
        "import sys, vgit\n"
        "vgit.Volume.from_name('x', client=vgit.Client(sys.argv[1])).listdir('/')\n"
        "sys.exit('asyncio' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, client.store], check=False, cwd=ROOT).returncode == 0
