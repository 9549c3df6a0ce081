"""Test_batch: writing to a volume without a mount, as a program does it."""

import asyncio
import io
import os
import threading
from pathlib import Path as FilePath

import pytest

import vgit
from tests.gitjudge import fsck, log
from vgit.api.batch import Batch
from vgit.runtime import cancel


@pytest.fixture
def volume(tmp_path: FilePath) -> vgit.Volume:
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


def contents(volume: vgit.Volume) -> dict[str, bytes]:
    files = (one for one in volume.iterdir("/") if one.type is not vgit.FileEntryType.DIRECTORY)
    return {one.path: b"".join(volume.read_file(one.path)) for one in files}


def test_the_main_job(volume: vgit.Volume, tmp_path: FilePath) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"of a directory")
    (tmp_path / "run").write_bytes(b"#!")
    (tmp_path / "run").chmod(0o755)
    with volume.batch_upload(message="a batch") as batch:
        batch.put_file(tmp_path / "run", "/bin/run")
        batch.put_file(str(tmp_path / "run"), "bin/plain", mode=0o600)
        batch.put_file(io.BytesIO(b"of an object"), "/object")
        batch.put_directory(tmp_path / "d", "/d")
        assert batch.commit is None and volume.listdir("/") == []  # so far it is only queued
    info = batch.commit
    assert info is not None and info == next(volume.log())
    assert (info.message, info.added, info.author) == ("a batch", 4, "Test <test@example.org>")
    assert contents(volume) == {
        "bin/run": b"#!",
        "bin/plain": b"#!",
        "object": b"of an object",
        "d/f": b"of a directory",
    }
    assert {one.path: one.mode for one in volume.listdir("bin")} == {"bin/run": 0o755, "bin/plain": 0o600}
    copied = volume.copy_files(["bin/run", "/object"], "d")
    assert copied is not None and copied.added == 2
    removed = volume.remove_file("/bin", recursive=True)
    assert removed is not None and removed.removed == 2
    assert sorted(contents(volume)) == ["d/f", "d/object", "d/run", "object"]
    fsck(volume.git_dir)
    assert len(log(volume.git_dir)) == 4


def test_awaited(volume: vgit.Volume, tmp_path: FilePath) -> None:
    async def work() -> None:
        async with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"1"), "a")
        assert batch.commit is not None
        await volume.copy_files.aio(["a"], "b")
        await volume.remove_file.aio("a")
        with pytest.raises(RuntimeError, match="on purpose"):
            async with volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"1"), "c")
                raise RuntimeError("on purpose")
        with pytest.raises(FileExistsError):
            async with volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"1"), "b")

    asyncio.run(work())
    assert contents(volume) == {"b": b"1"}


def test_an_upload_whose_task_is_cancelled_uploads_nothing(volume: vgit.Volume) -> None:
    volume.hydrate()
    begun = threading.Event()

    class Slow:
        def expect(self, files: int, size_bytes: int) -> None:
            token = cancel._token.get()
            assert token is not None
            begun.set()
            while not token.is_cancelled:
                threading.Event().wait(0.001)

        def advance(self, files: int, size_bytes: int) -> None:
            pass

    async def put() -> None:
        async with volume.batch_upload(progress=Slow()) as batch:
            batch.put_file(io.BytesIO(b"1"), "a")

    async def work() -> None:
        task = asyncio.create_task(put())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert contents(volume) == {}


def test_an_exception_in_the_block_uploads_nothing(volume: vgit.Volume) -> None:
    head = volume.info().head
    with pytest.raises(KeyboardInterrupt), volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "a")
        raise KeyboardInterrupt
    assert batch.commit is None and volume.info().head == head


