"""Test_volume: the public API, as a program uses it."""

import asyncio
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath

import pytest

import vgit
from tests.gitjudge import fsck, log
from vgit.catalog import Catalog, StoreRoot
from vgit.repository.repository import Repository

ROOT = FilePath(__file__).parent.parent


@pytest.fixture
def client(tmp_path: FilePath) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


def test_the_main_job(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "d").mkdir()
        (path / "d/f").write_text("one")
        first = volume.commit("first")
        (path / "d/f").write_text("two, longer")
        os.symlink("f", path / "d/link")
    assert first is not None and first.message == "first" and (first.added, first.changed, first.removed) == (1, 0, 0)
    assert 100 < first.bytes_added < 2000
    assert [(one.path, one.type.name) for one in volume.iterdir("/")] == [
        ("d", "DIRECTORY"),
        ("d/f", "FILE"),
        ("d/link", "SYMLINK"),
    ]
    assert b"".join(volume.read_file("d/f")) == b"two, longer"
    assert b"".join(volume.read_file("d/f", offset=5, length=3)) == b"lon"
    assert b"".join(volume.at(first.id).read_file("/d/f")) == b"one"
    assert b"".join(volume.at("HEAD~1").read_file("/d/f")) == b"one"
    entry = volume.listdir("d/f")[0]
    assert (entry.size, entry.path) == (11, "d/f")
    assert [info.message for info in volume.log()] == ["1 added, 1 changed", "first", "Create volume"]
    assert [info.message for info in volume.log("d/link")] == ["1 added, 1 changed"]
    assert {(one.path, str(one.kind)) for one in volume.diff()} == {("d/f", "changed"), ("d/link", "added")}
    assert volume.restore(first.id) is not None
    assert b"".join(volume.read_file("d/f")) == b"one"
    assert volume.restore(first.id) is None
    fsck(volume.git_dir)
    assert len(log(volume.git_dir)) == volume.info().commits == 4


