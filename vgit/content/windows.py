"""Windows: a file's bytes, read once and in order, into a few buffers that are used again and again.

    buffer   |      room       |            body             |
                    | rest     | newly read                  |
                    |<------------- window --------------->|

What the window before left uncut (its *rest*, less than one largest chunk) is
copied in front of the newly read *body*, so that every chunk lies in one
piece. Positional reads, not a map: a map counts as memory, dies when the file
is cut short, and may show other bytes to the hash than to the store.
"""

import os
from typing import NamedTuple

from vgit.content.chunking import BLOB_LIMIT, MAX_SIZE

BODY_SIZE = 6 << 20  # bytes; over BLOB_LIMIT, so that the first body tells whether the file is small after all
BUFFER_COUNT = 4  # one being filled, one being cut, two being hashed and written: 28 MiB in all
assert BODY_SIZE > BLOB_LIMIT


class Body(NamedTuple):
    """The next bytes of the file."""

    buffer: memoryview  # the whole buffer: room, then the body
    size: int  # bytes of the body
    at_end: bool  # nothing follows: a read returned no bytes

    @property
    def data(self) -> memoryview:
        """The body alone."""
        return self.buffer[MAX_SIZE : MAX_SIZE + self.size]

    def window(self, rest: memoryview) -> memoryview:
        """Return ``rest`` and the body in one piece."""
        start = MAX_SIZE - len(rest)
        self.buffer[start:MAX_SIZE] = rest
        return self.buffer[start : MAX_SIZE + self.size]


class FileWindows:
    """Reads ``fd`` from its first byte to its end, whatever its size was thought to be."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._offset = 0
        self._buffers: list[memoryview] = []
        self._next = 0

    def read(self) -> Body:
        """Read the next body, into the buffer that was used ``BUFFER_COUNT`` bodies ago."""
        buffer = self._buffer()
        size = 0
        while size < BODY_SIZE:
            count = os.preadv(self._fd, [buffer[MAX_SIZE + size :]], self._offset + size)
            if count == 0:
                break
            size += count
        self._offset += size
        return Body(buffer, size, at_end=size < BODY_SIZE)

    def _buffer(self) -> memoryview:
        index = self._next % BUFFER_COUNT
        self._next += 1
        if index == len(self._buffers):
            self._buffers.append(memoryview(bytearray(MAX_SIZE + BODY_SIZE)))
        return self._buffers[index]
