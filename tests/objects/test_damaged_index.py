"""Test_damaged_index: an index that lies is noticed, is not copied from, and loses nothing that the pack has."""

from array import array
from pathlib import Path

import pytest

from tests import gitjudge
from tests.objects.repositories import (
    blob_id,
    commit,
    join_and_drop,
    missing_id,
    noise,
    open_store,
    packs,
    write_commit,
)
from vgit.backend.local import LocalBackend
from vgit.errors import CorruptObjectError
from vgit.ids import SHA1, ObjectId
from vgit.objects import pack_index
from vgit.objects.object_kind import BLOB
from vgit.objects.pack_index import encode_index, open_index
from vgit.objects.pack_join import Joined, join_packs

DATA = [noise(300, number) for number in range(4)]


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    commit(git_dir, DATA)
    return git_dir


@pytest.fixture
def index(git_dir: Path) -> Path:
    (index,) = packs(git_dir, ".idx")
    index.chmod(0o644)
    return index


def join_all(git_dir: Path) -> Joined:
    keys = [f"objects/pack/{path.name}" for path in packs(git_dir)]
    return join_packs(LocalBackend(str(git_dir)), SHA1, keys)


def offset_place(index: Path, id: ObjectId) -> int:
    """Return where in the index file the offset of an object is."""
    data = index.read_bytes()
    count = int.from_bytes(data[8 + 255 * 4 : 1032], "big")
    ids = [data[1032 + 20 * at : 1052 + 20 * at] for at in range(count)]
    return 1032 + 24 * count + 4 * ids.index(id)


def flip(index: Path, place: int, bit: int = 2) -> None:
    data = bytearray(index.read_bytes())
    data[place] ^= bit
    index.write_bytes(data)


def test_a_flipped_bit_anywhere_keeps_the_pack_out_of_a_roll_up(git_dir: Path, index: Path) -> None:
    for number in range(2):
        commit(git_dir, [noise(20, 100 + number)])
    good, pack = index.read_bytes(), index.with_suffix(".pack")
    for place in range(0, len(good), 7):
        flip(index, place)
        joined = join_all(git_dir)
        assert f"objects/pack/{pack.name}" in joined.damaged
        assert pack.exists() and index.exists()
        index.write_bytes(good)
    store = open_store(git_dir)
    assert join_and_drop(git_dir).damaged == {} and not pack.exists()
    assert [store.read(blob_id(data))[1] for data in DATA] == DATA
    gitjudge.fsck(git_dir)


@pytest.mark.parametrize("lie", ["swapped", "short", "of another pack"])
def test_an_index_with_a_good_hash_that_says_what_is_not_so(git_dir: Path, index: Path, lie: str) -> None:
    commit(git_dir, [noise(20, 100)])
    key = f"objects/pack/{index.with_suffix('.pack').name}"
    opened = open_index(LocalBackend(str(git_dir)), SHA1, key)
    order = opened.in_pack_order()
    offsets, crcs = array("Q", [one[0] for one in order]), array("I", [one[2] for one in order])
    pack_hash = opened.pack_hash
    if lie == "swapped":
        offsets[1], offsets[2] = offsets[2], offsets[1]
    elif lie == "short":
        order, offsets, crcs = order[1:], offsets[1:], crcs[1:]
    else:
        pack_hash = bytes(20)
    entries = {one[1]: place for place, one in enumerate(order)}
    index.write_bytes(encode_index(entries, crcs, offsets, pack_hash, SHA1))
    joined = join_all(git_dir)
    assert list(joined.damaged) == [key] and joined.replaced == ()
    assert index.with_suffix(".pack").exists()


def test_what_a_damaged_index_still_says_is_read_and_checked(git_dir: Path, index: Path) -> None:
    flip(index, offset_place(index, blob_id(DATA[1])))
    store = open_store(git_dir)
    assert store.read(blob_id(DATA[0])) == (BLOB, DATA[0])
    assert store.read_unverified(blob_id(DATA[0])) == DATA[0]
    assert store.header(blob_id(DATA[0])) == (BLOB, 300)
    for ask in (store.read, store.read_unverified, store.header):
        with pytest.raises(CorruptObjectError, match=f"{index.name} does not have the hash .* `git index-pack"):
            ask(blob_id(DATA[1]))
    with pytest.raises(CorruptObjectError, match=f"is missing; perhaps because of .*{index.name}"):
        store.read(missing_id())
    assert list(store.damage()) == [f"objects/pack/{index.with_suffix('.pack').name}"]


def test_another_copy_is_found_and_the_advice_helps(git_dir: Path, index: Path) -> None:
    flip(index, offset_place(index, blob_id(DATA[1])))
    store = open_store(git_dir)
    with pytest.raises(CorruptObjectError):
        store.read(blob_id(DATA[1]))
    with open_store(git_dir).writer() as writer:  # the same bytes again: the store does not count as having them
        assert writer.write_blob(DATA[1]) == blob_id(DATA[1])
        writer.sync()
    assert store.read(blob_id(DATA[1])) == (BLOB, DATA[1])
    for path in packs(git_dir):
        if path.stem != index.stem:
            path.unlink()
            path.with_suffix(".idx").unlink()
    index.rename(git_dir / "damaged.idx")
    gitjudge.run(git_dir, "index-pack", str(index.with_suffix(".pack")))
    for data in DATA:
        assert store.read(blob_id(data)) == (BLOB, data)
    assert store.damage() == {}


def test_a_large_index_is_checked_once_an_object_is_not_what_it_says(
    git_dir: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_index, "_CHECKED_WHEN_OPENED", 100)
    flip(index, offset_place(index, blob_id(DATA[1])))
    store = open_store(git_dir)
    assert store.read(blob_id(DATA[0])) == (BLOB, DATA[0]) and store.damage() == {}
    with pytest.raises(CorruptObjectError, match=f"{index.name} does not have the hash"):
        store.read(blob_id(DATA[1]))
    assert len(store.damage()) == 1
    assert store.read(blob_id(DATA[2])) == (BLOB, DATA[2])


def test_the_same_pack_written_again_brings_a_good_index(git_dir: Path, index: Path) -> None:
    good = index.read_bytes()
    flip(index, offset_place(index, blob_id(DATA[1])))
    store = open_store(git_dir)
    assert store.pack_of(blob_id(DATA[1])) is None
    with store.writer() as writer:
        write_commit(writer, DATA)
        assert store.pack_of(blob_id(DATA[1])) == f"objects/pack/{index.stem}.pack"
    assert packs(git_dir, ".idx") == [index] and index.read_bytes() == good
