"""Object database: every object that stock git can have is read right, or is said to be damaged."""

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import gitjudge
from tests.objects.repositories import (
    all_ids,
    blob_id,
    commit,
    missing_id,
    noise,
    open_store,
    packs,
    put_all_loose,
    put_loose,
    stock_object,
    text,
)
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectFormat, ObjectId
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, COMMIT, KIND_NAMES, TREE
from vgit.objects.stored_blocks import BLOCK

SIZES = [0, 1, 300, 511, 512, 5000, 32_768, 32_769, BLOCK, BLOCK + 1, 3 * BLOCK, 1_000_000]
MIXED = [make(size, size) for size in SIZES for make in (noise, text)]


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return gitjudge.init_bare(tmp_path / "a.git")


def stock_commit(git_dir: Path, files: dict[str, bytes], parent: str | None = None) -> str:
    """Commit with stock git's plumbing: loose objects."""
    ids = put_all_loose(git_dir, files.values())
    lines = [b"100644 blob " + id.hex().encode() + b"\t" + name.encode() for name, id in zip(files, ids, strict=True)]
    tree = gitjudge.run(git_dir, "mktree", stdin=b"\n".join(lines)).decode().strip()
    arguments = ["commit-tree", tree, "-m", "m", *(["-p", parent] if parent else [])]
    id = gitjudge.run(git_dir, *arguments).decode().strip()
    gitjudge.run(git_dir, "update-ref", "refs/heads/main", id)
    return id


