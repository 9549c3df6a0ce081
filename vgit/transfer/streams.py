"""Streams: file objects that a program hands over, read from their first byte and never closed.

    opened by open(path, "rb"), over a regular file    through its descriptor, at positions
    anything else that can seek                        from position 0, by its own ``read``
    a pipe, a socket, a response                       from where it is, by its own ``read``

A descriptor is used only where it surely is the file's: a ``GzipFile`` has one
too, of the compressed bytes.
"""

import io
import os
import stat
from typing import Protocol

from vgit.content import ReadInto
from vgit.errors import InvalidError


class Stream(Protocol):
    """What has bytes to read. ``seekable``, ``seek`` and ``readinto`` are used where it has them."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


def check_stream(source: object) -> Stream:
    """Return ``source`` as a stream; InvalidError for what cannot give bytes."""
    if isinstance(source, io.TextIOBase):
        raise InvalidError(f"cannot upload {source!r}: it gives text, expected bytes. Open it in binary mode ('rb').")
    if isinstance(source, bytes | bytearray | memoryview):
        raise InvalidError(
            f"cannot upload {type(source).__name__}: expected a path or a file object. Wrap content in io.BytesIO(…)."
        )
    if not callable(getattr(source, "read", None)):
        raise InvalidError(f"cannot upload {source!r}: {type(source).__name__} is neither a path nor a file object.")
    if getattr(source, "closed", False) is True:
        raise InvalidError(f"cannot upload {source!r}: it is closed. Keep it open until the batch ends.")
    if isinstance(source, io.IOBase) and not source.readable():
        raise InvalidError(f"cannot upload {source!r}: it is not open for reading.")
    return source  # type: ignore[return-value]


def is_rewindable(stream: Stream) -> bool:
    """Whether the stream can be read from its beginning, and so more than once."""
    seekable = getattr(stream, "seekable", None)
    return bool(seekable()) if callable(seekable) else callable(getattr(stream, "seek", None))


def descriptor_of(stream: Stream) -> int | None:
    """Return the descriptor of a regular file whose bytes are the stream's, all that was written to it in it."""
    if type(stream) not in (io.BufferedReader, io.BufferedRandom, io.FileIO):
        return None
    raw = getattr(stream, "raw", stream)
    if type(raw) is not io.FileIO:
        return None
    if type(stream) is io.BufferedRandom:
        stream.flush()
    descriptor = raw.fileno()
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def size_of(stream: Stream) -> int:
    """Return how many bytes are to be expected; 0 if that is known only at the end."""
    if type(stream) is io.BytesIO:
        return stream.getbuffer().nbytes
    descriptor = descriptor_of(stream)
    return os.fstat(descriptor).st_size if descriptor is not None else 0


def reader_of(stream: Stream) -> ReadInto:
    """Return what reads the stream from its beginning, or from where it is if it cannot go back."""
    if is_rewindable(stream):
        stream.seek(0)  # type: ignore[attr-defined]
    readinto = getattr(stream, "readinto", None)

    def read_into(room: memoryview) -> int:
        if readinto is not None and isinstance(stream, io.BufferedIOBase | io.RawIOBase):
            count = readinto(room)
            if count is None:
                raise _would_block(stream)
            return int(count)
        data = stream.read(len(room))
        if data is None:
            raise _would_block(stream)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InvalidError(f"cannot upload {stream!r}: it gives {type(data).__name__}, expected bytes.")
        room[: len(data)] = data
        return len(data)

    return read_into


def _would_block(stream: Stream) -> InvalidError:
    return InvalidError(f"cannot upload {stream!r}: it has nothing to read at the moment and does not wait for more.")
