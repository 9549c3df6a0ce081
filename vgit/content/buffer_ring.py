"""Buffer ring: a file's bytes, read once and in order, into a few buffers that are used again and again.

    buffer   |      room       |            body             |
                    | rest     | newly read                  |
                    |<------------ segment ------------>|

The *rest*, which was left uncut of the segment before (less than one largest
chunk), is copied in front of the newly read *body*, so that every chunk lies in one
piece. Positional reads, not a map: a map counts as memory, dies when the file
is cut short, and may show other bytes to the hash than to the pack.
"""

import os
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from vgit.content.chunker import BLOB_LIMIT, MAX_SIZE

FIRST_BODY_SIZE = 5 << 20  # bytes; over BLOB_LIMIT, so that the first body tells whether the file is small after all
BODY_SIZE = 2 << 20  # small, that all buffers stay in the processor's cache from the reading to the writing
BUFFER_COUNT = 6  # one being filled, one being cut, four being hashed and written: 21 MiB in all
assert FIRST_BODY_SIZE > BLOB_LIMIT

ReadInto: TypeAlias = Callable[[memoryview], int]  # the next bytes, at most so many as fit; how many: 0 at the end


class Body(NamedTuple):
    """The next bytes of the file."""

    buffer: memoryview  # the whole buffer: room, then the body
    size: int  # bytes of the body
    at_end: bool  # nothing follows: a read returned no bytes

    @property
    def data(self) -> memoryview:
        """The body alone."""
        return self.buffer[MAX_SIZE : MAX_SIZE + self.size]

    def segment(self, rest: memoryview) -> memoryview:
        """Return ``rest`` and the body in one piece."""
        start = MAX_SIZE - len(rest)
        self.buffer[start:MAX_SIZE] = rest
        return self.buffer[start : MAX_SIZE + self.size]


class BufferRing:
    """Reads to the end, wherever that is thought to be."""

    def __init__(self, read_into: ReadInto) -> None:
        self._read_into = read_into
        self._buffers: list[memoryview] = []
        self._next = 0

    def read(self) -> Body:
        """Read the next body, into the buffer that was used ``BUFFER_COUNT`` bodies ago."""
        limit = BODY_SIZE if self._next else FIRST_BODY_SIZE
        buffer = self._buffer(limit)
        size = 0
        while size < limit:
            count = self._read_into(buffer[MAX_SIZE + size : MAX_SIZE + limit])
            if count == 0:
                break
            size += count
        return Body(buffer, size, at_end=size < limit)

    def go_on_with(self, read_into: ReadInto) -> None:
        """Read from somewhere else; nothing that was read before may be in use any more."""
        self._read_into = read_into

    def _buffer(self, size: int) -> memoryview:
        index = self._next % BUFFER_COUNT
        self._next += 1
        if index == len(self._buffers):
            self._buffers.append(memoryview(bytearray(MAX_SIZE + size)))
        return self._buffers[index]


def reading_file(fd: int, start: int = 0) -> ReadInto:
    """Return what reads ``fd`` from ``start``; its own offset stays where it is."""
    offset = start

    def read_into(room: memoryview) -> int:
        nonlocal offset
        count = os.preadv(fd, [room], offset)
        offset += count
        return count

    return read_into


def after(start: memoryview, read_into: ReadInto) -> ReadInto:
    """Return what gives ``start`` first, then what ``read_into`` reads."""
    rest = start

    def read_on(room: memoryview) -> int:
        nonlocal rest
        if not rest:
            return read_into(room)
        count = min(len(rest), len(room))
        room[:count] = rest[:count]
        rest = rest[count:]
        return count

    return read_on