def history(git_dir: Path, versions: int = 12) -> list[ObjectId]:
    """Make versions of similar files, so that stock git finds deltas; return all ids."""
    parent = None
    for version in range(versions):
        files = {
            "grows": text(20_000 + 100 * version, 1),
            "edited": noise(30_000) + b"%d" % version + noise(30_000, 1),
            "large": noise(200_000) + b"%d" % version,
            **{f"f{number}": b"%d" % (number // 3 + version // 9) for number in range(40)},
        }
        parent = stock_commit(git_dir, files, parent)
    return all_ids(git_dir)


def check_all(git_dir: Path, store: ObjectDatabase, ids: list[ObjectId]) -> None:
    expected = gitjudge.run(git_dir, "cat-file", "--batch", stdin="\n".join(id.hex() for id in ids).encode())
    at = 0
    for id in ids:
        end = expected.index(b"\n", at)
        _, name, size = expected[at:end].split()
        data = expected[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
        kind, read = store.read(id)
        assert (KIND_NAMES[kind], read) == (name, data)
        assert store.header(id) == (kind, len(data))
        for size in (0, len(data) - 1, len(data), len(data) + 1):
            assert store.read_unverified(id, memoryview(bytearray(max(size, 0)))) == data
        assert store.contains(id)


def test_loose_objects_of_stock_git(git_dir: Path) -> None:
    ids = history(git_dir, 3)
    ids += put_all_loose(git_dir, MIXED)
    store = open_store(git_dir)
    check_all(git_dir, store, ids)
    assert {store.pack_of(id) for id in ids} == {None}
    gitjudge.run(git_dir, "tag", "-a", "-m", "note", "v1", "main")
    tag = ObjectId(bytes.fromhex(gitjudge.run(git_dir, "rev-parse", "v1").decode().strip()))
    check_all(git_dir, store, [tag])


@pytest.mark.parametrize(
    "options",
    [
        ["-adf", "--depth=50", "--window=20"],
        ["-adf", "--depth=1"],
        ["-adf", "--depth=4000", "--window=50"],
        ["-ad", "--max-pack-size=1m"],
        ["-adF", "--window=0"],
    ],
)
@pytest.mark.parametrize("setting", ["repack.useDeltaBaseOffset=true", "repack.useDeltaBaseOffset=false"])
def test_packs_of_stock_git(git_dir: Path, options: list[str], setting: str) -> None:
    ids = history(git_dir)
    gitjudge.run(git_dir, "-c", setting, "repack", "-q", *options)
    gitjudge.run(git_dir, "prune-packed")
    store = open_store(git_dir)
    check_all(git_dir, store, ids)
    assert None not in {store.pack_of(id) for id in ids}
    check_all(git_dir, open_store(git_dir), ids[::-1])


@pytest.mark.parametrize("level", range(10))
def test_every_compression_of_stock_git(git_dir: Path, level: int) -> None:
    ids = put_all_loose(git_dir, MIXED)
    stock_commit(git_dir, {f"f{number}": data for number, data in enumerate(MIXED)})
    gitjudge.run(git_dir, "-c", f"pack.compression={level}", "repack", "-q", "-adfF")
    check_all(git_dir, open_store(git_dir), ids)


def test_a_thin_pack_that_stock_git_completed(git_dir: Path) -> None:
    history(git_dir, 6)
    gitjudge.run(git_dir, "repack", "-q", "-adf")
    arguments = ["pack-objects", "--thin", "--revs", "--stdout", "-q"]
    thin = gitjudge.run(git_dir, *arguments, stdin=b"main\n^main~1\n")
    base = gitjudge.run(git_dir, *arguments, stdin=b"main~1\n")
    other = gitjudge.init_bare(git_dir.parent / "b.git")
    for pack in (base, thin):
        gitjudge.run(other, "index-pack", "--fix-thin", "--stdin", stdin=pack)
    assert len(packs(other)) == 2
    check_all(other, open_store(other), all_ids(git_dir))


@settings(max_examples=60)
@given(st.integers(0, 400_000), st.sampled_from([noise, text]))
def test_any_size(size: int, make: type) -> None:
    store = ObjectDatabase(MemoryBackend())
    data = make(size)
    with store.writer() as writer:
        id = writer.write_blob(data)
        writer.sync()
    assert store.read(id) == (BLOB, data)


def test_a_blob_of_more_blocks_than_one_call_takes(git_dir: Path) -> None:
    data = noise(1 << 20) * 71
    commit(git_dir, [data])
    store = open_store(git_dir)
    assert store.read_unverified(blob_id(data)) == data


class CountingBackend(LocalBackend):
    """Counts reads, by kind."""

    calls = 0
    read_bytes = 0
    looks = 0

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        data = super().get(key, start, length)
        self.calls += 1
        self.read_bytes += len(data)
        return data

    def get_into(self, key, start, buffers):  # type: ignore[no-untyped-def]
        count = super().get_into(key, start, buffers)
        self.calls += 1
        self.read_bytes += count
        return count

    def list(self, prefix):  # type: ignore[no-untyped-def]
        found = list(super().list(prefix))
        self.looks += len(found)
        return iter(found)

    def stat(self, key):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().stat(key)


def test_reading_in_pack_order_takes_few_calls(git_dir: Path) -> None:
    blobs = [noise(500 + number % 1000, number) for number in range(3000)]
    commit(git_dir, blobs)
    backend = CountingBackend(str(git_dir))
    store = ObjectDatabase(backend)
    total = sum(map(len, blobs))
    for data in blobs:
        assert store.read(blob_id(data))[1] == data
    assert backend.calls < total / 262_144 + 10
    assert backend.read_bytes < 1.2 * total


def test_reading_at_random_reads_little(git_dir: Path) -> None:
    blobs = [noise(1000, number) for number in range(2000)]
    commit(git_dir, blobs)
    backend = CountingBackend(str(git_dir))
    store = ObjectDatabase(backend)
    for data in blobs[::197]:
        store.read(blob_id(data))
    assert backend.read_bytes < 25 * 11_000


def test_new_objects_cost_no_listing_and_no_read(git_dir: Path) -> None:
    for number in range(3):
        commit(git_dir, [noise(100, number)])
    backend = CountingBackend(str(git_dir))
    store = ObjectDatabase(backend)
    with store.writer() as writer:
        before = backend.looks, backend.calls
        for number in range(500):
            assert not writer.has_blob(missing_id(number))
        assert (backend.looks, backend.calls) == before


def test_a_missing_object_is_looked_for_once_more(git_dir: Path) -> None:
    store = open_store(git_dir)
    with pytest.raises(CorruptObjectError, match=f"object {missing_id().hex()} is missing"):
        store.read(missing_id())
    for ask in (store.read_unverified, store.header):
        with pytest.raises(CorruptObjectError, match="is missing"):
            ask(missing_id())
    assert not store.contains(missing_id()) and store.pack_of(missing_id()) is None


def test_what_others_wrote_is_found(git_dir: Path) -> None:
    store = open_store(git_dir)
    assert not store.contains(blob_id(b"packed"))
    commit(git_dir, [b"packed"])
    loose = put_loose(git_dir, b"loose")
    assert store.pack_of(blob_id(b"packed")) is None
    assert store.read(blob_id(b"packed")) == (BLOB, b"packed")
    assert store.read(loose) == (BLOB, b"loose")
    put_loose(git_dir, b"loose too")
    assert store.contains(blob_id(b"loose too"))


def test_objects_survive_a_repack_under_the_reader(git_dir: Path) -> None:
    parent = []
    for number in range(5):
        parent = [commit(git_dir, [noise(300_000, number)], parent)]
    store = open_store(git_dir)
    ids = all_ids(git_dir)
    for id in ids[::2]:
        store.read(id)
    gitjudge.run(git_dir, "repack", "-q", "-adF")
    assert len(packs(git_dir)) == 1
    check_all(git_dir, store, ids)
    store._packs.refresh()
    assert len(store._packs.packs) == 1


def test_loose_objects_packed_under_the_reader(git_dir: Path) -> None:
    ids = history(git_dir, 2)
    store = open_store(git_dir)
    check_all(git_dir, store, ids[:1])
    gitjudge.run(git_dir, "repack", "-q", "-ad")
    gitjudge.run(git_dir, "prune-packed")
    check_all(git_dir, store, ids)


def test_refresh_keeps_open_packs(git_dir: Path) -> None:
    commit(git_dir, [b"1"])
    store = open_store(git_dir)
    store.contains(missing_id())
    (first,) = store._packs.packs
    commit(git_dir, [b"2"])
    store.refresh()
    assert len(store._packs.packs) == 2 and first in store._packs.packs


def test_a_thousand_packs_take_few_descriptors(git_dir: Path) -> None:
    store = ObjectDatabase(LocalBackend(str(git_dir)))
    ids = []
    with store.writer() as writer:
        for number in range(1000):
            ids.append(writer.write_blob(noise(400, number)))
            writer.sync()
    reader = open_store(git_dir)
    before = len(os.listdir("/proc/self/fd"))
    for id in ids:
        reader.read(id)
    assert not reader.contains(missing_id())
    assert len(os.listdir("/proc/self/fd")) < before + 100
    reader.close()


def test_many_threads_read(git_dir: Path) -> None:
    blobs = [noise(100 + 97 * number, number) for number in range(400)] + MIXED
    history(git_dir, 5)
    gitjudge.run(git_dir, "repack", "-q", "-adf")
    commit(git_dir, blobs)
    store = open_store(git_dir)
    ids = all_ids(git_dir)
    expected = {id: open_store(git_dir).read(id) for id in ids}
    wrong: list[object] = []

    def read(step: int) -> None:
        for id in ids[::step] + ids[1::step]:
            try:
                if store.read(id) != expected[id]:
                    wrong.append(id)
            except CorruptObjectError as error:
                wrong.append(error)
            if step == 7 and id[0] < 16:
                store.refresh()

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, -1, 2, 3, -3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_close_and_use_again(git_dir: Path) -> None:
    commit(git_dir, MIXED)
    store = open_store(git_dir)
    assert store.read(blob_id(b""))
    store.close()
    store.close()
    assert store.read(blob_id(b"")) == (BLOB, b"")


def test_another_object_format(tmp_path: Path) -> None:
    form = ObjectFormat("sha256", 32, hashlib.sha256)
    git_dir = tmp_path / "a.git"
    gitjudge.run(git_dir, "init", "-q", "--bare", "--object-format=sha256")
    store = ObjectDatabase(LocalBackend(str(git_dir)), form)
    with store.writer() as writer:
        ids = [writer.write_blob(data) for data in MIXED]
        writer.sync()
    gitjudge.run(git_dir, "verify-pack", str(packs(git_dir)[0].with_suffix(".idx")))
    for id, data in zip(ids, MIXED, strict=True):
        assert store.read(id) == (BLOB, data) and stock_object(git_dir, id) == (b"blob", data)
    loose = put_loose(git_dir, b"loose")
    assert store.read(loose) == (BLOB, b"loose")


def test_kinds(git_dir: Path) -> None:
    id = commit(git_dir, [b"x"])
    store = open_store(git_dir)
    assert store.header(id)[0] == COMMIT
    tree = ObjectId(bytes.fromhex(gitjudge.run(git_dir, "rev-parse", "main^{tree}").decode().strip()))
    assert store.read_kind(tree, TREE) == stock_object(git_dir, tree)[1]
    with pytest.raises(CorruptObjectError, match="is a commit, expected a tree"):
        store.read_kind(id, TREE)


def test_a_forked_child_reads_whatever_other_threads_hold(git_dir: Path) -> None:
    commit(git_dir, MIXED)
    store = open_store(git_dir)
    assert store.contains(blob_id(b""))
    with store._packs._changing:  # as if another thread were listing
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.refresh()
                code = 0 if store.read(blob_id(MIXED[-1]))[1] == MIXED[-1] else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_listing_that_shows_nothing_new_looks_at_no_file(git_dir: Path) -> None:
    for number in range(3):
        commit(git_dir, [noise(100, number)])
    backend = CountingBackend(str(git_dir))
    store = ObjectDatabase(backend)
    store.refresh()
    before = backend.looks
    with store.writer() as writer:
        own = writer.write_blob(b"own")
        writer.sync()
    store.refresh()
    assert store.contains(own)
    assert backend.looks == before
    other = ObjectDatabase(LocalBackend(str(git_dir)))
    with other.writer() as writer:
        theirs = writer.write_blob(b"theirs")
        writer.sync()
    store.refresh()
    assert store.contains(theirs)
    assert backend.looks == before + 2
    for pack in backend.list("objects/pack/"):
        backend.delete(pack.key)
    store.refresh()
    assert not store.contains(theirs)