def test_a_commit_says_what_it_overwrote(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    code = (
        "import sys, vgit\n"
        "client = vgit.Client(sys.argv[1])\n"
        "with vgit.Volume.from_name('x', client=client).mount(sys.argv[2]) as path:\n"
        "    (path / 'shared').write_text('theirs')\n"
    )
    with volume.mount(tmp_path / "a") as path:
        subprocess.run([sys.executable, "-c", code, client.store, tmp_path / "b"], check=True, cwd=ROOT)
        (path / "shared").write_text("ours")
        info = volume.commit()
        assert info is not None and info.overwrote == ("shared",) and info.overwrote_count == 1
    assert next(volume.log()).overwrote == ("shared",)


def test_handles_are_lazy_and_say_what_is_missing(client: vgit.Client) -> None:
    missing = vgit.Volume.from_name("nowhere", client=client)
    assert repr(missing) == "vgit.Volume.from_name('nowhere')"
    with pytest.raises(FileNotFoundError, match=r"Volume 'nowhere' not found"):
        missing.listdir("/")
    entries = missing.iterdir("/")
    with pytest.raises(vgit.NotFoundError):
        next(entries)
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_id("vo-" + "0" * 22, client=client).hydrate()
    with pytest.raises(vgit.InvalidError):
        vgit.Volume()
    with pytest.raises(ValueError, match="Invalid Volume name"):
        vgit.Volume.from_name("no/slash", client=client)
    assert not os.path.exists(client.store), "nothing is made before a volume is created"


def test_names_environments_and_ids(client: vgit.Client) -> None:
    objects = vgit.Volume.objects
    objects.create("a", client=client)
    with pytest.raises(vgit.AlreadyExistsError):
        objects.create("a", client=client)
    objects.create("a", allow_existing=True, client=client)
    objects.create("a", environment_name="dev", client=client)
    objects.create("b", client=client)
    assert [one.name for one in objects.list(client=client)] == ["b", "a"]
    assert [one.name for one in objects.list(max_objects=1, client=client)] == ["b"]
    assert [one.name for one in objects.list(environment_name="dev", client=client)] == ["a"]
    assert objects.list(created_before=datetime.now(UTC) - timedelta(days=1), client=client) == []
    with pytest.raises(vgit.InvalidError):
        objects.list(max_objects=-1, client=client)
    handle = vgit.Volume.from_name("a", client=client)
    id = handle.object_id
    assert re.fullmatch(r"vo-[0-9A-Za-z]{22}", id)
    vgit.Volume.rename("a", "c", client=client)
    assert vgit.Volume.from_name("c", client=client).object_id == id
    assert vgit.Volume.from_id(id, client=client).hydrate().name == "c"
    with pytest.raises(vgit.AlreadyExistsError):
        vgit.Volume.rename("b", "c", client=client)
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.rename("gone", "d", client=client)
    objects.delete("c", client=client)
    with pytest.raises(vgit.NotFoundError):
        objects.delete("c", client=client)
    objects.delete("c", allow_missing=True, client=client)
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_id(id, client=client).hydrate()
    objects.create("c", client=client)
    assert vgit.Volume.from_name("c", client=client).object_id != id
    objects.delete("c", client=client)
    assert objects.undelete("c", client=client).name == "c"
    assert vgit.Volume.from_name("a", environment_name="dev", client=client).hydrate()


def test_undelete_brings_back_the_files(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "f").write_text("x")
    id = volume.object_id
    vgit.Volume.objects.delete("x", client=client)
    assert vgit.Volume.objects.undelete("x", client=client).object_id == id
    assert b"".join(vgit.Volume.from_name("x", client=client).read_file("f")) == b"x"


def test_two_processes_that_create_one_volume_get_the_same(client: vgit.Client) -> None:
    code = (
        "import sys, vgit\n"
        "client = vgit.Client(sys.argv[1])\n"
        "print(vgit.Volume.from_name('v', create_if_missing=True, client=client).object_id)\n"
    )
    command = [sys.executable, "-c", code, client.store]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    ids = {one.communicate()[0] for one in both}
    assert all(one.returncode == 0 for one in both)
    assert len(ids) == 1
    assert len(vgit.Volume.objects.list(client=client)) == 1


def test_threads_that_use_a_handle_first_open_one_repository(
    volume: vgit.Volume, client: vgit.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume.hydrate()
    opened: list[Repository] = []
    another = threading.Event()
    catalogs: list[Catalog] = []

    def slowly(self: StoreRoot, volume_id: str, real: Callable[..., Repository] = StoreRoot.open_volume) -> Repository:
        opened.append(real(self, volume_id))
        if len(opened) > 1:
            another.set()
        another.wait(0.2)  # room for every other thread to come here as well
        return opened[-1]

    def counted(self: StoreRoot, real: Callable[..., Catalog] = StoreRoot._open_catalog) -> Catalog:
        catalogs.append(real(self))
        return catalogs[-1]

    monkeypatch.setattr(StoreRoot, "open_volume", slowly)
    monkeypatch.setattr(StoreRoot, "_open_catalog", counted)
    fresh = vgit.Volume.from_name("x", client=vgit.Client(client.store))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fresh.repository, range(8)))
    assert found == opened * 8 and len(opened) == len(catalogs) == 1


def test_an_ephemeral_volume_goes_at_the_end(client: vgit.Client, tmp_path: FilePath) -> None:
    with vgit.Volume.ephemeral(client=client) as volume:
        id = volume.object_id
        assert volume.name is None
        with volume.mount(tmp_path / "e") as path:
            (path / "f").write_text("x")
        assert vgit.Volume.from_id(id, client=client).listdir("/")[0].path == "f"
        assert vgit.Volume.objects.list(client=client) == []
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_id(id, client=client).hydrate()


