"""Deflate: what we write, zlib reads; what we frame, we find again without inflating."""

import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.objects.repositories import noise, text
from vgit.objects.deflate import STORED_BELOW, encode, inflate, inflate_start, stored
from vgit.objects.stored_blocks import BLOCK, framed_size, head, read_framed
from vgit.runtime.buffer import Buffer

SIZES = [0, 1, 15, 16, 511, 512, 513, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 200_001]


def joined(parts: list[Buffer]) -> bytes:
    return b"".join(parts)


def reader(stream: bytes) -> "Reader":
    return Reader(stream)


class Reader:
    """A file in memory that counts what was read."""

    def __init__(self, stream: bytes) -> None:
        self.stream = stream
        self.read_bytes = 0

    def __call__(self, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        at = start
        for buffer in buffers:
            piece = self.stream[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            at += len(piece)
        self.read_bytes += at - start
        return at - start


@given(st.binary(max_size=3000) | st.builds(lambda part, n: part * n, st.binary(max_size=9), st.integers(0, 999)))
def test_zlib_reads_what_encode_wrote(data: bytes) -> None:
    assert zlib.decompress(joined(encode(data))) == data
    assert zlib.decompress(joined(stored(memoryview(data)))) == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [noise, text])
def test_zlib_reads_every_border(size: int, make: type) -> None:
    data = make(size)
    for given_as in (data, bytearray(data), memoryview(data)):
        stream = joined(encode(given_as))
        inflater = zlib.decompressobj()
        assert inflater.decompress(stream) == data
        assert inflater.eof and not inflater.unused_data
        assert len(stream) <= framed_size(size)


@pytest.mark.parametrize("size", SIZES)
def test_noise_is_framed_and_text_is_not(size: int) -> None:
    framed = joined(encode(noise(size)))
    assert framed == joined(stored(noise(size))) and len(framed) == framed_size(size)
    if size >= STORED_BELOW:
        assert len(joined(encode(text(size)))) < 0.9 * size


def test_data_that_shrinks_only_in_the_sample_is_stored() -> None:
    data = bytearray(noise(65_536))
    for start in range(4):
        at = (len(data) - 1024) // 3 * start
        data[at : at + 1024] = bytes(1024)
    assert len(joined(encode(data))) <= framed_size(len(data))


def test_stored_parts_are_views() -> None:
    data = bytearray(noise(2 * BLOCK))
    parts = stored(data)
    data[0] ^= 1
    assert joined(parts)[7] == data[0]


@pytest.mark.parametrize("size", SIZES)
def test_byte_x_is_where_the_formula_says(size: int) -> None:
    data = noise(size)
    stream = joined(stored(data))
    assert stream.startswith(head(size))
    for x in {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, size // 2, size - 1}:
        if 0 <= x < size:
            assert stream[2 + 5 * (x // BLOCK + 1) + x] == data[x]


@given(st.integers(1, 3 * BLOCK + 9))
def test_framed_data_is_read_into_place(size: int) -> None:
    data = noise(size)
    source = reader(b"before" + joined(stored(data)) + b"after")
    assert read_framed(source, 6, size) == data
    rooms = [bytearray(length) for length in (size, size + 3, size - 1)]
    found = [read_framed(source, 6, size, memoryview(room)) for room in rooms]
    assert found == [data] * 3
    assert [room[:size] == data for room in rooms] == [True, True, False]
    assert source.read_bytes <= 4 * framed_size(size)


@pytest.mark.parametrize("damage", [2, 3, 4, 5, 6, BLOCK + 7, BLOCK + 8, 2 * BLOCK + 14])
def test_a_block_framed_otherwise_is_noticed(damage: int) -> None:
    size = 2 * BLOCK + 100
    stream = bytearray(joined(stored(noise(size))))
    stream[damage] ^= 1
    assert read_framed(reader(bytes(stream)), 0, size) is None


def test_a_stream_cut_off_is_noticed() -> None:
    stream = joined(stored(noise(BLOCK + 100)))
    assert read_framed(reader(stream[:-60]), 0, BLOCK + 100) is None


@given(st.binary(max_size=2000), st.integers(0, 9), st.integers(1, 64))
def test_inflate_in_pieces(data: bytes, level: int, width: int) -> None:
    stream = zlib.compress(data, level) + b"the next object"
    pieces = [stream[at : at + width] for at in range(0, len(stream), width)]
    assert inflate(pieces, len(data)) == data
    assert inflate_start(stream, 10) == data[:10]


@given(st.binary(min_size=1, max_size=500), st.integers(0, 9), st.data())
def test_a_damaged_stream_gives_the_data_or_an_error(data: bytes, level: int, choose: st.DataObject) -> None:
    stream = bytearray(zlib.compress(data, level))
    stream[choose.draw(st.integers(0, len(stream) - 1))] ^= 1 << choose.draw(st.integers(0, 7))
    try:
        assert inflate([bytes(stream)], len(data)) == data
    except ValueError:
        pass


@pytest.mark.parametrize("size", [0, 99, 101, 10**12])
def test_another_size_than_declared_is_an_error(size: int) -> None:
    with pytest.raises(ValueError):
        inflate([zlib.compress(bytes(100))], size)


def test_every_cut_is_an_error() -> None:
    stream = zlib.compress(text(300))
    for length in range(len(stream)):
        with pytest.raises(ValueError, match="cut off"):
            inflate([stream[:length]], 300)


def test_a_bomb_does_not_go_off() -> None:
    bomb = zlib.compress(bytes(50 << 20), 9)
    with pytest.raises(ValueError, match="more bytes"):
        inflate([bomb], 1000)
