"""Pack entry: an object in a pack, a header and its deflated bytes.

    byte 0     1 bit more | 3 bits kind | 4 bits size, lowest first
    byte n     1 bit more | 7 bits size
    base       OFS_DELTA: distance back to the base, 7 bits a byte, highest first
               REF_DELTA: the base's id

The size is that of the object, or of the delta. The deflated bytes follow.
"""

from struct import Struct
from typing import TypeAlias

from isal import isal_zlib

from vgit.ids import BlobId, ObjectFormat, ObjectId
from vgit.objects.deflate import STORED_BELOW, encode
from vgit.objects.object_kind import BLOB, KIND_NAMES
from vgit.runtime.buffer import Buffer

LONGEST_HEADER = 32 + 10  # bytes: a size of 64 bits takes 10, a base at most an id

# What a pack and its index need of an object: id, entry (header and zlib stream), CRC-32 of the entry. A plain tuple,
# as 10^5 of them go from process to process.
Encoded: TypeAlias = tuple[ObjectId, bytes, int]
EncodedBlob: TypeAlias = tuple[BlobId, bytes, int]

_TINY = Struct("<B2sBHH")  # entry header of 1 byte, then the head of a stored stream
_SMALL = Struct("<BB2sBHH")  # the same with 2 bytes


def encode_header(kind: int, size: int) -> bytes:
    """Return the bytes before an object that is not a delta.

    >>> encode_header(3, 300).hex()
    'bc12'
    """
    header = bytearray()
    byte = kind << 4 | size & 15
    size >>= 4
    while size:
        header.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    header.append(byte)
    return bytes(header)


def _encode_small(kind: int, data: Buffer) -> bytes:
    """Return the whole entry, stored, of an object of less than 2,048 bytes."""
    size = len(data)
    if size < 16:
        head = _TINY.pack(kind << 4 | size, b"\x78\x01", 1, size, size ^ 0xFFFF)
    else:
        head = _SMALL.pack(0x80 | kind << 4 | size & 15, size >> 4, b"\x78\x01", 1, size, size ^ 0xFFFF)
    return head + data + isal_zlib.adler32(data).to_bytes(4, "big")


def encode_entry(kind: int, data: Buffer) -> bytes:
    """Return the entry of an object in one piece."""
    if len(data) < STORED_BELOW:
        return _encode_small(kind, data)
    return b"".join([encode_header(kind, len(data)), *encode(data)])


def encode_blob(data: bytes, object_format: ObjectFormat) -> EncodedBlob:
    """Return the entry of a blob, with its id."""
    entry = encode_entry(BLOB, data)
    id = object_format.new(b"blob %d\0" % len(data) + data).digest()  # a copy of little costs less than a second call
    return id, entry, isal_zlib.crc32(entry)


def encode_object(kind: int, data: Buffer, object_format: ObjectFormat) -> Encoded:
    """Return the entry of an object, with its id."""
    entry = encode_entry(kind, data)
    return object_format.object_id(KIND_NAMES[kind], data), entry, isal_zlib.crc32(entry)


def parse_header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return (kind, size, where the header ends); IndexError when ``data`` is too short.

    >>> parse_header(bytes.fromhex("bc12"), 0)
    (3, 300, 2)
    """
    byte = data[at]
    kind = byte >> 4 & 7
    size = byte & 15
    shift = 4
    while byte & 0x80:
        at += 1
        byte = data[at]
        size |= (byte & 0x7F) << shift
        shift += 7
    return kind, size, at + 1


def parse_distance(data: bytes, at: int) -> tuple[int, int]:
    """Return (how far back an OFS_DELTA's base begins, where the number ends); IndexError as above."""
    byte = data[at]
    distance = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        distance = (distance + 1) << 7 | byte & 0x7F
    return distance, at + 1