def test_everything_is_awaitable(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    async def program() -> None:
        await volume.hydrate.aio()
        async with volume.mount(tmp_path / "a") as path:
            (path / "f").write_text("text")
            info = await volume.commit.aio("m")
            assert info is not None and info.message == "m"
            await volume.reload.aio()
        assert [one.path for one in await volume.listdir.aio("/")] == ["f"]
        assert [one.path async for one in volume.iterdir.aio("/")] == ["f"]
        assert b"".join([piece async for piece in volume.read_file.aio("f")]) == b"text"
        assert [one.message async for one in volume.log.aio(limit=1)] == ["m"]
        assert len(await volume.diff.aio()) == 1
        assert await volume.restore.aio("HEAD~1") is not None
        snapshot = await volume.at.aio("HEAD~1")
        assert [one.path for one in await snapshot.listdir.aio("/")] == ["f"]
        with pytest.raises(vgit.NotFoundError):
            await anext(aiter(volume.read_file.aio("gone")))
        async with vgit.Volume.ephemeral(client=client) as other:
            await other.info.aio()
        await vgit.Volume.objects.create.aio("y", client=client)
        await vgit.Volume.rename.aio("y", "z", client=client)
        assert len(await vgit.Volume.objects.list.aio(client=client)) == 2

    asyncio.run(program())


def test_a_handle_travels_to_another_process(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "f").write_text("x")
    code = "import sys, pickle; print(pickle.load(sys.stdin.buffer).listdir('/')[0].path)"
    result = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(volume), capture_output=True, cwd=ROOT)
    assert result.stdout == b"f\n", result.stderr


