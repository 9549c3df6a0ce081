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


def read_framed(read_into: ReadInto, body: int, size: int, room: memoryview | None = None) -> Buffer | None:
    """Return the ``size`` bytes of data framed at ``body``.

    The data lands in place, without a copy, in ``room`` if that is given and large enough: each block
    header goes to a scrap buffer between slices of the result. None when a block is not framed as
    ``frame`` does it (a stream of stock git), or the file ends early.
    """
    data: Buffer = room[:size] if room is not None and len(room) >= size else bytearray(size)
    view = memoryview(data)
    count = _block_count(size)
    headers = bytearray(5 * count)
    header_view = memoryview(headers)
    buffers: list[bytearray | memoryview] = []
    for block in range(count):
        buffers.append(header_view[5 * block : 5 * block + 5])
        buffers.append(view[block * BLOCK : (block + 1) * BLOCK])
    if read_into(body + 2, buffers) != len(headers) + size:
        return None
    return data if headers == _FULL_BLOCK * (count - 1) + _block_header(size - (count - 1) * BLOCK) else None


def _block_header(size: int) -> bytes:
    return _BLOCK_HEADER.pack(1, size, size ^ 0xFFFF)


def _block_count(size: int) -> int:
    return -(-size // BLOCK) or 1
