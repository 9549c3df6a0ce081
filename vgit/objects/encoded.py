"""Encoded: a small object as its entry in a pack will be, made by whichever process has its bytes."""

from typing import TypeAlias

from isal import isal_zlib

from vgit.ids import BlobId, ObjectFormat, ObjectId
from vgit.objects.deflate import STORED_BELOW, encode
from vgit.objects.object_kind import BLOB, KIND_NAMES
from vgit.objects.pack_entry import encode_header, encode_small
from vgit.runtime.buffer import Buffer

# What a pack and its index need of an object: id, entry (header and zlib stream), CRC-32 of the entry. A plain tuple,
# as 10^5 of them go from process to process.
Encoded: TypeAlias = tuple[ObjectId, bytes, int]
EncodedBlob: TypeAlias = tuple[BlobId, bytes, int]


def encode_entry(kind: int, data: Buffer) -> bytes:
    """Return the entry of an object in one piece."""
    if len(data) < STORED_BELOW:
        return encode_small(kind, data)
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
