"""Damage: whatever happens to a file, ``read`` gives the right bytes or CorruptObjectError."""

import hashlib
import random
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import gitjudge
from tests.objects.repositories import all_ids, blob_id, commit, noise, open_store, packs, put_loose, text
from vgit.backend.memory import MemoryBackend
from vgit.errors import CorruptObjectError
from vgit.ids import SHA1, ObjectId
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, OFS_DELTA, REF_DELTA
from vgit.objects.pack_entry import encode_header, parse_distance, parse_header
from vgit.objects.pack_index import encode_index

Files = dict[str, bytes]


def vgit_made(git_dir: Path) -> None:
    commit(git_dir, [b"", b"a", noise(400), noise(3000), text(3000), noise(70_000), text(200_000)])


def stock_made(git_dir: Path) -> None:
    commit(git_dir, [text(20_000) + b"%d" % number for number in range(6)] + [noise(900), noise(30_000)])
    gitjudge.run(git_dir, "repack", "-q", "-adfF", "--depth=5")


def stock_made_with_ref_deltas(git_dir: Path) -> None:
    commit(git_dir, [text(20_000) + b"%d" % number for number in range(6)])
    gitjudge.run(git_dir, "-c", "repack.useDeltaBaseOffset=false", "repack", "-q", "-adfF", "--depth=5")


def loose_made(git_dir: Path) -> None:
    for data in (b"", b"a", noise(400), text(9000)):
        put_loose(git_dir, data)


def files_of(git_dir: Path) -> Files:
    found = {}
    for path in (git_dir / "objects").rglob("*"):
        if path.is_file() and path.suffix in (".pack", ".idx", ""):
            found[path.relative_to(git_dir).as_posix()] = path.read_bytes()
    return found


def store_of(files: Files) -> ObjectDatabase:
    backend = MemoryBackend()
    for key, data in files.items():
        backend.put(key, data)
    return ObjectDatabase(backend)


def places(size: int, count: int) -> Iterator[int]:
    """Yield the first and last bytes and a sample of those between."""
    yield from range(min(size, 60))
    yield from range(max(60, size - 60), size)
    chance = random.Random(size)
    yield from (chance.randrange(size) for _ in range(count))


def check_reads(files: Files, expected: dict[ObjectId, tuple[int, bytes]]) -> None:
    store = store_of(files)
    for id, (kind, data) in expected.items():
        try:
            assert store.read(id) == (kind, data)
        except CorruptObjectError as error:
            assert id.hex() in str(error)
        for ask in (store.header, store.read_unverified):
            try:
                ask(id)
            except CorruptObjectError:
                pass


@pytest.mark.parametrize("make", [vgit_made, stock_made, stock_made_with_ref_deltas, loose_made])
def test_a_flipped_byte_is_never_read_as_data(tmp_path: Path, make: Callable[[Path], None]) -> None:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    make(git_dir)
    files = files_of(git_dir)
    store = open_store(git_dir)
    expected = {id: store.read(id) for id in all_ids(git_dir)}
    for key, data in files.items():
        for place in places(len(data), 60):
            for flip in (1 << place % 8, 0xFF):
                damaged = bytearray(data)
                damaged[place] ^= flip
                check_reads(files | {key: bytes(damaged)}, expected)


@pytest.mark.parametrize("make", [vgit_made, stock_made, loose_made])
def test_a_file_cut_off_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    make(git_dir)
    files = files_of(git_dir)
    store = open_store(git_dir)
    expected = {id: store.read(id) for id in all_ids(git_dir)}
    for key, data in files.items():
        for place in places(len(data), 40):
            cut = files | {key: data[:place]}
            if key.endswith((".pack", ".idx")):
                for id in expected:
                    with pytest.raises(CorruptObjectError) as raised:
                        store_of(cut).read(id)
                    assert key in str(raised.value)
            else:
                check_reads(cut, expected)


def test_a_good_copy_is_read_when_another_is_damaged(tmp_path: Path) -> None:
    git_dir = gitjudge.init_bare(tmp_path / "a.git")
    commit(git_dir, [noise(5000)])
    (pack,) = packs(git_dir)
    put_loose(git_dir, b"to make the next pack another")
    (first, second) = files_of(git_dir), files_of(gitjudge_copy(tmp_path, noise(5000), b"another"))
    damaged = bytearray(first[f"objects/pack/{pack.name}"])
    damaged[1000] ^= 1
    store = store_of(second | first | {f"objects/pack/{pack.name}": bytes(damaged)})
    assert store.read(blob_id(noise(5000))) == (BLOB, noise(5000))


def gitjudge_copy(tmp_path: Path, *blobs: bytes) -> Path:
    git_dir = gitjudge.init_bare(tmp_path / "b.git")
    commit(git_dir, blobs)
    return git_dir


def test_a_damaged_index_does_not_hide_other_packs(tmp_path: Path) -> None:
    first, second = gitjudge.init_bare(tmp_path / "a.git"), gitjudge_copy(tmp_path, b"two")
    commit(first, [b"one"])
    files = files_of(first)
    index = next(key for key in files if key.endswith(".idx"))
    store = store_of(files_of(second) | files | {index: files[index][:50]})
    assert store.read(blob_id(b"two")) == (BLOB, b"two")
    assert not store.contains(blob_id(b"one"))
    with pytest.raises(CorruptObjectError, match=index):
        store.read(blob_id(b"one"))
    store.backend.put(index, files[index])
    assert store.read(blob_id(b"one")) == (BLOB, b"one")


