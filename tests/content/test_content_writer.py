"""Test_files: what store_file makes of a file, and that it does not depend on how it came about."""

import io
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.contents import MIB, chunks_of, file_of, get, new_store, noise, put, put_bytes, put_fd, store_with
from vgit.content import chunk_tree_info, hash_file, store_file, store_stream, write_content
from vgit.content.buffer_ring import BODY_SIZE, FIRST_BODY_SIZE
from vgit.content.chunker import BLOB_LIMIT, MAX_SIZE
from vgit.errors import BackendUnavailableError
from vgit.ids import SHA1, ObjectFormat, ObjectId, TreeId
from vgit.objects.git_mode import TREE_MODE

BASE = noise(14 * MIB)

BORDERS = [FIRST_BODY_SIZE - 1, FIRST_BODY_SIZE, FIRST_BODY_SIZE + 1]


@pytest.mark.parametrize("size", [0, 1, 511, 65536, BLOB_LIMIT - 1, BLOB_LIMIT])
def test_up_to_4_mib_is_one_blob(size: int) -> None:
    data = noise(size)
    content, _ = put(new_store(), data)
    assert content == (0, SHA1.object_id(b"blob", data), size, blake3(data).digest())


@pytest.mark.parametrize(
    "size",
    [BLOB_LIMIT + 1, FIRST_BODY_SIZE - 1, FIRST_BODY_SIZE, FIRST_BODY_SIZE + 1, FIRST_BODY_SIZE + BODY_SIZE, 14 * MIB],
)
def test_above_4_mib_is_a_chunk_tree(size: int) -> None:
    store = new_store()
    data = noise(size)
    content, _ = put(store, data)
    assert content.git_mode == TREE_MODE
    assert (content.size, content.hash) == (size, blake3(data).digest())
    assert chunk_tree_info(store, TreeId(content.id)) == (size, content.hash)
    assert get(store, content) == data


@pytest.mark.parametrize("size", [0, 5, BLOB_LIMIT, BLOB_LIMIT + 1, FIRST_BODY_SIZE, 13 * MIB + 12345])
@pytest.mark.parametrize("hint", [0, 5, BLOB_LIMIT, BLOB_LIMIT + 1, 20 * MIB])
def test_size_hint_changes_nothing(size: int, hint: int) -> None:
    """A file that shrank or grew after the caller looked at its size."""
    store = new_store()
    with file_of(BASE[:size]) as fd:
        content, _ = put_fd(store, fd, hint)
    assert content == put_bytes(new_store(), BASE[:size])
    assert get(store, content) == BASE[:size]


def test_reads_from_the_first_byte_and_leaves_the_offset_alone() -> None:
    with file_of(BASE) as fd:
        os.lseek(fd, 1000, os.SEEK_SET)
        content, _ = put_fd(new_store(), fd, len(BASE))
        assert os.lseek(fd, 0, os.SEEK_CUR) == 1000
    assert content.hash == blake3(BASE).digest()


