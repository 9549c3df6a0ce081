"""Read-ahead: small local files of an upload, read in threads before it is their turn.

That costs nothing where the files are in the page cache, and saves up to half
of the time where they are not (docs/performance.md).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeGuard, TypeVar

from vgit.files.batches import batches
from vgit.files.steady_read import Watch, read_small
from vgit.localfs.file_stat import Stat
from vgit.paths import Path
from vgit.runtime.lazy_import import lazy_import
from vgit.transfer.local_file import Kinds, opened_file
from vgit.transfer.local_tree import LocalFile

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")

_SMALL_BYTES = 1 << 20
_JOB_FILES = 64  # handing a job over costs as much as reading five small files
_JOB_BYTES = 4 << 20
_JOBS_AHEAD = 3  # with their data at most 12 MiB, and a file more each
_READERS = 4

_Item = TypeVar("_Item")
_Group: TypeAlias = list[tuple[Path, _Item]]


class FileAhead(NamedTuple):
    """A small file that was read before its turn; it held still meanwhile."""

    data: bytes
    now: Stat
    not_kept: Kinds


@contextmanager
def readers() -> "Iterator[futures.Executor]":
    """Give threads for ``read_ahead``; at the end they finish what they are at, and no more."""
    pool = futures.ThreadPoolExecutor(_READERS, thread_name_prefix="vgit-read")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_ahead(
    items: Iterable[tuple[Path, _Item]], pool: "futures.Executor", watch: Watch
) -> Iterator[tuple[Path, _Item, FileAhead | None]]:
    """Yield ``items`` in their order, and with a small local file what is in it; None: it is yet to be read.

    ``pool`` reads some files ahead. What a file raises comes at its turn, or a little before it.
    """
    waiting: deque[tuple[_Group[_Item], futures.Future[list[FileAhead | None]]]] = deque()
    for group in batches(items, _size_ahead, most_items=_JOB_FILES, most_bytes=_JOB_BYTES):
        waiting.append((group, pool.submit(_read_small, [item for _, item in group if _is_small(item)], watch)))
        if len(waiting) > _JOBS_AHEAD:
            yield from _results(*waiting.popleft())
    while waiting:
        yield from _results(*waiting.popleft())


def _size_ahead(item: tuple[Path, object]) -> int:
    """Return how many bytes are read ahead of an item."""
    source = item[1]
    return source.size if _is_small(source) else 0


def _results(
    group: _Group[_Item], job: "futures.Future[list[FileAhead | None]]"
) -> Iterator[tuple[Path, _Item, FileAhead | None]]:
    read = iter(job.result())
    for path, item in group:
        yield path, item, next(read) if _is_small(item) else None


def _is_small(item: object) -> TypeGuard[LocalFile]:
    return isinstance(item, LocalFile) and item.size <= _SMALL_BYTES


def _read_small(files: list[LocalFile], watch: Watch) -> list[FileAhead | None]:
    return [_read_file(file, watch) for file in files]


def _read_file(source: LocalFile, watch: Watch) -> FileAhead | None:
    """Return what is in a file; None if it has grown large, did not hold still, or needs a closer look."""
    kinds: Kinds = {}
    with opened_file(source, kinds) as (file, before):
        if before.size > _SMALL_BYTES or (before.size and not watch.is_quiet(file, before)):
            return None
        read = read_small(file.descriptor, before)
    return FileAhead(read[0], before, kinds) if read is not None else None
