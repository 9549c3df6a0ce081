"""Hash threads: they compute ids and BLAKE3 of many spans of a buffer.

The hashes free the interpreter while they run, so two threads keep two cores
busy. A job is a run of spans, not one: starting a job costs as much as hashing much of a
span.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from blake3 import blake3

from vgit.ids import BlobId, ObjectFormat
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")

THREAD_COUNT = 2

Span: TypeAlias = tuple[int, int]  # start and end in a segment, bytes
Hashed: TypeAlias = tuple[BlobId, bytes]  # git id and BLAKE3


@contextmanager
def thread_pool(pool: "futures.Executor | None") -> "Iterator[futures.Executor]":
    """Give ``pool``, or if that is None a pool of ``THREAD_COUNT`` threads that ends with the context."""
    if pool is not None:
        yield pool
        return
    own = futures.ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="vgit-content")
    try:
        yield own
    finally:
        own.shutdown(wait=True, cancel_futures=True)


def spans_of(sizes: Sequence[int], start: int = 0) -> list[Span]:
    """Return the spans of ``sizes`` one after the other.

    >>> spans_of([3, 4], start=10)
    [(10, 13), (13, 17)]
    """
    spans = []
    for size in sizes:
        spans.append((start, start + size))
        start += size
    return spans


def halves(spans: list[Span]) -> list[list[Span]]:
    """Return ``spans`` as one job for each thread."""
    middle = (len(spans) + 1) // 2
    return [part for part in (spans[:middle], spans[middle:]) if part]


def blake3_spans(segment: memoryview, spans: Sequence[Span]) -> list[bytes]:
    """Return the BLAKE3 of each span."""
    return [blake3(segment[start:end]).digest() for start, end in spans]


def identify_spans(object_format: ObjectFormat, segment: memoryview, spans: Sequence[Span]) -> list[Hashed]:
    """Return git id and BLAKE3 of each span."""
    return [
        (BlobId(object_format.object_id(b"blob", segment[start:end])), blake3(segment[start:end]).digest())
        for start, end in spans
    ]


class OrderedHash:
    """BLAKE3 of a whole file whose pieces are hashed by threads, one after the other."""

    def __init__(self, pool: "futures.Executor") -> None:
        self._pool = pool
        self._blake3 = blake3()
        self._last: futures.Future[bool] | None = None

    def submit(self, data: memoryview) -> "futures.Future[bool]":
        """Have ``data`` hashed next; it must stay as it is until the future is done."""
        return self.submit_if(lambda: data)

    def submit_if(self, make: Callable[[], memoryview | None]) -> "futures.Future[bool]":
        """Have hashed next what ``make`` returns, which is called in a thread.

        The future says whether that was done. If ``make`` returned None it is not, nor for all that was submitted
        after it, until ``go_on``.
        """
        self._last = self._pool.submit(self._update, self._last, make)
        return self._last

    def go_on(self) -> None:
        """Hash again what is submitted, once all that was submitted is done."""
        self._last = None

    def digest(self) -> bytes:
        """Return the BLAKE3 of all that was hashed."""
        if self._last is not None:
            self._last.result()
        return self._blake3.digest()

    def _update(self, before: "futures.Future[bool] | None", make: Callable[[], memoryview | None]) -> bool:
        data = make()
        # Cannot wait for ever: a pool starts its jobs in order, so ``before`` is running or done.
        if (before is not None and not before.result()) or data is None:
            return False
        self._blake3.update(data)
        return True