@pytest.mark.parametrize("change", [3 * MIB, FIRST_BODY_SIZE + 5, 9 * MIB, 40 * MIB])
def test_a_file_cut_or_extended_while_it_is_read(monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    """Whatever the reads returned is what is stored: the tree is sound and has its own hash."""
    preadv = os.preadv
    seen: list[bytes] = []

    def change_then_read(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset >= FIRST_BODY_SIZE:
            os.truncate(fd, change)
        count = preadv(fd, buffers, offset)
        seen.append(bytes(buffers[0][:count]))
        return count

    store = new_store()
    with file_of(noise(20 * MIB)) as fd:
        monkeypatch.setattr(os, "preadv", change_then_read)
        content, _ = put_fd(store, fd, 20 * MIB)
    data = b"".join(seen)
    assert content == put_bytes(new_store(), data)
    assert get(store, content) == data


@pytest.mark.parametrize(
    "size", [0, 1, 65535, 65536, 65537, BLOB_LIMIT, BLOB_LIMIT + 1, FIRST_BODY_SIZE, 13 * MIB + 12345]
)
@pytest.mark.parametrize("at_most", [99_999, 40 * MIB])
def test_a_stream_is_stored_as_a_file_would_be(size: int, at_most: int) -> None:
    stream = io.BytesIO(BASE[:size])
    store = new_store()
    watched: list[int] = []
    with store.writer() as writer:
        content = store_stream(lambda room: stream.readinto(room[:at_most]), writer, store, watch=watched.append)
        writer.sync()
    assert content == put_bytes(new_store(), BASE[:size])
    assert get(store, content) == BASE[:size]
    assert sum(watched) == (size if size > BLOB_LIMIT else 0)


def test_short_reads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    preadv, pread = os.preadv, os.pread
    monkeypatch.setattr(os, "preadv", lambda fd, b, at: preadv(fd, [b[0][:777_777]], at))
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 99_999), at))
    for size in (1 * MIB, 13 * MIB):
        with file_of(BASE[:size]) as fd:
            assert put_fd(new_store(), fd, size)[0] == put_bytes(new_store(), BASE[:size])
            assert hash_file(fd) == (size, blake3(BASE[:size]).digest())


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB])
def test_hash_file(size: int) -> None:
    with file_of(BASE[:size]) as fd:
        assert hash_file(fd) == (size, blake3(BASE[:size]).digest())


def test_a_read_error_is_passed_on() -> None:
    store = new_store()
    fd = os.open("/", os.O_RDONLY)
    try:
        for hint in (10, 10 * MIB):
            with store.writer() as writer, pytest.raises(IsADirectoryError):
                store_file(fd, hint, writer, store)
    finally:
        os.close(fd)


def test_the_same_file_again_adds_no_chunks() -> None:
    store = new_store()
    first, _ = put(store, BASE)
    for old in (None, first):
        again, added = put(store, BASE, old)
        assert again == first
        assert added < 20_000  # trees and records


# A list of edits, each a position (of 2^20), how many bytes go, how many come, and what kind of bytes come.
EDITS = st.lists(
    st.tuples(
        st.integers(0, 1 << 20),
        st.sampled_from([0, 1, 100, 4096, 300_000, MIB, 3 * MIB, 20 * MIB]),
        st.sampled_from([0, 1, 100, 4096, 300_000, MIB, 3 * MIB]),
        st.sampled_from(["noise", "zeros", "copy"]),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[tuple[int, int, int, str]], seed: int) -> bytes:
    for position, gone, come, kind in edits:
        at = len(data) * position >> 20
        new = {
            "noise": lambda n=come: noise(n, seed),
            "zeros": lambda n=come: bytes(n),
            "copy": lambda n=come, d=data: d[:n],
        }[kind]()
        data = data[:at] + new + data[at + gone :]
    return data


@settings(max_examples=60)
@given(EDITS, EDITS, st.integers(0, 3))
def test_the_tree_does_not_depend_on_history(
    first: list[tuple[int, int, int, str]], second: list[tuple[int, int, int, str]], seed: int
) -> None:
    store, content = store_with(BASE)
    data = BASE
    for edits in (first, second):
        data = edited(data, edits, seed)
        old = content
        content, _ = put(store, data, old if old.git_mode == TREE_MODE else None)
        assert content == put_bytes(new_store(), data)
    assert get(store, content) == data


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(-2, 2), st.sampled_from(["end", "flip", "insert", "cut"]))
def test_edits_next_to_a_border(seed: int, shift: int, how: str) -> None:
    """Where a chunk is whole but the byte after it is not: what FastCDC also looks at."""
    store, old = store_with(BASE)
    chunk = random.Random(seed).choice(chunks_of(store, old))
    at = min(max(chunk.offset + chunk.size + shift, 0), len(BASE) - 1)
    data = {
        "end": BASE[:at],
        "flip": BASE[:at] + bytes([BASE[at] ^ 0xFF]) + BASE[at + 1 :],
        "insert": BASE[:at] + b"x" + BASE[at:],
        "cut": BASE[:at] + BASE[at + 1 :],
    }[how]
    assert put(store, data, old)[0] == put_bytes(new_store(), data)


