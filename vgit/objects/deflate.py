"""Deflate: which bytes are compressed, and inflating without trusting the stream.

1. Less than 512 bytes: stored. Compressing costs more than it saves.
2. The whole up to 16 KiB, above a sample of 4 KiB, shrinks below 0.9: ISA-L level 1.
3. Everything else, and what did not shrink after all: stored blocks.

ISA-L's level 0 still codes (and so grows noise), zlib spends long on noise only to
store it; neither is used.
"""

from collections.abc import Iterable
from typing import cast

from isal import isal_zlib

from vgit.objects.stored_blocks import frame, framed_size
from vgit.runtime.buffer import Buffer

STORED_BELOW = 512

_TRY_WHOLE = 16384  # Up to here a sample would cost more than the whole, if the whole is then compressed too.
_PIECE = 1024  # A sample is four of these, so that one odd region does not decide for all.
_WORTH = 0.9
_LEVEL = 1

MAX_RATIO = 1032  # Deflate cannot expand more: 258 bytes from 2 bits.

# The stub calls it an instance.
_DeflateError = cast(type[Exception], isal_zlib.error)


def encode(data: Buffer) -> list[Buffer]:
    """Return ``data`` as a zlib stream in parts; parts may be views of ``data``."""
    size = len(data)
    if size < STORED_BELOW:
        return frame(data)
    if size <= _TRY_WHOLE:
        compressed = isal_zlib.compress(data, _LEVEL)
        return [compressed] if len(compressed) < size * _WORTH else frame(data)
    if _sample_shrinks(data, size):
        compressed = isal_zlib.compress(data, _LEVEL)
        if len(compressed) < framed_size(size):
            return [compressed]
    return frame(data)


def stored(data: Buffer) -> list[Buffer]:
    """Return ``data`` as a zlib stream of stored blocks, in parts; those with data are views."""
    return frame(data)


def inflate(pieces: Iterable[Buffer], size: int) -> bytes:
    """Return what a zlib stream of ``size`` bytes holds; ValueError when it is not that, or its Adler-32 is wrong.

    Never allocates more than ``size`` and a piece. Bytes after the stream's end are ignored.
    """
    inflater = isal_zlib.decompressobj()
    limit = size + 1  # One more byte shows a stream that is too long.
    parts: list[bytes] = []
    have = 0
    try:
        for piece in pieces:
            part = inflater.decompress(piece, limit - have)
            parts.append(part)
            have += len(part)
            if inflater.eof or have >= limit:
                break
    except _DeflateError as error:
        raise ValueError(f"not a zlib stream: {error}") from error
    if have > size or (have < size and inflater.eof):
        raise ValueError(f"the stream holds {'more' if have > size else have} bytes, expected {size}")
    if not inflater.eof:
        raise ValueError(f"the stream is cut off after {have} of {size} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate_whole(data: Buffer, size: int) -> tuple[bytes, int] | None:
    """Return the bytes of the zlib stream, of ``size`` bytes, that ``data`` begins with, and its length; else None."""
    inflater = isal_zlib.decompressobj()
    try:
        found = inflater.decompress(data, size + 1)
    except _DeflateError:
        return None
    if not inflater.eof or len(found) != size:
        return None
    return found, len(data) - len(inflater.unused_data)


def inflate_start(piece: Buffer, limit: int) -> bytes:
    """Return the first bytes of a zlib stream, at most ``limit``; ValueError when it is none."""
    try:
        return isal_zlib.decompressobj().decompress(piece, limit)
    except _DeflateError as error:
        raise ValueError(f"not a zlib stream: {error}") from error


def _sample_shrinks(data: Buffer, size: int) -> bool:
    view = memoryview(data)
    step = (size - _PIECE) // 3
    sample = b"".join([view[start : start + _PIECE] for start in (0, step, 2 * step, 3 * step)])
    return len(isal_zlib.compress(sample, _LEVEL)) < len(sample) * _WORTH
