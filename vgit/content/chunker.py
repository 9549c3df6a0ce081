"""Chunker: where a large file is cut into chunks, and its chunks into groups.

Both are functions of the content alone, so that the same bytes always give
the same tree and an insertion moves only the borders near it (normative
text: docs/format/content.md):

- FastCDC (2020) looks at no more than ``MAX_SIZE`` bytes from a chunk's first
  byte, and at the byte after the chunk. So a cut can be decided as soon as
  ``MAX_SIZE`` bytes are at hand or the end of the file is known, and depends
  on nothing that came before the chunk.
- A group ends after a chunk whose BLAKE3 has its first seven bits zero, once
  it has 64 chunks; in any case after 1,024.
"""

from typing import TYPE_CHECKING, Final

from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import pyfastcdc
else:
    pyfastcdc = lazy_import("pyfastcdc")

BLOB_LIMIT = 4 << 20  # the largest file stored as one blob, in bytes

# Stored trees depend on these: another value stores every large file anew. Never edit, only add a version.
MIN_SIZE = 64 << 10
AVERAGE_SIZE = 256 << 10
MAX_SIZE = 1 << 20
NORMALIZATION: Final = 1  # with 2 and 3 it takes long after an edit until old borders are met again
USUAL_SIZE = 313 << 10  # what chunks of data without long repetitions have on average; nothing depends on it but time
GROUP_MIN = 64  # chunks
GROUP_MAX = 1024
_GROUP_END_BELOW = 2  # of 256: one chunk in 128 may end a group


class Chunker:
    """FastCDC with vgit's parameters. For one thread at a time."""

    def __init__(self) -> None:
        self._fastcdc = pyfastcdc.FastCDC(
            AVERAGE_SIZE, min_size=MIN_SIZE, max_size=MAX_SIZE, normalized_chunking=NORMALIZATION
        )

    def cut(self, segment: memoryview, *, at_end: bool) -> list[int]:
        """Return the sizes of the chunks that ``segment`` starts with, as far as they can be decided.

        ``at_end`` says that the file ends with the segment: then the sizes
        cover it. Otherwise less than ``MAX_SIZE`` bytes are left over.

        >>> Chunker().cut(memoryview(bytes(3 << 20)), at_end=False)
        [1048576, 1048576, 1048576]
        >>> Chunker().cut(memoryview(bytes(70000)), at_end=True)
        [70000]
        """
        # The iterator is asked only for cuts that count: one too many for each segment costs more than all else here.
        last_start = len(segment) - (1 if at_end else MAX_SIZE)
        chunks = self._fastcdc.cut_buf(segment)
        sizes = []
        start = 0
        while start <= last_start:
            size = next(chunks).length
            sizes.append(size)
            start += size
        return sizes

    def first(self, segment: memoryview) -> int:
        """Return the first chunk's size; ``segment`` has ``MAX_SIZE`` bytes or reaches the file's end."""
        return next(self._fastcdc.cut_buf(segment)).length


def ends_group(chunk_hash: bytes, chunk_count: int) -> bool:
    """Return whether a group ends after its ``chunk_count``-th chunk, which has the BLAKE3 ``chunk_hash``."""
    if chunk_count < GROUP_MIN:
        return False
    return chunk_hash[0] < _GROUP_END_BELOW or chunk_count == GROUP_MAX
