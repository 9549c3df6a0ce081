r"""Ids: the raw names of git objects, and the hash that makes them.

An object's id is the hash of ``b"<type> <size>\0"`` and its bytes. Ids are
kept raw (20 bytes for SHA-1); hex is for text formats and for people. The
hash comes from the repository's object format, so nothing else knows that
an id has 20 bytes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NewType

ObjectId = NewType("ObjectId", bytes)
BlobId = NewType("BlobId", ObjectId)
TreeId = NewType("TreeId", ObjectId)
CommitId = NewType("CommitId", ObjectId)

_SHORT_DIGITS = 12

HashFactory = Callable[[bytes | bytearray | memoryview], Any]


@dataclass(frozen=True, slots=True)
class ObjectFormat:
    """How a repository names its objects: git's ``extensions.objectFormat``."""

    name: str
    id_size: int  # bytes of a raw id
    new: HashFactory  # hashlib constructor

    def object_id(self, kind: bytes, data: bytes | bytearray | memoryview) -> ObjectId:
        """Return the raw id of an object of git type ``kind`` (``b"blob"``, ``b"tree"``, …).

        >>> SHA1.object_id(b"blob", b"").hex()
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
        """
        digest = self.new(b"%s %d\0" % (kind, len(data)))
        digest.update(data)
        return ObjectId(digest.digest())


SHA1 = ObjectFormat("sha1", 20, hashlib.sha1)
FORMATS = {SHA1.name: SHA1}


def short_id(id: bytes | str) -> str:
    """Return an id, raw or in hex digits, as messages show it: its first 12 hex digits."""
    return (id if isinstance(id, str) else id.hex())[:_SHORT_DIGITS]
