"""Test_read: ranges, checkouts with holes, and damage: never a wrong byte."""

import os
import random
from functools import cache
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.contents import (
    MIB,
    checked_out,
    chunks_of,
    file_of,
    get,
    new_store,
    noise,
    put,
    put_bytes,
)
from vgit.backend.memory import MemoryBackend
from vgit.content import StoredContent, read_content, write_content
from vgit.content.chunk_tree import open_chunk_tree
from vgit.errors import CorruptObjectError, InvalidError
from vgit.ids import TreeId
from vgit.objects.git_mode import FILE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.tree.entry import Entry

DATA = noise(11 * MIB) + b"text " * 300_000 + bytes(3 * MIB) + noise(MIB, 1)
STORE = new_store()
LARGE = put(STORE, DATA)[0]
SMALL = put(STORE, DATA[: 100 * 1024])[0]


@settings(max_examples=200)
@given(st.data())
def test_a_range_is_a_slice(data: Any) -> None:
    content, whole = data.draw(st.sampled_from([(LARGE, DATA), (SMALL, DATA[: 100 * 1024])]))
    border = random.Random(data.draw(st.integers(0, 99))).choice(chunks_of(STORE, LARGE)).offset
    near = st.integers(-3, 3).map(lambda shift: max(border + shift, 0))
    start = data.draw(st.one_of(st.integers(0, len(whole) + 5), near))
    length = data.draw(st.one_of(st.none(), st.integers(0, 5), st.integers(0, len(whole) + 5), near))
    end = None if length is None else start + length
    pieces = list(read_content(STORE, content, start, length))
    assert b"".join(pieces) == whole[start:end]
    assert all(0 < len(piece) <= 8 * MIB for piece in pieces)
    unhashed = Entry(0o100644, content.git_mode or FILE_MODE, content.id, content.size, 0, None)
    assert get(STORE, unhashed, start, length) == whole[start:end]


def test_a_range_reads_only_the_chunks_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    read_unverified = ObjectDatabase.read_unverified

    def noted(store: ObjectDatabase, id: Any) -> Any:
        read.append(id)
        return read_unverified(store, id)

    monkeypatch.setattr(ObjectDatabase, "read_unverified", noted)
    second, third = chunks_of(STORE, LARGE)[1:3]
    assert get(STORE, LARGE, third.offset - 1, 2) == DATA[third.offset - 1 : third.offset + 1]
    assert read == [second.id, third.id]


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
def test_a_negative_range_is_refused(start: int, length: int) -> None:
    with pytest.raises(InvalidError, match="negative"):
        get(STORE, LARGE, start, length)


def test_a_fifo_has_no_content() -> None:
    fifo = Entry(0o010644, 0, None, 1, 0, None)
    with pytest.raises(InvalidError, match="FIFO"):
        get(STORE, fifo)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 3 * MIB, 4 * MIB, 5 * MIB, len(DATA)])
def test_checkout(size: int) -> None:
    store = new_store()
    data = DATA[len(DATA) - size :]
    content = put_bytes(store, data)
    with file_of(b"") as fd:
        assert write_content(store, content, fd) == blake3(data).digest()
        assert os.fstat(fd).st_size == size
        assert os.pread(fd, size + 1, 0) == data
    unhashed = Entry(0o100644, content.git_mode or FILE_MODE, content.id, content.size, 0, None)
    assert checked_out(store, unhashed) == data


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("blob", noise(70_000) + bytes(2 * MIB) + b"end"),
        ("all zeros", bytes(9 * MIB + 5)),
        ("all zeros, one blob", bytes(3 * MIB)),
        ("ends in a hole", noise(5 * MIB) + bytes(20 * MIB)),
        ("islands", b"".join(bytes(5 * MIB + i) + noise(10) for i in range(4))),
    ],
)
def test_zeros_become_holes(name: str, data: bytes) -> None:
    store = new_store()
    content, _ = put(store, data)
    with file_of(b"") as fd:
        write_content(store, content, fd)
        assert os.pread(fd, len(data) + 1, 0) == data
        zeros = data.count(0)
        assert os.fstat(fd).st_blocks * 512 <= len(data) - zeros + 20 * 65536


