r"""Loose object: what stock git writes one file each; vgit reads them and never makes them.

One file holds:

    objects/ab/cdef…      zlib stream of b"<kind> <size>\0" and the data
"""

import re

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId
from vgit.objects.deflate import MAX_RATIO, inflate, inflate_start
from vgit.objects.object_kind import KIND_NUMBERS

_KEY = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]+)")
_HEADER = re.compile(rb"(commit|tree|blob|tag) (0|[1-9][0-9]{0,18})\0")
_LONGEST_HEADER = 32


def loose_key(id: ObjectId) -> str:
    """Return the key of a loose object.

    >>> loose_key(ObjectId(bytes.fromhex("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")))
    'objects/e6/9de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    text = id.hex()
    return f"objects/{text[:2]}/{text[2:]}"


def loose_id(key: str, id_size: int) -> ObjectId | None:
    """Return the id of the loose object that ``key`` is, None if it is something else."""
    match = _KEY.fullmatch(key)
    if match is None or len(match[2]) != 2 * id_size - 2:
        return None
    return ObjectId(bytes.fromhex(match[1] + match[2]))


def loose_header(backend: Backend, id: ObjectId) -> tuple[int, int]:
    """Return (kind, size); NotFoundError if there is no such file."""
    kind, size, _ = _header(backend.get(loose_key(id), 0, 512), id)
    return kind, size


def read_loose(backend: Backend, id: ObjectId) -> tuple[int, bytes]:
    """Return (kind, data), the id not checked; NotFoundError if there is no such file."""
    stream = backend.get(loose_key(id))
    kind, size, start = _header(stream, id)
    if size > len(stream) * MAX_RATIO:
        raise CorruptObjectError(f"{loose_key(id)}: {len(stream)} bytes cannot hold an object of {size}")
    try:
        return kind, inflate([stream], start + size)[start:]
    except ValueError as error:
        raise CorruptObjectError(f"{loose_key(id)}: {error}") from error


def _header(stream: bytes, id: ObjectId) -> tuple[int, int, int]:
    """Return (kind, size, where the data begins once inflated)."""
    try:
        start = inflate_start(stream, _LONGEST_HEADER)
    except ValueError as error:
        raise CorruptObjectError(f"{loose_key(id)}: {error}") from error
    match = _HEADER.match(start)
    if match is None:
        raise CorruptObjectError(f"{loose_key(id)}: begins with {start!r}, not with a kind and a size")
    return KIND_NUMBERS[match[1]], int(match[2]), match.end()
