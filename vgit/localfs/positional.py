"""Positional: reads and writes of whole ranges, whatever the kernel does in pieces.

No call moves a file offset, so threads and forked children may share a
descriptor. A call may do less than it was asked (2 GiB at most, 1,024 buffers
at most, a nearly full disk), so each one loops. Buffers are views of bytes:
``len`` is their size. All raise OSError.
"""

import errno
import os
from collections.abc import Sequence

from vgit.runtime.buffer import Buffer

_IOV_MAX = 1024  # Linux's UIO_MAXIOV: more buffers in one call are refused with EINVAL.


def read_at(fd: int, start: int, length: int) -> bytes:
    """Return ``length`` bytes from ``start``, fewer only at the end of the file."""
    data = os.pread(fd, length, start)
    if len(data) == length or not data:
        return data
    pieces = [data]
    done = len(data)
    while done < length:
        data = os.pread(fd, length - done, start + done)
        if not data:
            break
        pieces.append(data)
        done += len(data)
    return b"".join(pieces)


def read_into(fd: int, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
    """Fill ``buffers`` in order from ``start``; return the bytes read, fewer only at the end."""
    total = 0
    for first in range(0, len(buffers), _IOV_MAX):
        batch = buffers[first : first + _IOV_MAX]
        wanted = sum(map(len, batch))
        done = os.preadv(fd, batch, start + total)
        while 0 < done < wanted:
            more = os.preadv(fd, _after(batch, done), start + total + done)
            if not more:
                break
            done += more
        total += done
        if done < wanted:
            break
    return total


def write_at(fd: int, offset: int, parts: Sequence[Buffer]) -> int:
    """Write all of ``parts`` in order at ``offset``; return their size in bytes."""
    total = 0
    for first in range(0, len(parts), _IOV_MAX):
        batch = parts[first : first + _IOV_MAX]
        wanted = sum(map(len, batch))
        done = os.pwritev(fd, batch, offset + total)
        while done < wanted:
            more = os.pwritev(fd, _after(batch, done), offset + total + done)
            if not more:
                raise OSError(errno.EIO, "the kernel wrote nothing and said no reason")
            done += more
        total += wanted
    return total


def _after(buffers: Sequence[Buffer], done: int) -> list[memoryview]:
    """Return what is left of ``buffers`` behind their first ``done`` bytes."""
    for index, buffer in enumerate(buffers):
        if done < len(buffer):
            return [memoryview(buffer)[done:], *(memoryview(rest) for rest in buffers[index + 1 :])]
        done -= len(buffer)
    return []