def test_short_writes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:100_001], at))
    assert checked_out(STORE, LARGE) == DATA


def damaged_store(seed: int, flips: int) -> ObjectDatabase:
    """Return a copy of STORE with some bytes of its packs changed."""
    chance = random.Random(seed)
    backend = MemoryBackend()
    for listed in STORE.backend.list(""):
        data = bytearray(STORE.backend.get(listed.key))
        if listed.key.endswith(".pack"):
            for _ in range(flips):
                # Half of them near the end, where trees, records and small chunks are.
                low = chance.choice([0, max(len(data) - 30_000, 0)])
                data[chance.randrange(low, len(data))] ^= 1 << chance.randrange(8)
        backend.put(listed.key, bytes(data))
    return ObjectDatabase(backend)


@cache
def grown_contents() -> dict[bytes, StoredContent]:
    """Return, of what is in STORE, what it is to be when it has grown by 1 MiB."""
    return {data: put_bytes(new_store(), data + b"x" * MIB) for data in (DATA, DATA[: 100 * 1024])}


@settings(max_examples=60)
@given(st.integers(0, 10**9), st.sampled_from([1, 3, 30]))
def test_damage_is_an_error_and_never_wrong_bytes(seed: int, flips: int) -> None:
    store = damaged_store(seed, flips)
    grown = grown_contents()
    for content, data in ((LARGE, DATA), (SMALL, DATA[: 100 * 1024])):
        position = 0
        try:
            for piece in read_content(store, content):
                assert piece == data[position : position + len(piece)]
                position += len(piece)
            assert position == len(data)
        except CorruptObjectError:
            pass
        try:
            assert checked_out(store, content) == data
        except CorruptObjectError:
            pass
        # Damage to the old version harms nothing new, and nothing of it gets in unseen.
        assert put(store, data + b"x" * MIB, LARGE)[0] == grown[data]


def test_a_flipped_byte_in_each_chunk_is_named() -> None:
    pack_key = max(STORE.backend.list(""), key=lambda listed: listed.size_bytes).key
    pack = STORE.backend.get(pack_key)
    stored = [chunk for chunk in chunks_of(STORE, LARGE) if chunk.offset + MIB < 11 * MIB]  # not compressed
    for chunk in stored[::7]:
        data = DATA[chunk.offset : chunk.offset + chunk.size]
        at = pack.index(data[1000:1100])
        backend = MemoryBackend()
        for listed in STORE.backend.list(""):
            backend.put(listed.key, STORE.backend.get(listed.key))
        backend.put(pack_key, pack[:at] + bytes([pack[at] ^ 1]) + pack[at + 1 :])
        store = ObjectDatabase(backend)
        for use in (get, checked_out):
            with pytest.raises(CorruptObjectError, match=chunk.id.hex()):
                use(store, LARGE)
        if chunk.offset:
            assert get(store, LARGE, 0, chunk.offset) == DATA[: chunk.offset]


def test_a_whole_copy_in_another_pack_is_found() -> None:
    """One pack is damaged; a second one has the same chunks."""
    damaged = damaged_store(5, 400)
    with pytest.raises(CorruptObjectError):
        get(damaged, LARGE)
    other = new_store()
    put(other, DATA)
    put(other, DATA[: 100 * 1024])
    for listed in list(other.backend.list("")):
        key = listed.key.replace("pack-", "pack-0")
        damaged.backend.put(key, other.backend.get(listed.key))
    damaged.refresh()
    assert checked_out(damaged, LARGE) == DATA
    assert get(damaged, LARGE) == DATA


@pytest.mark.parametrize("content", [LARGE, SMALL])
def test_what_the_directory_says_is_held_against_the_object(content: StoredContent) -> None:
    for wrong in (content._replace(size=content.size + 1), content._replace(hash=bytes(32))):
        for use in (get, checked_out):
            with pytest.raises(CorruptObjectError, match="expected"):
                use(STORE, wrong)


def test_a_directory_is_no_file() -> None:
    with STORE.writer() as writer:
        empty = writer.write_tree(b"")
        writer.sync()
    assert open_chunk_tree(STORE, TreeId(empty)) is None
    with pytest.raises(CorruptObjectError, match="directory"):
        get(STORE, LARGE._replace(id=empty))
