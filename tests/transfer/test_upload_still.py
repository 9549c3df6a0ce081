"""Test_upload_still: what is being written while it is uploaded is read again, and named if that does not help."""

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.transfer.uploads import contents, new_volume, put_all, tree
from vgit.files.content_sink import PackSink
from vgit.localfs import filesystem_clock
from vgit.localfs.file_systems import FileSystem, file_system_of
from vgit.localfs.filesystem_clock import Clocks
from vgit.repository.publish import Published
from vgit.transfer.puts import Put, put_file
from vgit.tree.entry import Entry

LARGE = 5 << 20
SMALL = 8192


def publish(*puts: Put) -> tuple[Published, dict[str, bytes]]:
    repository = new_volume()
    published = put_all(repository, *puts)
    assert published is not None
    return published, contents(repository)


@pytest.fixture
def memory() -> Iterator[FilePath]:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no file system in memory")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield FilePath(path)


def is_in_memory(path: FilePath) -> bool:
    directory = os.open(path, os.O_RDONLY)
    try:
        return file_system_of(directory).is_memory
    finally:
        os.close(directory)


WAYS = ["put_file", "put_directory", "file object", "file object for writing"]


def publish_by(way: str, path: FilePath) -> tuple[Published, dict[str, bytes]]:
    if way == "put_directory":
        return publish(tree(path.parent, "/"))
    if way == "put_file":
        return publish(put_file(path, path.name))
    with open(path, "rb" if way == "file object" else "r+b") as file:
        return publish(put_file(file, path.name))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_store_into_a_shared_map_in_memory_is_told(memory: FilePath, size: int, way: str) -> None:
    path = memory / "f"
    path.write_bytes(bytes(size))
    if not is_in_memory(memory):
        pytest.skip("/dev/shm is not in memory")
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0):
        published, _ = publish_by(way, path)
    assert published.commit.unstable == (("f",),)
    published, _ = publish_by(way, path)
    assert published.commit.unstable == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_store_into_a_dirty_page_while_it_is_read_is_noticed(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """It moves no time before ``fsync`` has made the page clean."""
    path = tmp_path / "f"
    path.write_bytes(bytes(LARGE))
    add_file = PackSink.add_file
    stores = iter([b"once", b""])
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0] = 1

        def store_then_keep(self: PackSink, descriptor: int, size: int, seen: Entry | None) -> object:
            store = next(stores, b"")
            if store:
                view[:4] = store
            return add_file(self, descriptor, size, seen)

        monkeypatch.setattr(PackSink, "add_file", store_then_keep)
        published, found = publish_by(way, path)
        assert list(stores) == [], "it was read again"
    assert published.commit.unstable == () and found["f"][:4] == b"once"


@pytest.mark.parametrize("way", WAYS)
def test_who_writes_directly_is_told(tmp_path: FilePath, way: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(LARGE))
    try:
        writer = os.open(path, os.O_WRONLY | os.O_DIRECT)
    except OSError:
        pytest.skip("no O_DIRECT here")
    try:
        published, _ = publish_by(way, path)
    finally:
        os.close(writer)
    assert published.commit.unstable == (("f",),)


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_tick_of_the_clock_is_waited_for_once(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, is_exact: bool
) -> None:
    waited = []
    wait = Clocks.wait
    monkeypatch.setattr(Clocks, "wait", lambda self: waited.append(self) or wait(self))
    monkeypatch.setattr(filesystem_clock, "kernel_is_exact", lambda: is_exact)
    kind = FileSystem(may_be_exact=True, is_network=False, is_memory=False, shows_maps=True)
    monkeypatch.setattr(filesystem_clock, "file_system_of", lambda _: kind)
    for name in "abc":
        (tmp_path / name).write_bytes(b"new")
    published, found = publish(tree(tmp_path, "/"))
    assert found == dict.fromkeys("abc", b"new") and published.commit.unstable == ()
    assert len(waited) == (0 if is_exact else 1)


def test_an_upload_leaves_nothing_where_it_reads(tmp_path: FilePath) -> None:
    (tmp_path / "f").write_bytes(b"new")
    before = tmp_path.stat(), (tmp_path / "f").stat()
    publish(tree(tmp_path, "/"))
    assert (tmp_path.stat().st_mtime_ns, (tmp_path / "f").stat().st_ctime_ns) == (
        before[0].st_mtime_ns,
        before[1].st_ctime_ns,
    )
    shutil.rmtree(tmp_path)