@pytest.mark.parametrize("value", range(0, 256, 32))
def test_the_byte_after_a_chunk_can_move_its_end(value: int) -> None:
    """The reason why the last of a run of equal chunks is cut anew."""
    store, old = store_with(BASE)
    chunk = next(chunk for chunk in chunks_of(store, old)[4:] if chunk.size < MAX_SIZE)
    end = chunk.offset + chunk.size
    data = BASE[:end] + bytes([value]) + BASE[end + 1 :]
    assert put(store, data, old)[0] == put_bytes(new_store(), data)


def test_an_old_version_that_is_of_no_use() -> None:
    store, good = store_with(BASE)
    data = noise(9 * MIB, seed=9)
    expected = put_bytes(new_store(), data)
    blob, _ = put(store, b"small")
    missing = good._replace(id=type(good.id)(bytes(20)))
    for old in (missing, blob, good._replace(hash=bytes(32))):
        assert put(store, data, old)[0] == expected


@pytest.fixture(scope="module")
def large() -> bytes:
    return noise(64 * MIB)


@pytest.mark.parametrize("with_old", [True, False])
@pytest.mark.parametrize("edit", ["overwritten", "inserted", "appended"])
def test_an_edit_adds_little_more_than_what_changed(edit: str, with_old: bool, large: bytes) -> None:
    data = large
    store, old = store_with(data)
    new, changed = {
        "overwritten": (data[: 32 * MIB] + noise(MIB, 5) + data[33 * MIB :], MIB),
        "inserted": (data[:5000] + noise(1024, 6) + data[5000:], 1024),
        "appended": (data + noise(10 * MIB, 7), 10 * MIB),
    }[edit]
    content, added = put(store, new, old if with_old else None)
    assert added <= changed + 2 * MIB
    assert get(store, content) == new


def test_an_edit_gives_sha1_only_to_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    store, old = store_with(BASE)
    named: list[int] = []
    object_id = ObjectFormat.object_id

    def noted(form: ObjectFormat, kind: bytes, data: memoryview) -> ObjectId:
        if kind == b"blob" and len(data) > 20_000:  # a chunk, not a record
            named.append(len(data))
        return object_id(form, kind, data)

    monkeypatch.setattr(ObjectFormat, "object_id", noted)
    data = BASE[: 3 * MIB] + b"x" + BASE[3 * MIB :]
    put(store, data, old)
    assert sum(named) < 3 * MIB


def test_threads_can_be_shared() -> None:
    store = new_store()
    with ThreadPoolExecutor(1) as pool, store.writer() as writer, file_of(BASE) as fd:
        first = store_file(fd, len(BASE), writer, store, pool=pool)
        writer.sync()
        assert store_file(fd, len(BASE), writer, store, (first.id, first.hash), pool=pool) == first
        writer.sync()
        with file_of(b"") as out:
            assert write_content(store, first, out, pool=pool) == first.hash


def test_an_error_of_writing_ends_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise BackendUnavailableError("disk full")

    store = new_store()
    threads = threading.active_count()
    with file_of(noise(40 * MIB)) as fd, store.writer() as writer:
        monkeypatch.setattr(writer, "write_hashed_blobs", full)
        with pytest.raises(BackendUnavailableError, match="disk full"):
            store_file(fd, 40 * MIB, writer, store)
    content = put_bytes(store, BASE)
    with file_of(b"") as fd:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(BackendUnavailableError, match="disk full"):
            write_content(store, content, fd)
    assert threading.active_count() == threads
