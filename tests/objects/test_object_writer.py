"""Object writer: what it publishes, stock git accepts; what it does not publish, nobody sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import gitjudge
from tests.faults import Crash, FaultBackend, Script, Strike
from tests.objects.repositories import (
    all_ids,
    blob_id,
    commit,
    commit_data,
    noise,
    open_store,
    packs,
    put_loose,
    stock_object,
    text,
    tree_data,
    write_commit,
)
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.errors import BackendUnavailableError, CorruptObjectError
from vgit.ids import BlobId
from vgit.objects import pack_sequence, pack_writer
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB
from vgit.objects.object_writer import ObjectWriter, PackVanished

SIZES = [0, 1, 15, 16, 300, 511, 512, 2047, 2048, 4096, 5000, 65_535, 65_536, 131_070, 131_071, 1_000_000]
MIXED = [make(size, size) for size in SIZES for make in (noise, text)]
LARGE = [noise(1 << 20, seed) for seed in range(20)]


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return gitjudge.init_bare(tmp_path / "a.git")


def temporary_files(git_dir: Path) -> list[Path]:
    return list((git_dir / "objects/pack").glob("tmp_*"))


@pytest.mark.parametrize("blobs", [MIXED, LARGE, [], LARGE[:7] + MIXED + LARGE], ids=["small", "large", "none", "both"])
def test_stock_git_finds_nothing_wrong(git_dir: Path, blobs: list[bytes]) -> None:
    commit(git_dir, blobs)
    gitjudge.fsck_clean(git_dir)
    for pack in packs(git_dir):
        gitjudge.run(git_dir, "index-pack", "--strict", "-o", str(git_dir / "x.idx"), str(pack))
    for data in blobs:
        assert stock_object(git_dir, blob_id(data)) == (b"blob", data)
    assert not temporary_files(git_dir) and not packs(git_dir, ".keep")


def test_a_small_commit_is_one_pack_and_a_large_one_two(git_dir: Path) -> None:
    first = commit(git_dir, MIXED)
    assert len(packs(git_dir)) == 1
    commit(git_dir, LARGE, [first])
    assert len(packs(git_dir)) == 3
    gitjudge.fsck_clean(git_dir)


def test_every_object_reads_back(git_dir: Path) -> None:
    blobs = MIXED + LARGE
    commit(git_dir, blobs)
    store = open_store(git_dir)
    for data in blobs:
        assert store.read(blob_id(data)) == (BLOB, data)
        assert store.header(blob_id(data)) == (BLOB, len(data))
    for id in all_ids(git_dir):
        assert store.contains(id)


def test_bytes_added_are_the_files(git_dir: Path) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        write_commit(writer, MIXED + LARGE)
        sizes = [path.stat().st_size for path in packs(git_dir) + packs(git_dir, ".idx")]
        assert writer.bytes_added == sum(sizes)


def test_nothing_is_seen_before_sync(git_dir: Path) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        ids = [writer.write_blob(data) for data in MIXED]
        assert packs(git_dir) == [] and not any(open_store(git_dir).contains(id) for id in ids)
    assert packs(git_dir) == [] and temporary_files(git_dir) == []


def test_what_was_not_published_is_discarded(git_dir: Path) -> None:
    store = open_store(git_dir)
    with pytest.raises(ZeroDivisionError), store.writer() as writer:
        for data in LARGE:
            writer.write_blob(data)
        assert temporary_files(git_dir)
        raise ZeroDivisionError
    assert os.listdir(git_dir / "objects/pack") == []


def test_keep_marks_stand_from_the_name_to_release(git_dir: Path) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        for data in LARGE:
            writer.write_blob(data)
        writer.seal()
        assert [path.stem for path in packs(git_dir, ".keep")] == [path.stem for path in packs(git_dir)] != []
        writer.write_blob(b"more")
        writer.sync()
        assert len(packs(git_dir, ".keep")) == 2
        writer.release()
        assert packs(git_dir, ".keep") == []
    assert len(packs(git_dir)) == 2


def test_the_order_of_steps() -> None:
    script = Script()
    store = ObjectDatabase(FaultBackend(MemoryBackend(), script))
    with store.writer() as writer:
        write_commit(writer, [b"1"])
    kinds = [call.rsplit(".", 1)[-1] if "pack-" in call else call for call in script.calls]
    steps = [
        "stage",
        "staged write",
        "stage",
        "staged write",
        "staged sync",
        "staged sync",
        "keep",
        "pack",
        "idx",
        "sync objects/pack",
        "keep",
    ]
    assert kinds == steps
    assert script.calls[6].startswith("mark") and script.calls[10].startswith("delete")


def test_same_data_is_written_once(git_dir: Path) -> None:
    first = commit(git_dir, MIXED)
    store = open_store(git_dir)
    with store.writer() as writer:
        for _ in range(3):
            for data in MIXED:
                writer.write_blob(data)
                writer.write_hashed_blobs([(blob_id(data), data)])
        assert writer.write_blob(b"new") == writer.write_blob(b"new") == blob_id(b"new")
        writer.sync()
        (pack,) = writer.relied_on
    assert len(packs(git_dir)) == 2 and store.pack_of(first) == pack
    added = {len(path.read_bytes()) for path in packs(git_dir)}
    assert min(added) < 100


def test_has_blob_touches_a_pack_once_and_relies_on_it(git_dir: Path) -> None:
    commit(git_dir, MIXED)
    (pack,) = packs(git_dir)
    os.utime(pack, (1, 1))
    script = Script()
    store = ObjectDatabase(FaultBackend(LocalBackend(str(git_dir)), script))
    with store.writer() as writer:
        assert all(writer.has_blob(blob_id(data)) for data in MIXED)
        assert not writer.has_blob(blob_id(b"new"))
        assert script.calls == [f"touch objects/pack/{pack.name}"]
        assert writer.relied_on == {f"objects/pack/{pack.name}"}
    assert pack.stat().st_mtime > 1


def test_loose_objects_are_relied_on_too(git_dir: Path) -> None:
    id = BlobId(put_loose(git_dir, b"made by stock git"))
    path = git_dir / "objects" / id.hex()[:2] / id.hex()[2:]
    os.utime(path, (1, 1))
    store = open_store(git_dir)
    with store.writer() as writer:
        assert writer.write_blob(b"made by stock git") == id
        writer.sync()
        assert packs(git_dir) == [] and path.stat().st_mtime > 1
        writer.check_relied_on()
        path.unlink()
        with pytest.raises(PackVanished):
            writer.check_relied_on()
        writer.write_blob(b"made by stock git")
        writer.sync()
    assert open_store(git_dir).read(id) == (BLOB, b"made by stock git")


def test_a_pack_that_vanished_is_not_relied_on(git_dir: Path) -> None:
    commit(git_dir, MIXED)
    store = open_store(git_dir)
    with store.writer() as writer:
        assert writer.has_blob(blob_id(b"")) and not writer.has_blob(blob_id(b"new"))
        for path in packs(git_dir) + packs(git_dir, ".idx"):
            path.unlink()
        with pytest.raises(PackVanished):
            writer.check_relied_on()
        assert not writer.has_blob(blob_id(b""))
        writer.check_relied_on()
    with store.writer() as writer:
        for data in MIXED:
            writer.write_blob(data)
        writer.sync()
    assert open_store(git_dir).read(blob_id(MIXED[-1]))[1] == MIXED[-1]


def test_a_pack_that_vanished_before_it_was_touched(git_dir: Path) -> None:
    commit(git_dir, MIXED)
    store = open_store(git_dir)
    assert store.contains(blob_id(b""))
    with store.writer() as writer:
        assert store.contains(blob_id(b""))
        for path in packs(git_dir) + packs(git_dir, ".idx"):
            path.unlink()
        assert not writer.has_blob(blob_id(b"")) and writer.relied_on == set()


def test_a_tree_is_written_although_the_store_has_it(git_dir: Path) -> None:
    commit(git_dir, [b"1", b"2"])
    store = open_store(git_dir)
    with store.writer() as writer:
        write_commit(writer, [b"1", b"2"], message=b"other")
        key = next(iter(writer._own.named))
    shown = gitjudge.run(git_dir, "verify-pack", "-v", str(git_dir / key)).decode()
    assert [line.split()[1] for line in shown.split("\n") if " tree " in line or " commit " in line] == [
        "tree",
        "commit",
    ]


@pytest.mark.parametrize("blobs", [MIXED[:20], MIXED + LARGE], ids=["in memory", "sealed"])
@pytest.mark.parametrize("tree_bytes", [100, 9 << 20], ids=["small trees", "trees that spill"])
@pytest.mark.parametrize("published", [False, True])
def test_rollback_drops_trees_and_keeps_blobs(
    git_dir: Path, blobs: list[bytes], tree_bytes: int, published: bool
) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        ids = {b"f%06d" % number: writer.write_blob(data) for number, data in enumerate(blobs)}
        writer.write_blob(b"late")
        writer.seal()
        writer.savepoint()
        lost_record = writer.write_record(noise(tree_bytes))
        lost_tree = writer.write_tree(tree_data({b"x": lost_record}))
        lost = writer.write_commit(commit_data(lost_tree, message=b"lost"))
        if published:
            writer.sync()
        writer.rollback()
        record = writer.write_record(b"record")
        tree = writer.write_tree(tree_data({**ids, b"late": blob_id(b"late"), b"record": record}))
        won = writer.write_commit(commit_data(tree))
        writer.sync()
        writer.check_relied_on()
        gitjudge.run(git_dir, "update-ref", "refs/heads/main", won.hex())
    gitjudge.fsck(git_dir)
    assert store.contains(lost) == store.contains(lost_record) == published
    for data in [*blobs, b"late"]:
        shown = [pack for pack in packs(git_dir) if blob_id(data).hex() in listed(git_dir, pack)]
        assert len(shown) == 1
    assert temporary_files(git_dir) == []


def listed(git_dir: Path, pack: Path) -> str:
    return gitjudge.run(git_dir, "show-index", stdin=pack.with_suffix(".idx").read_bytes()).decode()


def test_rollback_twice_and_a_savepoint_again() -> None:
    store = ObjectDatabase(MemoryBackend())
    with store.writer() as writer:
        writer.write_blob(b"blob")
        writer.savepoint()
        for number in range(5):
            tree = writer.write_tree(tree_data({b"%d" % number: blob_id(b"blob")}))
            writer.rollback()
        writer.savepoint()
        kept = writer.write_tree(tree_data({b"kept": blob_id(b"blob")}))
        writer.sync()
    assert store.contains(kept) and store.contains(blob_id(b"blob")) and not store.contains(tree)


def test_packs_are_closed_when_full(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_sequence, "_LARGEST_PACK", 3 << 20)
    monkeypatch.setattr(pack_writer, "_IN_MEMORY", 1 << 20)
    commit(git_dir, LARGE + MIXED)
    assert len(packs(git_dir)) >= 10
    assert max(pack.stat().st_size for pack in packs(git_dir)) < (3 << 20) + 1000
    gitjudge.fsck_clean(git_dir)
    monkeypatch.setattr(pack_sequence, "_MOST_OBJECTS", 10)
    commit(git_dir, [b"%d" % number for number in range(100)])
    gitjudge.fsck(git_dir)


def test_a_buffer_may_be_changed_once_it_is_written(git_dir: Path) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        for data in LARGE + MIXED:
            buffer = bytearray(data)
            for job in writer.write_hashed_blobs([(blob_id(data), memoryview(buffer))]):
                job.result()
            buffer[:] = b"\xee" * len(buffer)
        writer.sync()
    for data in LARGE + MIXED:
        assert store.read(blob_id(data))[1] == data


@pytest.mark.parametrize("strike", list(Strike))
@pytest.mark.parametrize("blobs", [MIXED[:6], MIXED + LARGE[:12]], ids=["in memory", "staged"])
def test_a_stop_at_any_step_leaves_a_sound_repository(git_dir: Path, strike: Strike, blobs: list[bytes]) -> None:
    first = commit(git_dir, [b"before"])
    before = len(all_ids(git_dir))
    step = 0
    while True:
        script = Script(step, strike)
        store = ObjectDatabase(FaultBackend(LocalBackend(str(git_dir)), script))
        try:
            with store.writer() as writer:
                write_commit(writer, [*blobs, b"%d" % step], [first], b"%d" % step)
        except (Crash, BackendUnavailableError):
            pass
        if not script.struck:
            break
        for pack in packs(git_dir):
            if pack.with_suffix(".idx").exists():
                gitjudge.run(git_dir, "verify-pack", str(pack))
        again = open_store(git_dir)
        assert again.read(blob_id(b"before")) == (BLOB, b"before")
        if strike is Strike.FAIL:
            assert temporary_files(git_dir) == []
        step += 1
    assert step > 8 and len(all_ids(git_dir)) > before
    gitjudge.fsck(git_dir)


def test_a_writer_whose_write_failed_names_no_pack(git_dir: Path) -> None:
    script = Script(4, Strike.FAIL)
    store = ObjectDatabase(FaultBackend(LocalBackend(str(git_dir)), script))
    with store.writer() as writer:
        with pytest.raises(BackendUnavailableError):
            for data in LARGE:
                writer.write_blob(data)
        for data in LARGE:
            writer.write_blob(data)
        with pytest.raises(BackendUnavailableError, match="a write before failed"):
            writer.sync()
    assert packs(git_dir) == [] and temporary_files(git_dir) == []


def test_writers_of_the_same_content_do_not_disturb_each_other(git_dir: Path) -> None:
    first, second = open_store(git_dir), open_store(git_dir)
    with first.writer() as one, second.writer() as other:
        id = write_commit(one, MIXED)
        assert write_commit(other, MIXED) == id
        gitjudge.run(git_dir, "update-ref", "refs/heads/main", id.hex())
    gitjudge.fsck_clean(git_dir)
    assert len(packs(git_dir)) == 1


MEMORY_PROBE = """
import random, resource, sys
from vgit.backend.local import LocalBackend
from vgit.objects.object_database import ObjectDatabase

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

store = ObjectDatabase(LocalBackend(sys.argv[1]))
before = peak()
with store.writer() as writer:
    block = bytearray(random.Random(1).randbytes(int(sys.argv[2])))
    for number in range(int(sys.argv[3])):
        block[:8] = number.to_bytes(8, "big")
        writer.write_blob(memoryview(block))
    writer.sync()
print(peak() - before)
"""


@pytest.mark.parametrize(("size", "count", "limit_kib"), [(1 << 20, 300, 48 << 10), (3000, 20_000, 48 << 10)])
def test_memory_is_bounded(git_dir: Path, size: int, count: int, limit_kib: int) -> None:
    command = [sys.executable, "-c", MEMORY_PROBE, str(git_dir), str(size), str(count)]
    grown = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert grown < limit_kib
    (pack,) = packs(git_dir)
    assert pack.stat().st_size > size * count


def test_kinds_are_told_apart(git_dir: Path) -> None:
    store = open_store(git_dir)
    with store.writer() as writer:
        tree = writer.write_tree(b"")
        writer.sync()
    with pytest.raises(CorruptObjectError, match="is a tree, expected a blob"):
        store.read_kind(tree, BLOB)
    assert isinstance(store.writer(), ObjectWriter)
