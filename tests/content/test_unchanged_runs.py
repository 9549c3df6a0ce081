"""Unchanged runs: what threads confirm is what cutting gives, whatever happens to the file, and is not read twice."""

import os
import random
import threading
from collections.abc import Iterator

import pytest

from tests.content.contents import chunks_of, file_of, get, new_store, noise, put, put_bytes, put_fd, store_with
from vgit.content import large_file, store_file, unchanged_runs
from vgit.content.buffer_ring import BufferRing
from vgit.objects.object_writer import ObjectWriter

MIB = 1 << 20
BASE = noise(20 * MIB, 3)


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged_runs, "RUN_SIZE", 600_000)
    monkeypatch.setattr(large_file, "_PATIENCE", 1)
    monkeypatch.setattr(large_file, "_MOST_PATIENCE", 1)


@pytest.fixture
def body_count(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    read, counts = BufferRing.read, [0]

    def counted(ring: BufferRing) -> object:
        counts[0] += 1
        return read(ring)

    monkeypatch.setattr(BufferRing, "read", counted)
    yield counts


@pytest.mark.usefixtures("short_runs")
@pytest.mark.parametrize("seed", range(40))
def test_edits_next_to_the_borders_of_chunks(seed: int) -> None:
    chance = random.Random(seed)
    store, old = store_with(BASE)
    data = bytearray(BASE)
    for chunk in sorted(chance.sample(chunks_of(store, old)[8:], 3), reverse=True):
        at = chunk.offset + chunk.size + chance.randint(-2, 2)
        gone, come = chance.choice([(1, 1), (0, 1), (1, 0), (0, 70_000), (300_000, 0)])
        data[at : at + gone] = chance.randbytes(come)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) - 3 * MIB, len(data)) :]
    content, _ = put(store, bytes(data), old)
    assert content == put_bytes(new_store(), bytes(data))
    assert get(store, content) == data


def test_most_of_a_file_is_left_to_the_threads(body_count: list[int]) -> None:
    store = new_store()
    data = noise(60 * MIB, 4)
    old, _ = put(store, data)
    cut = body_count[0]
    changed = data[: 30 * MIB] + b"x" + data[30 * MIB :]
    content, _ = put(store, changed, old)
    assert content == put_bytes(new_store(), changed)
    assert body_count[0] - cut < cut / 2


@pytest.mark.usefixtures("short_runs")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("how", ["overwritten", "cut"])
def test_a_file_that_changes_while_it_is_read(monkeypatch: pytest.MonkeyPatch, how: str, seed: int) -> None:
    """What is stored is one of the states that each byte had, and is sound."""
    chance = random.Random(seed)
    store, old = store_with(BASE)
    preadv = os.preadv
    changing = threading.Lock()

    def change_and_read(fd: int, buffers: list[memoryview], offset: int) -> int:
        if chance.random() < 0.1:
            at = chance.randrange(min(offset, len(BASE) - 1), len(BASE))
            with changing:
                if how == "overwritten":
                    os.pwrite(fd, b"changed", at)
                else:  # it never grows again: where it ended for a moment a chunk may end, sound but not as cut anew
                    os.truncate(fd, min(at, os.fstat(fd).st_size))
        return preadv(fd, buffers, offset)

    with file_of(BASE) as fd:
        monkeypatch.setattr(os, "preadv", change_and_read)
        content, _ = put_fd(store, fd, len(BASE), old)
        monkeypatch.undo()
    stored = get(store, content)
    assert len(stored) == content.size
    assert content == put_bytes(new_store(), stored)


@pytest.mark.usefixtures("short_runs")
def test_chunks_that_the_store_has_no_more_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    store, old = store_with(BASE)
    monkeypatch.setattr(ObjectWriter, "has_blob", lambda writer, id: writer._own.has(id))
    content, added = put(store, BASE, old)
    assert content == old
    assert added > len(BASE)


@pytest.mark.usefixtures("short_runs")
def test_an_error_of_reading_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store, old = store_with(BASE)
    preadv = os.preadv

    def fail(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset > 12 * MIB:
            raise OSError(5, "input/output error")
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", fail)
    with file_of(BASE) as fd, store.writer() as writer, pytest.raises(OSError, match="input/output error"):
        store_file(fd, len(BASE), writer, store, (old.id, old.hash))
