"""Cutter: which chunks a segment of a file is cut into, and their hashes.

A cutter is asked twice for each segment, so that the caller can read on while
threads hash: ``begin``, then ``finish``. ``PlainCutter`` cuts everything;
``FollowingCutter`` first tries the chunks of an old version (old_chunks.py).
Both give the same chunks.
"""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from vgit.content.chunker import Chunker
from vgit.content.hash_threads import Hashed, Span, blake3_spans, halves, identify_spans, spans_of
from vgit.content.old_chunks import OldChunks
from vgit.ids import BlobId, ObjectFormat

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future


class Cut(NamedTuple):
    """The chunks of one segment: spans, and in the same order their hashes, which threads compute."""

    spans: list[Span]
    hashed: list["Future[list[Hashed]]"]  # runs of chunks

    def result(self) -> list[Hashed]:
        """Return id and BLAKE3 of each chunk; waits for the threads."""
        return [item for future in self.hashed for item in future.result()]


class Cutter(Protocol):
    """Called with one segment after the other, each starting where the last cut ended."""

    def begin(self, segment: memoryview, *, at_end: bool) -> None:
        """Start on ``segment``, which must stay as it is until the cut is done with."""

    def finish(self) -> Cut:
        """Return the chunks that the segment starts with; some may still be being hashed."""


class PlainCutter:
    """Cuts everything, hashes everything."""

    def __init__(self, object_format: ObjectFormat, pool: "Executor") -> None:
        self._format = object_format
        self._pool = pool
        self._chunker = Chunker()
        self._cut = Cut([], [])

    def begin(self, segment: memoryview, *, at_end: bool) -> None:
        """Cut the segment and start to hash it."""
        spans = spans_of(self._chunker.cut(segment, at_end=at_end))
        # One job for a segment: nobody waits for this one's before the next ones are under way.
        self._cut = Cut(spans, [self._pool.submit(identify_spans, self._format, segment, spans)])

    def finish(self) -> Cut:
        """Return what ``begin`` cut."""
        return self._cut


class FollowingCutter:
    """Takes over what an old version of the file has; cuts, and gives SHA-1 to, only the rest."""

    def __init__(self, object_format: ObjectFormat, pool: "Executor", old: OldChunks) -> None:
        self._format = object_format
        self._pool = pool
        self._old = old
        self._chunker = Chunker()
        self._segment = memoryview(b"")
        self._at_end = False
        self._following = False
        self.followed_segments = 0  # in a row: as expected from their first byte to their last
        self._spans: list[Span] = []  # that are being hashed: expected ones if following, else cut ones
        self._jobs: list[Future[list[bytes]]] = []

    def begin(self, segment: memoryview, *, at_end: bool) -> None:
        """Start to hash the segment at the borders that are expected, or else at those of cutting."""
        self._segment = segment
        self._at_end = at_end
        sizes = self._old.expected_sizes(len(segment), at_end=at_end)
        self._following = bool(sizes)
        self._spans = spans_of(sizes or self._chunker.cut(segment, at_end=at_end))
        self._jobs = self._submit(self._spans)

    def finish(self) -> Cut:
        """Return the expected chunks as far as they are there, and what cutting gives after them."""
        spans, digests = self._spans, _gather(self._jobs)
        if self._following:
            spans, digests = self._followed(spans, digests)
            self.followed_segments = self.followed_segments + 1 if spans == self._spans else 0
        else:
            self.followed_segments = 0
            self._old.resume_after(digests)
        ids = [self._old.id_of(digest) for digest in digests]
        job = self._pool.submit(_add_ids, self._format, self._segment, spans, ids, digests)
        return Cut(spans, [job])

    def _followed(self, spans: list[Span], digests: list[bytes]) -> tuple[list[Span], list[bytes]]:
        """Return spans and BLAKE3s of the segment's chunks, given those of the expected spans."""
        equal = self._confirmed(self._old.count_equal(digests))
        self._old.skip(equal)
        end = spans[equal - 1][1] if equal else 0
        cut = spans_of(self._chunker.cut(self._segment[end:], at_end=self._at_end), end)
        # An overwritten part leaves the borders after it: what was hashed there already is not hashed again.
        known = dict(zip(spans, digests, strict=True))
        missing = [span for span in cut if span not in known]
        known.update(zip(missing, _gather(self._submit(missing)), strict=True))
        cut_digests = [known[span] for span in cut]
        self._old.resume_after(cut_digests)
        return [*spans[:equal], *cut], [*digests[:equal], *cut_digests]

    def _confirmed(self, equal: int) -> int:
        """Return ``equal``, or one less if the last of so many equal chunks ends elsewhere now."""
        if equal == 0:
            return 0
        start, end = self._spans[equal - 1]
        return equal if start + self._chunker.first(self._segment[start:]) == end else equal - 1

    def _submit(self, spans: list[Span]) -> list["Future[list[bytes]]"]:
        return [self._pool.submit(blake3_spans, self._segment, part) for part in halves(spans)]


def _gather(jobs: list["Future[list[bytes]]"]) -> list[bytes]:
    return [digest for job in jobs for digest in job.result()]


def _add_ids(
    object_format: ObjectFormat,
    segment: memoryview,
    spans: list[Span],
    ids: list[BlobId | None],
    digests: list[bytes],
) -> list[Hashed]:
    """Return id and BLAKE3 of each span, computing the ids that are None."""
    return [
        (BlobId(object_format.object_id(b"blob", segment[start:end])) if id is None else id, digest)
        for (start, end), id, digest in zip(spans, ids, digests, strict=True)
    ]
