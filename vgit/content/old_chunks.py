"""Old chunks: the version of a file that is replaced, to tell what is the same without cutting it again.

Where the new file is thought to follow the old one, the old sizes are tried:
as long as the bytes there have the old BLAKE3, the chunk's id is taken over,
with no cut and no SHA-1. From a difference on the rest of the segment is cut,
until its last chunk is one of the old file's; after that one the old sizes are
tried again.

The result is the same as cutting without the old version. FastCDC decides a
chunk's end by the chunk's bytes and the one byte after, so:

- an old chunk that is followed by old bytes again ends where it ended;
- the last of a run of equal chunks may be followed by another byte, or have
  been ended by the old file's end: its end is always cut anew.
"""

from collections.abc import Sequence

from vgit.content.chunk_tree import open_chunk_tree, read_chunks
from vgit.content.chunk_tree_record import CHUNKING
from vgit.content.chunker import MAX_SIZE
from vgit.errors import CorruptObjectError
from vgit.ids import BlobId, TreeId
from vgit.objects.object_database import ObjectDatabase


class OldChunks:
    """The old chunks, and where among them the new file is thought to be. About 300 bytes a chunk."""

    def __init__(self, chunks: Sequence[tuple[int, BlobId, bytes]]) -> None:
        self._sizes = [size for size, _, _ in chunks]
        self._ids = [id for _, id, _ in chunks]
        self._hashes = [digest for _, _, digest in chunks]
        # The first of equal chunks: a run of zeros is then followed to its end.
        self._by_hash = {digest: i for i, digest in reversed(list(enumerate(self._hashes)))}
        self._next: int | None = 0

    def expected_sizes(self, length: int, *, at_end: bool) -> list[int]:
        """Return the sizes of the chunks that ``length`` bytes should start with; none if unknown.

        Only chunks after whose first byte ``MAX_SIZE`` bytes or the file's end are in sight, as when cutting.
        """
        if self._next is None:
            return []
        last_start = length - (1 if at_end else MAX_SIZE)
        sizes = []
        start = 0
        for index in range(self._next, len(self._sizes)):
            size = self._sizes[index]
            if start > last_start or start + size > length:
                break
            sizes.append(size)
            start += size
        return sizes

    def expected(self, ahead: int, length: int) -> list[tuple[int, bytes]]:
        """Return size and BLAKE3 of expected chunks, from the one ``ahead`` on, until they have ``length`` bytes."""
        chunks: list[tuple[int, bytes]] = []
        if self._next is not None:
            for index in range(self._next + ahead, len(self._sizes)):
                chunks.append((self._sizes[index], self._hashes[index]))
                length -= self._sizes[index]
                if length <= 0:
                    break
        return chunks

    def take(self, count: int) -> list[tuple[BlobId, bytes]]:
        """Return id and BLAKE3 of the next ``count`` expected chunks, which are there, and expect what follows them."""
        first = self._next
        assert first is not None
        self._next = first + count
        return list(zip(self._ids[first : self._next], self._hashes[first : self._next], strict=True))

    def count_equal(self, hashes: Sequence[bytes]) -> int:
        """Return how many of ``hashes`` are those of the expected chunks, up to the first that is not."""
        assert self._next is not None
        for count, digest in enumerate(hashes):
            if self._hashes[self._next + count] != digest:
                return count
        return len(hashes)

    def resume_after(self, hashes: Sequence[bytes]) -> None:
        """Take note that the next chunks were cut anew: expect what followed the last, if it is old."""
        if hashes:
            last = self._by_hash.get(hashes[-1])
            self._next = None if last is None else last + 1

    def skip(self, count: int) -> None:
        """Take note that the next ``count`` chunks are the expected ones."""
        assert self._next is not None
        self._next += count

    def id_of(self, digest: bytes) -> BlobId | None:
        """Return the git id of the old chunk with this BLAKE3."""
        index = self._by_hash.get(digest)
        return None if index is None else self._ids[index]


def load_old_chunks(objects: ObjectDatabase, id: TreeId, hash: bytes) -> OldChunks | None:
    """Return the chunks of the file ``id`` with BLAKE3 ``hash``, or None if they are of no use.

    They are not when stock git edited the tree, when it was cut by other rules, and when it is
    damaged: that must not stop a new version from being stored.
    """
    try:
        tree = open_chunk_tree(objects, id)
        if tree is None or tree.hash != hash or tree.chunking != CHUNKING:
            return None
        chunks = []
        for group in tree.groups:
            for _, size, chunk_id, digest in read_chunks(objects, tree, group):
                if digest is None or size > MAX_SIZE:
                    return None
                chunks.append((size, chunk_id, digest))
    except CorruptObjectError:
        return None
    return OldChunks(chunks)
