"""Stored content: what a directory keeps of one file's bytes.

``git_mode`` tells the two forms apart: ``TREE_MODE`` is a chunk tree, all else
is a blob. An ``Entry`` of a directory is a ``Content`` too.
"""

from typing import NamedTuple, Protocol

from vgit.ids import ObjectId

BLOB_CONTENT = 0  # ``StoredContent.git_mode`` of a blob: whether it is executable is the directory's matter


class StoredContent(NamedTuple):
    """Bytes that have been stored. A tuple, because there are 10^6 of them."""

    git_mode: int  # BLOB_CONTENT or TREE_MODE
    id: ObjectId  # of the blob or of the chunk tree
    size: int  # bytes
    hash: bytes  # BLAKE3 of the bytes, raw


class Content(Protocol):
    """Bytes that are to be read."""

    @property
    def git_mode(self) -> int:
        """TREE_MODE for a chunk tree; any other mode for a blob."""

    @property
    def id(self) -> ObjectId | None:
        """The blob or the chunk tree; None for what has no bytes to read (a FIFO)."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def hash(self) -> bytes | None:
        """BLAKE3 of the bytes, raw; None if it is not known: then git's id vouches for them."""
