"""Stored blocks: data that does not compress, framed as deflate but kept as it is.

Layout of a framed stream (normative text: docs/format/pack.md):

    78 01                  the zlib header of a stream nobody tried to compress
    block header, data     repeated; every block but the last has 65,535 bytes of data
    adler32                4 bytes, big-endian

    block header           flag (1 on the last block, else 0), length u16 LE, ~length u16 LE

No data still has one block, of length 0. Byte x of the data is therefore at
``2 + 5 * (x // 65535 + 1) + x``: one seek away, with nothing to inflate.
"""

from collections.abc import Callable, Sequence
from struct import Struct

from isal import isal_zlib

from vgit.runtime.buffer import Buffer

BLOCK = 65_535  # The longest a stored deflate block can be; part of the format.
HEAD_SIZE = 7  # zlib header and first block header

_HEAD = Struct("<2sBHH")
_BLOCK_HEADER = Struct("<BHH")
_FULL_BLOCK = _BLOCK_HEADER.pack(0, BLOCK, 0)

ReadInto = Callable[[int, Sequence[bytearray | memoryview]], int]


def framed_size(size: int) -> int:
    """Return how many bytes ``size`` bytes of data take when framed.

    >>> framed_size(0), framed_size(65_535), framed_size(65_536)
    (11, 65546, 65552)
    """
    return 6 + 5 * _block_count(size) + size


def head(size: int) -> bytes:
    """Return the first 7 bytes of the framed stream of ``size`` bytes of data."""
    if size <= BLOCK:
        return _HEAD.pack(b"\x78\x01", 1, size, size ^ 0xFFFF)
    return b"\x78\x01" + _FULL_BLOCK


def frame(data: Buffer) -> list[Buffer]:
    """Return the framed stream of ``data`` as parts; those with data are views, not copies."""
    size = len(data)
    checksum = isal_zlib.adler32(data).to_bytes(4, "big")
    if size <= BLOCK:
        return [head(size), data, checksum]
    view = memoryview(data)
    parts: list[Buffer] = [b"\x78\x01"]
    last = (_block_count(size) - 1) * BLOCK
    for start in range(0, last, BLOCK):
        parts.append(_FULL_BLOCK)
        parts.append(view[start : start + BLOCK])
    parts.append(_block_header(size - last))
    parts.append(view[last:])
    parts.append(checksum)
    return parts


def read_framed(
    read_into: ReadInto, body: int, size: int, start: int, stop: int, room: memoryview | None = None
) -> Buffer | None:
    """Return bytes ``start`` to ``stop`` (not empty) of the ``size`` bytes framed at ``body``.

    The data lands in place, without a copy, in ``room`` if that is given and large enough: each block
    header goes to a scrap buffer between slices of the result. None when a block touched is not
    framed as ``frame`` does it (a stream of stock git), or the file ends early.
    """
    first, last = start // BLOCK, (stop - 1) // BLOCK
    length = stop - start
    data: Buffer = room[:length] if room is not None and len(room) >= length else bytearray(length)
    view = memoryview(data)
    headers = bytearray(5 * (last - first + 1))
    header_view = memoryview(headers)
    skipped = start - first * BLOCK
    buffers: list[bytearray | memoryview] = [header_view[:5], bytearray(skipped), view[: BLOCK - skipped]]
    filled = BLOCK - skipped
    for header in range(5, len(headers), 5):
        buffers.append(header_view[header : header + 5])
        buffers.append(view[filled : filled + BLOCK])
        filled += BLOCK
    if not skipped:
        del buffers[1]
    wanted = len(headers) + skipped + length
    if read_into(body + 2 + first * (BLOCK + 5), buffers) != wanted:
        return None
    return data if headers == _headers(first, last, size) else None


def _headers(first: int, last: int, size: int) -> bytes:
    final = _block_count(size) - 1
    if last < final:
        return _FULL_BLOCK * (last - first + 1)
    return _FULL_BLOCK * (last - first) + _block_header(size - final * BLOCK)


def _block_header(size: int) -> bytes:
    return _BLOCK_HEADER.pack(1, size, size ^ 0xFFFF)


def _block_count(size: int) -> int:
    return -(-size // BLOCK) or 1
