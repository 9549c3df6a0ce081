"""Large file: one file on its way into a chunk tree, a segment after the other.

    read → cut → hashed by threads → written by the pack's thread → buffer free again

Where it seems to follow its old version, threads confirm that on their own
(unchanged_runs.py), which reads from its first byte again what the ring had
read ahead and not yet hashed.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from vgit.content.buffer_ring import BUFFER_COUNT, Body, BufferRing
from vgit.content.chunk_tree import ChunkTreeWriter
from vgit.content.cutter import Cut, Cutter, FollowingCutter
from vgit.content.hash_threads import OrderedHash, Span
from vgit.content.stored_content import StoredContent
from vgit.content.unchanged_runs import UnchangedRuns
from vgit.ids import BlobId
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_writer import ObjectWriter
from vgit.runtime.cancel import checkpoint

if TYPE_CHECKING:
    from concurrent.futures import Future

Watch: TypeAlias = Callable[[int], object]  # called with a number of bytes, each time that so many more were read

_HASHED_SEGMENTS = 2
_WRITTEN_SEGMENTS = BUFFER_COUNT - 2 - _HASHED_SEGMENTS
_NOTHING = memoryview(b"")
# Where the old version was lost, it must be met again for so many segments (longer than a run) before runs are tried.
_PATIENCE = 2
_MOST_PATIENCE = 32
_WORTH_RUNS = 8  # fewer in a row did not pay

_Uses: TypeAlias = "list[Future[Any]]"  # what still uses a segment's buffer


class _Pending(NamedTuple):
    """A segment whose chunks are still being hashed or not yet written."""

    segment: memoryview
    cut: Cut
    whole: "Future[bool]"


class LargeFile:
    """Writes the file that ``ring`` reads, cut as ``cutter`` says."""

    def __init__(
        self, ring: BufferRing, writer: ObjectWriter, cutter: Cutter, whole: OrderedHash, watch: Watch | None
    ) -> None:
        self._ring = ring
        self._writer = writer
        self._cutter = cutter
        self._whole = whole
        self._watch = watch
        self._tree = ChunkTreeWriter(writer)
        self._size = 0  # bytes that have their chunks
        self._pending: deque[_Pending] = deque()
        self._used: deque[_Uses] = deque()

    def store(self, body: Body, unchanged: UnchangedRuns | None = None) -> StoredContent:
        """Write what starts with ``body``, what ``unchanged`` can confirm without cutting; return what was stored."""
        following = self._cutter if isinstance(self._cutter, FollowingCutter) else None
        patience = _PATIENCE
        rest = _NOTHING
        while True:
            checkpoint()
            segment = body.segment(rest)
            at_end = body.at_end
            self._cutter.begin(segment, at_end=at_end)
            if not at_end:
                self._free_a_buffer()
                body = self._ring.read()
            rest = self._finish_cut(segment)
            if at_end:
                break
            if unchanged is not None and following is not None and following.followed_segments >= patience:
                patience = _PATIENCE if self._skip(unchanged) >= _WORTH_RUNS else min(2 * patience, _MOST_PATIENCE)
                following.followed_segments = 0
                body, rest = self._ring.read(), _NOTHING
        self._settle()
        digest = self._whole.digest()
        return StoredContent(TREE_MODE, self._tree.finish(digest), self._size, digest)

    def _finish_cut(self, segment: memoryview) -> memoryview:
        """Have the chunks of ``segment`` hashed; return what is left of it."""
        cut = self._cutter.finish()
        end = cut.spans[-1][1] if cut.spans else 0
        self._pending.append(_Pending(segment, cut, self._whole.submit(segment[:end])))
        self._count(end)
        return segment[end:]

    def _skip(self, unchanged: UnchangedRuns) -> int:
        """Take over what is unchanged from here on; return in how many runs that was confirmed."""
        self._settle()
        count = 0
        for run in unchanged.runs(self._size):
            jobs = self._write(run.data, run.spans, run.chunks)
            _wait(jobs)
            self._count(run.spans[-1][1])
            count += 1
        self._ring.go_on_with(unchanged.reading(self._size))
        return count

    def _count(self, size: int) -> None:
        self._size += size
        if self._watch is not None:
            self._watch(size)

    def _free_a_buffer(self) -> None:
        """Be done with the oldest buffer, into which the next body goes."""
        while len(self._pending) > _HASHED_SEGMENTS:
            self._write_pending()
        while len(self._used) > _WRITTEN_SEGMENTS:
            _wait(self._used.popleft())

    def _settle(self) -> None:
        """Be done with all segments."""
        while self._pending:
            self._write_pending()
        while self._used:
            _wait(self._used.popleft())

    def _write_pending(self) -> None:
        segment, cut, whole = self._pending.popleft()
        self._used.append([whole, *self._write(segment, cut.spans, cut.result())])

    def _write(self, data: memoryview, spans: list[Span], chunks: list[tuple[BlobId, bytes]]) -> _Uses:
        """Have chunks written; once all that is returned is done nothing uses ``data``."""
        jobs = self._writer.write_hashed_blobs(
            (id, data[start:end]) for (start, end), (id, _) in zip(spans, chunks, strict=True)
        )
        for (start, end), (id, digest) in zip(spans, chunks, strict=True):
            self._tree.add(id, end - start, digest)
        return list(jobs)


def _wait(jobs: _Uses) -> None:
    for job in jobs:
        job.result()
