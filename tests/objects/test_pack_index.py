"""Pack index: look-ups against a dict, the file against stock git, and damage."""

import random
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import gitjudge
from tests.objects.repositories import commit, noise, packs, text
from vgit.errors import CorruptObjectError
from vgit.ids import SHA1
from vgit.objects.pack_index import PackIndex, encode_index

PACK_HASH = bytes(range(20))


def build(offsets: dict[bytes, int]) -> bytes:
    places = {id: place for place, id in enumerate(offsets)}
    crcs = array("I", [offset % 1000 for offset in offsets.values()])
    return encode_index(places, crcs, array("Q", offsets.values()), PACK_HASH, SHA1)


def opened(data: bytes) -> PackIndex:
    return PackIndex(memoryview(data), "objects/pack/pack-x.idx", SHA1)


def check(offsets: dict[bytes, int], absent: list[bytes]) -> None:
    index = opened(build(offsets))
    assert index.count == len(offsets) and index.pack_hash == PACK_HASH
    for id, offset in offsets.items():
        assert index.offset(index.find(id)) == offset
    assert all(index.find(id) == -1 for id in absent if id not in offsets)
    index.close()


few_bytes = st.sampled_from([0, 1, 127, 255])
clustered_ids = st.builds(lambda head, tail: bytes(head) + tail * 16, st.tuples(*[few_bytes] * 4), st.just(b"\x01"))
ids = st.binary(min_size=20, max_size=20) | clustered_ids


@given(st.dictionaries(ids, st.integers(12, 1 << 62), max_size=300), st.lists(ids, max_size=20))
def test_finds_what_is_there_and_nothing_else(offsets: dict[bytes, int], absent: list[bytes]) -> None:
    check(offsets, absent)


@pytest.mark.parametrize("count", [0, 1, 255, 20_000, 200_000])
def test_evenly_spread_ids(count: int) -> None:
    chance = random.Random(count)
    check({chance.randbytes(20): at for at in range(count)}, [chance.randbytes(20) for _ in range(2000)])


def test_ids_that_all_begin_alike() -> None:
    chance = random.Random(1)
    offsets = {b"\x07\0\0\0\0" + chance.randbytes(15): at for at in range(5000)}
    offsets |= {b"\x07\xff\xff\xff\xff" + chance.randbytes(15): at for at in range(5000)}
    check(offsets, [b"\x07" + chance.randbytes(19) for _ in range(500)])


def test_ids_that_look_like_the_seam_between_two_others() -> None:
    first, second = bytes([5]) * 20, bytes([5]) * 10 + bytes([6]) * 10
    check({first: 12, second: 99}, [bytes([5]) * 19 + b"\x06", (first + second)[3:23], (first + second)[13:33]])


def test_offsets_from_2_gib_on() -> None:
    chance = random.Random(2)
    offsets = {chance.randbytes(20): at << 20 for at in range(1, 4096)}  # to 4 GiB
    offsets[bytes(20)] = (1 << 31) - 1
    offsets[bytes([1] * 20)] = 1 << 31
    check(offsets, [])
    shown = gitjudge.run("/", "show-index", stdin=build(offsets)).decode().split("\n")[:-1]
    assert {bytes.fromhex(line.split()[1]): int(line.split()[0]) for line in shown} == offsets


def test_index_is_the_one_stock_git_makes(tmp_path: Path) -> None:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    commit(git_dir, [noise(size, size) for size in range(0, 3000, 7)] + [text(9999, 1)])
    (pack,), (index,) = packs(git_dir), packs(git_dir, ".idx")
    made = tmp_path / "made.idx"
    gitjudge.run(git_dir, "index-pack", "--strict", "-o", str(made), str(pack))
    assert made.read_bytes() == index.read_bytes()
    gitjudge.run(git_dir, "verify-pack", str(index))


@pytest.mark.parametrize("length", [0, 7, 8, 1000, 1031, 1032, 1071, 1072])
def test_an_index_cut_off_is_named(length: int) -> None:
    data = build({bytes([n]) * 20: n + 12 for n in range(9)})
    with pytest.raises(CorruptObjectError, match=r"pack-x\.idx"):
        opened(data[:length])
    for cut in (1, 4, 9, 20, 100):
        with pytest.raises(CorruptObjectError, match=r"pack-x\.idx"):
            opened(data[:-cut])


def test_any_flipped_byte_gives_an_answer_or_corrupt_object_error() -> None:
    offsets = {bytes([n]) * 20: n + 12 for n in range(99)} | {bytes([200]) * 20: 1 << 33}
    data = build(offsets)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x81
        try:
            index = opened(bytes(damaged))
            for id in offsets:
                if (position := index.find(id)) >= 0:
                    index.offset(position)
        except CorruptObjectError:
            pass
