"""Blob run: small blobs read one after the other, as they lie in a pack.

A commit writes the blobs of a directory in path order, so whoever reads them in
path order finds each where the one before ended, without asking an index. What
lies there is a guess until the caller has held its BLAKE3 against the one that
it wants; if it is another blob, or none, the run is set to the right place by
``seek`` and goes on from there.
"""

from vgit.backend.protocol import Backend
from vgit.ids import ObjectId
from vgit.objects.deflate import inflate_whole
from vgit.objects.object_kind import BLOB
from vgit.objects.pack_set import PackSet
from vgit.objects.stored_blocks import BLOCK, HEAD_SIZE, head

LARGEST = BLOCK  # bytes of a blob that a run may hold: one stored block

_FIRST = 16_384  # read at once after a seek; four times as much each time that the run goes on
_LONGEST = 262_144
_LONGEST_HEADER = 3  # bytes of an entry's header up to that size
_AROUND = _LONGEST_HEADER + HEAD_SIZE + 4


class BlobRun:
    """A place in a pack. Used by one thread."""

    def __init__(self, backend: Backend, packs: PackSet) -> None:
        self._backend = backend
        self._packs = packs
        self._key = ""
        self._window = b""
        self._start = 0  # of the window in the pack
        self._at = 0  # in the window
        self._end = 0  # of the objects in the pack

    def seek(self, id: ObjectId) -> bool:
        """Go to where a pack holds ``id``; False if none does."""
        found = self._packs.locate(id)
        if found is None:
            return False
        pack, position = found
        offset = pack.offset(position)
        at = offset - self._start
        if pack.key == self._key and 0 <= at <= len(self._window):
            self._at = at
        else:
            self._key, self._end = pack.key, pack.end
            self._start, self._at, self._window = offset, 0, b""
        return True

    def take(self, size: int) -> bytes | None:
        """Return the data here, not verified, and go on behind it; None if this is no blob of so many bytes."""
        if self._at + size + _AROUND > len(self._window):
            self._read_on(size)
        window, at = self._window, self._at
        if at >= len(window):
            return None
        byte = window[at]
        if byte >> 4 & 7 != BLOB:
            return None
        found, shift = byte & 15, 4
        at += 1
        while byte & 0x80 and shift < 20 and at < len(window):
            byte = window[at]
            found |= (byte & 0x7F) << shift
            shift += 7
            at += 1
        if found != size:
            return None
        body = at + HEAD_SIZE
        if window[at:body] == head(size):
            self._at = body + size + 4
            data = window[body : body + size]
            return data if len(data) == size else None
        inflated = inflate_whole(window[at : at + size + HEAD_SIZE + 4], size)
        if inflated is None:
            return None
        data, used = inflated
        self._at = at + used
        return data

    def _read_on(self, size: int) -> None:
        """Move the window to where the run is, with all that an entry of ``size`` may take, if the pack has it."""
        start = self._start + self._at
        length = min(max(4 * len(self._window), _FIRST), _LONGEST)
        length = min(max(length, size + _AROUND), self._end - start)
        self._window = self._backend.get(self._key, start, length) if length > 0 else b""
        self._start, self._at = start, 0
