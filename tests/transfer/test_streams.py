"""Test_streams: file objects of every kind, and how each is read."""

import gzip
import io
import os
import random
import tempfile
import threading
from pathlib import Path as FilePath
from typing import Any

import pytest

from tests.transfer.uploads import Counted, contents, expect_entry, new_volume, put_all
from vgit.errors import InvalidError
from vgit.transfer.puts import put_file

LARGE = random.Random(0).randbytes(9 << 20)


class OnlyRead:
    """The least that a file object can be; gives less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._inner.read(min(size, 300_001))


class Seekable(OnlyRead):
    def seek(self, position: int) -> int:
        return self._inner.seek(position)


def uploaded(stream: Any) -> bytes:
    repository = new_volume()
    put_all(repository, put_file(stream, "f"))
    return contents(repository)["f"]


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 4 << 20, (4 << 20) + 1, 6 << 20, 9 << 20])
def test_however_it_is_read_it_is_stored_the_same(tmp_path: FilePath, size: int) -> None:
    data = LARGE[:size]
    (tmp_path / "f").write_bytes(data)
    repository = new_volume()
    with open(tmp_path / "f", "rb") as buffered, open(tmp_path / "f", "rb", buffering=0) as raw:
        puts = {
            "path": tmp_path / "f",
            "buffered": buffered,
            "raw": raw,
            "memory": io.BytesIO(data),
            "only read": OnlyRead(data),
        }
        progress = Counted()
        put_all(repository, *(put_file(source, name) for name, source in puts.items()), progress=progress)
        assert not buffered.closed and not raw.closed
    assert progress.done == [5, 5 * size]
    assert progress.expected == [5, 4 * size]  # nobody knows how long the last one is
    found = {(one.id, one.hash, one.size, one.git_mode) for one in (expect_entry(repository, name) for name in puts)}
    assert len(found) == 1
    assert contents(repository)["only read"] == data


def test_they_are_read_from_position_0_and_not_closed(tmp_path: FilePath) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with open(tmp_path / "f", "rb") as file, open(tmp_path / "f", "r+b") as both:
        for stream in (file, both, io.BytesIO(b"0123456789"), Seekable(b"0123456789")):
            stream.seek(4)  # type: ignore[attr-defined]
            stream.read(1)
            assert uploaded(stream) == b"0123456789"
            assert not getattr(stream, "closed", False)


def test_what_is_not_yet_flushed_is_uploaded(tmp_path: FilePath) -> None:
    with open(tmp_path / "f", "w+b") as file, tempfile.TemporaryFile() as temporary:
        for stream in (file, temporary):
            stream.write(b"not flushed")
            assert uploaded(stream) == b"not flushed"
    with tempfile.SpooledTemporaryFile() as spooled, tempfile.NamedTemporaryFile() as named:
        for stream in (spooled, named):
            stream.write(b"not flushed")
            assert uploaded(stream) == b"not flushed"


def test_what_has_a_descriptor_of_something_else_is_read_by_its_own_read(tmp_path: FilePath) -> None:
    with gzip.open(tmp_path / "f.gz", "wb") as file:
        file.write(b"plain text")
    with gzip.open(tmp_path / "f.gz", "rb") as file:
        assert uploaded(file) == b"plain text"
        assert uploaded(io.BufferedReader(file)) == b"plain text"  # type: ignore[type-var, arg-type]


def test_what_cannot_seek_is_read_from_where_it_is() -> None:
    read_end, write_end = os.pipe()
    writing = threading.Thread(target=lambda: (os.write(write_end, b"skipped, read"), os.close(write_end)))
    writing.start()
    with os.fdopen(read_end, "rb") as stream:
        assert stream.read(9) == b"skipped, "
        assert uploaded(stream) == b"read"
    writing.join()
    stream = OnlyRead(b"abc")
    stream.read(1)
    assert uploaded(stream) == b"bc"


def test_a_stream_of_more_than_memory_may_take_is_never_whole() -> None:
    class Endless(OnlyRead):
        def __init__(self) -> None:
            self.left = 64 << 20
            self.largest = 0

        def read(self, size: int, /) -> bytes:
            self.largest = max(self.largest, size)
            count = min(size, self.left)
            self.left -= count
            return bytes(count)

    stream = Endless()
    repository = new_volume()
    put_all(repository, put_file(stream, "zeros"))
    assert expect_entry(repository, "zeros").size == 64 << 20
    assert stream.largest < 8 << 20


class Text(OnlyRead):
    def read(self, size: int, /) -> bytes:
        return "text"  # type: ignore[return-value]


class Waiting(OnlyRead):
    def read(self, size: int, /) -> bytes:
        return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (io.StringIO("text"), "gives text, expected bytes"),
        (b"content", "Wrap content in io.BytesIO"),
        (bytearray(b"content"), "Wrap content in io.BytesIO"),
        (None, "neither a path nor a file object"),
        (5, "neither a path nor a file object"),
        ("", "Invalid local path"),
        ("a\0b", "Invalid local path"),
    ],
)
def test_what_gives_no_bytes_is_refused_at_once(source: object, complaint: str) -> None:
    with pytest.raises(InvalidError, match=complaint):
        put_file(source, "f")


def test_files_that_are_not_for_reading_are_refused_at_once(tmp_path: FilePath) -> None:
    with open(tmp_path / "f", "w", encoding="utf-8") as text, pytest.raises(InvalidError, match="binary mode"):
        put_file(text, "f")
    with open(tmp_path / "f", "wb") as writing, pytest.raises(InvalidError, match="not open for reading"):
        put_file(writing, "f")
    with pytest.raises(InvalidError, match="is closed"):
        put_file(writing, "f")


def test_a_stream_that_turns_out_bad_uploads_nothing() -> None:
    repository = new_volume()
    closed = io.BytesIO(b"1")
    one = put_file(closed, "f")
    closed.close()
    bad = {"is closed": one, "gives str": put_file(Text(b""), "f"), "nothing to read": put_file(Waiting(b""), "f")}
    for complaint, put in bad.items():
        with pytest.raises(InvalidError, match=complaint):
            put_all(repository, put_file(io.BytesIO(b"1"), "a"), put)
    assert contents(repository) == {}