def test_a_failed_batch_uploads_nothing(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "a")
    with pytest.raises(FileExistsError, match="'a' exists") as raised, volume.batch_upload() as failed:
        failed.put_file(io.BytesIO(b"2"), "b")
        failed.put_file(io.BytesIO(b"2"), "a")
    assert isinstance(raised.value, vgit.AlreadyExistsError) and failed.commit is None
    with pytest.raises(FileNotFoundError), volume.batch_upload() as failed:
        (tmp_path / "f").write_bytes(b"")
        failed.put_file(tmp_path / "f", "b")
        (tmp_path / "f").unlink()
    assert contents(volume) == {"a": b"1"}
    with volume.batch_upload(force=True) as forced:
        forced.put_file(io.BytesIO(b"2"), "a")
    assert contents(volume) == {"a": b"2"} and forced.commit is not None


def test_a_batch_is_open_inside_its_block_only(volume: vgit.Volume, tmp_path: FilePath) -> None:
    def refuses(batch: Batch) -> None:
        with pytest.raises(vgit.InvalidError, match="not open"):
            batch.put_file(io.BytesIO(b"1"), "a")
        with pytest.raises(vgit.InvalidError, match="not open"):
            batch.put_directory(tmp_path, "a")

    batch = volume.batch_upload()
    refuses(batch)
    with batch, pytest.raises(vgit.InvalidError, match="used already"), batch:
        pytest.fail("entered twice")
    refuses(batch)
    with pytest.raises(vgit.InvalidError, match="used already"), batch:
        pytest.fail("entered again")


def test_arguments_are_checked_when_they_are_queued(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.batch_upload() as batch:
        for wrong in ("dir/", "../x", "/.vgit", ""):
            with pytest.raises(ValueError, match="Invalid path"):
                batch.put_file(io.BytesIO(b"1"), wrong)
        with pytest.raises(vgit.InvalidError, match="expected bytes"):
            batch.put_file(io.StringIO("1"), "a")
        with pytest.raises(vgit.InvalidError, match="expected a path"):
            batch.put_directory(io.BytesIO(b"1"), "a")
        with pytest.raises(vgit.InvalidError, match="expected text"):
            batch.put_file(io.BytesIO(b"1"), 5)
    assert batch.commit is None
    with pytest.raises(vgit.InvalidError, match="Invalid message"):
        volume.batch_upload(message=b"1")
    with pytest.raises(vgit.InvalidError, match=r"must be a list; got the text 'a'"):
        volume.copy_files("a", "b")


def test_relative_paths_are_those_of_the_moment(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"here")
    monkeypatch.chdir(tmp_path / "d")
    with volume.batch_upload() as batch:
        batch.put_file("f", "f")
        batch.put_directory(".", "d")
        os.chdir(tmp_path)
    assert contents(volume) == {"f": b"here", "d/f": b"here"}


def test_a_read_only_handle_refuses(volume: vgit.Volume) -> None:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "a")
    handle = volume.read_only()
    for write in (
        handle.batch_upload,
        lambda: handle.copy_files(["a"], "b"),
        lambda: handle.remove_file("a"),
    ):
        with pytest.raises(vgit.ReadOnlyError, match=r"^Read-only Volume can not be written to$"):
            write()
    assert contents(volume) == {"a": b"1"}


def test_a_missing_volume_is_noticed_when_the_block_begins(volume: vgit.Volume) -> None:
    volume.hydrate()
    missing = vgit.Volume.from_name("gone", client=volume._client)
    batch = missing.batch_upload()
    with pytest.raises(vgit.NotFoundError), batch:
        pytest.fail("entered")


def test_many_uploads_do_not_pile_up_packs(volume: vgit.Volume) -> None:
    volume.hydrate()
    for number in range(80):
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"%d" % number), f"f{number}")
    for number in range(60):
        volume.remove_file(f"f{number}")
    assert len(volume.repository.objects.pack_sizes()) < 80, "those that wait to be removed are not counted"
    assert len(contents(volume)) == 20
    fsck(volume.git_dir)


def test_a_mount_has_it_after_a_reload(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "m") as path:
        (path / "local").write_bytes(b"not committed")
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"1"), "d/a", mode=0o750)
        volume.reload()
        assert (path / "d/a").read_bytes() == b"1" and (path / "d/a").stat().st_mode & 0o777 == 0o750
        volume.remove_file("d", recursive=True)
        volume.reload()
        assert not (path / "d").exists() and (path / "local").exists()
