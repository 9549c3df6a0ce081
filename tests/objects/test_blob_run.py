"""Blob run: whatever lies where it looks, it gives a blob of the wanted size or nothing, and seeks to any."""

import random

import pytest

from vgit.backend.memory import MemoryBackend
from vgit.ids import SHA1, BlobId
from vgit.objects.blob_run import LARGEST
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.pack_entry import encode_blob


def made(contents: list[bytes]) -> tuple[ObjectDatabase, list[BlobId]]:
    store = ObjectDatabase(MemoryBackend())
    with store.writer() as writer:
        ids = [writer.write_blob(data) for data in contents]
        writer.sync()
    store.refresh()
    return store, ids


def contents(count: int) -> list[bytes]:
    chance = random.Random(count)
    sizes = [0, 1, 15, 16, 511, 512, 2047, 2048, 16384, 16385, LARGEST - 1, LARGEST]
    noise = [chance.randbytes(sizes[number % len(sizes)]) + b"" for number in range(count)]
    return [data if number % 3 else (b"%d text " % number * LARGEST)[: len(data)] for number, data in enumerate(noise)]


def test_blobs_in_order_follow_each_other() -> None:
    wanted = list(dict.fromkeys(contents(60)))
    store, ids = made(wanted)
    run = store.blob_run()
    assert run.seek(ids[0])
    assert [run.take(len(data)) for data in wanted] == wanted


def test_any_blob_is_found() -> None:
    wanted = list(dict.fromkeys(contents(60)))
    store, ids = made(wanted)
    run = store.blob_run()
    order = list(range(len(wanted)))
    random.Random(5).shuffle(order)
    for number in order:
        assert run.seek(ids[number])
        assert run.take(len(wanted[number])) == wanted[number]


def test_before_a_seek_and_behind_the_last_blob_there_is_nothing() -> None:
    store, ids = made([b"one", b"other"])
    run = store.blob_run()
    assert run.take(3) is None
    assert run.seek(ids[1])
    assert run.take(5) == b"other"
    assert run.take(5) is None and run.take(5) is None
    assert run.seek(ids[0]) and run.take(3) == b"one"
    assert not run.seek(BlobId(bytes(20)))


def test_of_another_size_or_kind_is_nothing() -> None:
    store = ObjectDatabase(MemoryBackend())
    with store.writer() as writer:
        blob = writer.write_blob(b"0123456789")
        tree = writer.write_tree(b"100644 name\0" + blob)
        writer.sync()
    run = store.blob_run()
    assert run.seek(blob)
    assert run.take(9) is None and run.take(300) is None and run.take(10) == b"0123456789"
    assert run.seek(tree)
    assert run.take(len(b"100644 name\0") + 20) is None


@pytest.mark.parametrize("at", [12, 13, 20, 30])
def test_damage_is_nothing_or_other_bytes_but_no_error(at: int) -> None:
    backend = MemoryBackend()
    store = ObjectDatabase(backend)
    wanted = b"some text, over and over; " * 100
    with store.writer() as writer:
        id = writer.write_blob(wanted)
        writer.sync()
    (key,) = [listed.key for listed in backend.list("objects/") if listed.key.endswith(".pack")]
    damaged = bytearray(backend.get(key))
    damaged[at] ^= 0x55
    backend.delete(key)
    backend.put(key, bytes(damaged))
    run = ObjectDatabase(backend).blob_run()
    assert run.seek(id)
    assert run.take(len(wanted)) != wanted


def test_encoded_elsewhere_is_what_the_writer_writes() -> None:
    wanted = contents(40)
    one, ids = made(wanted)
    other = ObjectDatabase(MemoryBackend())
    with other.writer() as writer:
        writer.write_encoded_blobs(encode_blob(data, SHA1) for data in wanted)
        writer.write_encoded_blobs(encode_blob(data, SHA1) for data in wanted)  # all of them are there by now
        writer.sync()
    assert [other.read(id) for id in ids] == [one.read(id) for id in ids]
    (pack,), (same,) = (
        [listed for listed in store.backend.list("objects/") if listed.key.endswith(".pack")] for store in (one, other)
    )
    assert pack.key == same.key
