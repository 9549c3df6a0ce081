"""Encoded blob: a small blob as its entry in a pack will be, made by whichever process has its bytes."""

from typing import NamedTuple

from isal import isal_zlib

from vgit.ids import BlobId, ObjectFormat
from vgit.objects.deflate import STORED_BELOW, encode
from vgit.objects.kinds import BLOB
from vgit.objects.pack_entry import encode_header, encode_small


class EncodedBlob(NamedTuple):
    """What a pack and its index need of a blob."""

    id: BlobId
    entry: bytes  # header and zlib stream
    crc: int  # CRC-32 of the entry


def encode_entry(kind: int, data: bytes) -> bytes:
    """Return the entry of an object in one piece."""
    if len(data) < STORED_BELOW:
        return encode_small(kind, data)
    return b"".join([encode_header(kind, len(data)), *encode(data)])


def encode_blob(data: bytes, form: ObjectFormat) -> EncodedBlob:
    """Return the entry of a blob, with its id."""
    entry = encode_entry(BLOB, data)
    id = form.new(b"blob %d\0" % len(data) + data).digest()  # a copy of little costs less than a second call
    return EncodedBlob(id, entry, isal_zlib.crc32(entry))