def test_read_only_and_unmounted_handles_refuse(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with pytest.raises(RuntimeError, match="not mounted by this process"):
        volume.commit()
    reader = volume.read_only()
    with pytest.raises(PermissionError, match="Read-only Volume can not be written to"):
        reader.restore("HEAD")
    with reader.mount(tmp_path / "r"), pytest.raises(vgit.ReadOnlyError):
        reader.commit()
    with volume.mount(tmp_path / "a"), pytest.raises(vgit.AlreadyExistsError, match="mounted for writing"):
        volume.mount(tmp_path / "b")


def test_open_files_refuse_a_reload(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "f").write_text("x")
        with open(path / "f"), pytest.raises(RuntimeError, match="path f is open"):
            volume.reload()
        volume.commit()
        volume.reload()


def test_an_exception_in_the_block_keeps_what_was_not_committed(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with pytest.raises(ZeroDivisionError), volume.mount(tmp_path / "a") as path:
        (path / "f").write_text("x")
        raise ZeroDivisionError
    assert volume.listdir("/") == []
    with volume.mount(tmp_path / "a") as path:
        assert (path / "f").read_text() == "x"
    assert [one.path for one in volume.listdir("/")] == ["f"]


def test_paths_of_all_kinds_and_what_stands_in_the_way(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "d/e").mkdir(parents=True)
        (path / "d/e/f").write_text("x")
        (path / "empty").touch()
    assert [one.path for one in volume.listdir("//d/./e/")] == ["d/e/f"]
    assert list(volume.read_file("empty")) == []
    with pytest.raises(IsADirectoryError):
        next(volume.read_file("d"))
    with pytest.raises(NotADirectoryError):
        volume.listdir("d/e/f/g")
    with pytest.raises(FileNotFoundError):
        volume.listdir("nope")
    with pytest.raises(vgit.InvalidError):
        volume.listdir("../etc")
    with pytest.raises(vgit.InvalidError):
        volume.listdir("d/*")
    for bad in ("nonsense", "HEAD~99", "@{1999-01-01}", "abcd"):
        with pytest.raises(vgit.NotFoundError):
            volume.at(bad)


def test_a_store_that_is_not_one(tmp_path: FilePath) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    with pytest.raises(vgit.InvalidError, match="not a vgit store"):
        vgit.Volume.objects.create("x", client=vgit.Client(tmp_path / "other"))
    with pytest.raises(vgit.InvalidError, match="not a vgit store"):
        vgit.Volume.objects.create("x", client=vgit.Client(tmp_path / "other/file"))
    with pytest.raises(vgit.InvalidError, match="local directories only"):
        vgit.Client("s3://bucket/prefix")


def test_damage_is_named_with_path_and_revision(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "d").mkdir()
        (path / "d/big").write_bytes(os.urandom(100_000))
        (path / "chunked").write_bytes(os.urandom(5_000_000))
    for pack in FilePath(volume.git_dir, "objects/pack").glob("*.pack"):
        data = bytearray(pack.read_bytes())
        if len(data) < 50_000:
            continue
        pack.chmod(0o644)
        for offset in range(60_000, len(data) - 1000, 250_000):
            data[offset] ^= 1
        pack.write_bytes(data)
    head = next(volume.log()).id[:12]
    for name in ("d/big", "chunked"):
        with pytest.raises(vgit.CorruptObjectError, match=rf"{name} at revision {head}"):
            b"".join(volume.read_file(name))
    with pytest.raises(vgit.CorruptObjectError, match=head):
        volume.mount(tmp_path / "b", read_only=True)
    assert not (tmp_path / "b").exists()


def test_a_lost_head_is_an_error_and_never_an_empty_volume(volume: vgit.Volume, tmp_path: FilePath) -> None:
    mount = volume.mount(tmp_path / "a")
    (mount.path / "f").write_text("x")
    mount.commit()
    (mount.path / "g").write_text("not published")
    os.unlink(FilePath(volume.git_dir, "refs/heads/main"))
    for action in (lambda: volume.listdir("/"), mount.reload, mount.commit, lambda: volume.restore("HEAD")):
        with pytest.raises(vgit.CorruptVolumeError):
            action()
    shutil.rmtree(volume.git_dir)
    for action in (lambda: volume.listdir("/"), mount.reload, mount.commit):
        with pytest.raises(vgit.CorruptObjectError):
            action()
    assert (mount.path / "f").read_text() == "x"
    assert (mount.path / "g").read_text() == "not published"
    mount.close(commit=False)


def test_a_store_that_was_set_back_is_noticed_before_the_last_copy_goes(
    volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath
) -> None:
    from vgit.api.existing_mount import ExistingMount

    with volume.mount(tmp_path / "a") as path:
        (path / "f").write_text("old")
    shutil.copytree(client.store, tmp_path / "older")
    with volume.mount(tmp_path / "a") as path:
        (path / "new").write_text("the last copy")
    shutil.rmtree(client.store)
    (tmp_path / "older").rename(client.store)
    again = vgit.Volume.from_name("x", client=vgit.Client(client.store))
    with ExistingMount(str(tmp_path / "a"), again.repository, client.author) as mounted:
        for action in (mounted.mount.commit, mounted.mount.status, mounted.mount.reload):
            with pytest.raises(vgit.CorruptVolumeError, match="set back"):
                action()
        with pytest.raises(vgit.CorruptVolumeError, match="set back"):
            mounted.unmount(remove_files=True)
    assert (tmp_path / "a/new").read_text() == "the last copy"


def test_lost_packs_keep_the_files_of_a_mount(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    from vgit.api.existing_mount import ExistingMount

    with volume.mount(tmp_path / "a") as path:
        (path / "big").write_bytes(os.urandom(10_000_000))
        volume.commit()
        (path / "small").write_text("x")
    largest = max(FilePath(volume.git_dir, "objects/pack").glob("*.pack"), key=lambda one: one.stat().st_size)
    largest.unlink()
    again = vgit.Volume.from_name("x", client=vgit.Client(client.store))
    with (
        ExistingMount(str(tmp_path / "a"), again.repository, client.author) as mounted,
        pytest.raises(vgit.CorruptObjectError),
    ):
        mounted.unmount(remove_files=True)
    assert (tmp_path / "a/big").stat().st_size == 10_000_000


def test_mistakes_in_arguments_are_told(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        (path / "ab").write_text("x")
        with pytest.raises(vgit.InvalidError, match="must be a list"):
            volume.restore("HEAD", "ab")  # type: ignore[arg-type]
        with pytest.raises(vgit.InvalidError, match="expected text"):
            volume.commit(3)  # type: ignore[arg-type]
        with pytest.raises(vgit.InvalidError, match="expected text"):
            volume.at(None)  # type: ignore[arg-type]
        with pytest.raises(vgit.InvalidError, match="inside the mount"):
            vgit.Volume.from_name("y", create_if_missing=True, client=volume._client).mount(path / "sub")
        assert not (path / "sub").exists()


def test_threads_share_a_volume(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:

        def work(number: int) -> None:
            (path / f"f{number}").write_text(str(number))
            volume.commit()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(40)))
        volume.commit()
    assert {one.path for one in volume.listdir("/")} == {f"f{number}" for number in range(40)}