def make_pack(entries: list[tuple[ObjectId, bytes]]) -> Files:
    """Return a pack, and its index, of entries that stock git would refuse."""
    body = bytearray(b"PACK" + struct.pack(">II", 2, len(entries)))
    offsets, crcs = array("Q"), array("I")
    for _, entry in entries:
        offsets.append(len(body))
        crcs.append(zlib.crc32(entry))
        body += entry
    digest = hashlib.sha1(body).digest()
    order = {id: place for place, (id, _) in enumerate(entries)}
    name = f"objects/pack/pack-{digest.hex()}"
    return {name + ".pack": bytes(body) + digest, name + ".idx": encode_index(order, crcs, offsets, digest, SHA1)}


def delta_entry(base: ObjectId, delta: bytes) -> bytes:
    return encode_header(REF_DELTA, len(delta)) + base + zlib.compress(delta)


def blob_entry(data: bytes) -> bytes:
    return encode_header(BLOB, len(data)) + zlib.compress(data)


INSERT_AB = b"\x01\x02\x02ab"  # base of 1 byte, result of 2: insert "ab"
X, AB = blob_id(b"x"), blob_id(b"ab")


@pytest.mark.parametrize("base_is_loose", [False, True])
def test_a_base_in_another_place(tmp_path: Path, base_is_loose: bool) -> None:
    files = make_pack([(AB, delta_entry(X, INSERT_AB))])
    if base_is_loose:
        git_dir = gitjudge.init_bare(tmp_path / "a.git")
        put_loose(git_dir, b"x")
        files |= files_of(git_dir)
    else:
        files |= make_pack([(X, blob_entry(b"x"))])
    store = store_of(files)
    assert store.read(AB) == (BLOB, b"ab")
    assert store.header(AB) == (BLOB, 2)
    assert store.read_unverified(AB) == b"ab"


CYCLES = {
    "missing base": [make_pack([(AB, delta_entry(X, INSERT_AB))])],
    "base of itself": [make_pack([(AB, delta_entry(AB, INSERT_AB))])],
    "two in a circle": [make_pack([(AB, delta_entry(X, INSERT_AB)), (X, delta_entry(AB, INSERT_AB))])],
    "two packs in a circle": [
        make_pack([(AB, delta_entry(X, INSERT_AB))]),
        make_pack([(X, delta_entry(AB, INSERT_AB))]),
    ],
    "base before the pack": [make_pack([(AB, encode_header(OFS_DELTA, 5) + b"\x7f" + zlib.compress(INSERT_AB))])],
    "distance of nothing": [make_pack([(AB, encode_header(OFS_DELTA, 5) + b"\0" + zlib.compress(INSERT_AB))])],
    "header without end": [make_pack([(AB, b"\xff" * 40)])],
    "distance without end": [make_pack([(AB, encode_header(OFS_DELTA, 5) + b"\xff" * 50)])],
    "no kind": [make_pack([(AB, encode_header(5, 2) + zlib.compress(b"ab"))])],
    "size of an exabyte": [make_pack([(AB, encode_header(BLOB, 1 << 60) + zlib.compress(b"ab"))])],
    "delta of an exabyte": [
        make_pack([(AB, delta_entry(X, b"\x01" + b"\xff" * 8 + b"\x0f\x90\x01")), (X, blob_entry(b"x"))])
    ],
    "delta of a gigabyte": [
        make_pack([(AB, delta_entry(X, b"\x01" + b"\xff" * 4 + b"\x03\x90\x01")), (X, blob_entry(b"x"))])
    ],
    "delta for another base": [make_pack([(AB, delta_entry(X, b"\x02\x02\x02ab")), (X, blob_entry(b"x"))])],
    "delta with an unknown step": [make_pack([(AB, delta_entry(X, b"\x01\x02\x00ab")), (X, blob_entry(b"x"))])],
    "delta cut off": [make_pack([(AB, delta_entry(X, b"\x81")), (X, blob_entry(b"x"))])],
    "another object": [make_pack([(AB, blob_entry(b"ba"))])],
    "no bytes": [make_pack([(AB, encode_header(BLOB, 2))])],
}


@pytest.mark.parametrize("name", CYCLES)
def test_a_pack_made_to_harm(name: str) -> None:
    store = store_of({key: data for files in CYCLES[name] for key, data in files.items()})
    with pytest.raises(CorruptObjectError, match=AB.hex()):
        store.read(AB)
    for ask in (store.header, store.read_unverified):
        try:
            ask(AB)
        except CorruptObjectError:
            pass


def test_an_index_of_another_pack() -> None:
    one, two = make_pack([(X, blob_entry(b"x"))]), make_pack([(AB, blob_entry(b"ab"))])
    pack, index = (next(key for key in one if key.endswith(end)) for end in (".pack", ".idx"))
    store = store_of({pack: one[pack], index: next(data for key, data in two.items() if key.endswith(".idx"))})
    with pytest.raises(CorruptObjectError, match=pack):
        store.read(AB)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 127, 128, 2047, 2048, 1 << 31, (1 << 63) - 1])
def test_entry_headers_round_trip(size: int) -> None:
    header = encode_header(BLOB, size)
    assert parse_header(header + b"\xff", 0) == (BLOB, size, len(header))


@pytest.mark.parametrize(("stored", "distance"), [(b"\0", 0), (b"\x7f", 127), (b"\x80\0", 128), (b"\x80\x80\0", 16512)])
def test_distances(stored: bytes, distance: int) -> None:
    assert parse_distance(stored, 0) == (distance, len(stored))
