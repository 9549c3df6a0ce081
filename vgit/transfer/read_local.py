"""Read local: local files read once, by the rule of what held still, the small ones ahead of their turn.

A file that is being written (``vgit/files/steady_read.py``) is read again, a few
times, then taken as it came and said to be unstable.

Reading ahead costs nothing where the files are in the page cache. Where they
are not, uploading 10,000 files of 4 KiB takes 1.9 s without it, 1.9 s with one
thread, 1.5 s with two, 1.1 s with four (two cores).
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeGuard, TypeVar

from vgit.content import StoredContent
from vgit.errors import InvalidError, IsADirectoryConflict
from vgit.files.content_sink import ContentSink
from vgit.files.left_out import LeftOutKind, NotKept
from vgit.files.steady_read import TRIES, FileToRead, Moved, Watch, wait_for_writes
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.filesystem_clock import Clocks
from vgit.localfs.open_for_writing import all_shared_writable
from vgit.paths import Path, printable
from vgit.runtime.lazy_import import lazy_import
from vgit.transfer.local_tree import LocalFile, gone
from vgit.tree.entry import Entry

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # opening a FIFO must not wait for its writer
_SMALL_BYTES = 1 << 20
_JOB_FILES = 64  # handing a job over costs as much as reading five small files
_JOB_BYTES = 4 << 20
_JOBS_AHEAD = 3  # with their data at most 12 MiB, and a file more each

_READERS = 4

_Item = TypeVar("_Item")
_Group: TypeAlias = list[tuple[Path, _Item]]


Kinds: TypeAlias = tuple[LeftOutKind, ...]


class SmallFile(NamedTuple):
    """A small file as it was read; it held still meanwhile."""

    data: bytes
    now: Stat
    not_kept: Kinds  # what it has that a volume cannot hold


class StoredFile(NamedTuple):
    """A file that was read straight into the store."""

    content: StoredContent
    now: Stat
    is_steady: bool  # else it kept changing while it was read
    not_kept: Kinds = ()


def watch_local(sleep: Callable[[float], None]) -> Watch:
    """Return what tells which local files hold still, wherever they are."""
    return Watch(
        Clocks(sleep),
        lambda: {(file.device, file.inode) for _, files in all_shared_writable() for file in files},
    )


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
) -> Iterator[tuple[Path, _Item, SmallFile | None]]:
    """Yield ``items`` in their order, and with a small local file what is in it; None: it is yet to be read.

    ``pool`` reads some files ahead. What a file raises comes at its turn, or a little before it.
    """
    waiting: deque[tuple[_Group[_Item], futures.Future[list[SmallFile | None]]]] = deque()
    for group in _groups(items):
        waiting.append((group, pool.submit(_read_small, [item for _, item in group if _is_small(item)], watch)))
        if len(waiting) > _JOBS_AHEAD:
            yield from _results(*waiting.popleft())
    while waiting:
        yield from _results(*waiting.popleft())


def store_local(source: LocalFile, sink: ContentSink, seen: Entry | None, watch: Watch) -> StoredFile:
    """Read a local file into the store; its name is looked up again for each try."""
    stored = None
    for left in reversed(range(TRIES)):
        opened, before, not_kept = _open(source)
        try:
            stored = _store(opened, before, sink, seen, watch, left)
        finally:
            os.close(opened.descriptor)
        if stored is not None and stored.is_steady:
            break
    assert stored is not None, "the last try takes what it gets"
    return stored._replace(not_kept=not_kept)


def store_descriptor(file: int, sink: ContentSink, seen: Entry | None, watch: Watch) -> StoredFile:
    """Read a regular file that somebody else has open into the store, from its first byte on."""
    try:
        again = os.open(f"/proc/self/fd/{file}", _FLAGS)  # ours alone: the rule asks for a lease by it
    except OSError:  # it may not be opened any more, or there is no /proc
        wait_for_writes(file)
        return _store_as_it_comes(file, to_stat(os.fstat(file)), sink, seen)
    try:
        opened = FileToRead(again, os.fstat(again).st_dev)
        stored = None
        for left in reversed(range(TRIES)):
            stored = _store(opened, to_stat(os.fstat(again)), sink, seen, watch, left)
            if stored is not None and stored.is_steady:
                break
        assert stored is not None, "the last try takes what it gets"
        return stored
    finally:
        os.close(again)


def _store(
    opened: FileToRead, before: Stat, sink: ContentSink, seen: Entry | None, watch: Watch, left: int
) -> StoredFile | None:
    """Read a file into the store; None if it is being written and there are tries ``left``, which cost less."""
    try:
        watch.settle(opened, before)
    except Moved:
        if left:
            return None
        return _store_as_it_comes(opened.descriptor, before, sink, seen)._replace(is_steady=False)
    return _store_as_it_comes(opened.descriptor, before, sink, seen)


def _store_as_it_comes(file: int, before: Stat, sink: ContentSink, seen: Entry | None) -> StoredFile:
    content = sink.add_file(file, before.size, seen)
    now = to_stat(os.fstat(file))
    return StoredFile(content, now, is_steady=now == before and content.size == before.size)


def _groups(items: Iterable[tuple[Path, _Item]]) -> Iterator[_Group[_Item]]:
    """Yield runs of items, each for one job."""
    group: _Group[_Item] = []
    size = 0
    for item in items:
        group.append(item)
        if _is_small(item[1]):
            size += item[1].size
        if size >= _JOB_BYTES or len(group) >= _JOB_FILES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _results(
    group: _Group[_Item], job: "futures.Future[list[SmallFile | None]]"
) -> Iterator[tuple[Path, _Item, SmallFile | None]]:
    read = iter(job.result())
    for path, item in group:
        yield path, item, next(read) if _is_small(item) else None


def _is_small(item: object) -> TypeGuard[LocalFile]:
    return isinstance(item, LocalFile) and item.size <= _SMALL_BYTES


def _read_small(files: list[LocalFile], watch: Watch) -> list[SmallFile | None]:
    return [_read_file(file, watch) for file in files]


def _read_file(source: LocalFile, watch: Watch) -> SmallFile | None:
    """Return what is in a file; None if it has grown large, did not hold still, or needs a closer look."""
    opened, before, not_kept = _open(source)
    try:
        if before.size > _SMALL_BYTES or (before.size and not watch.is_quiet(opened, before)):
            return None
        data = os.read(opened.descriptor, before.size + 1)
        steady = to_stat(os.fstat(opened.descriptor)) == before and len(data) == before.size
    finally:
        os.close(opened.descriptor)
    return SmallFile(data, before, not_kept) if steady else None


def _open(source: LocalFile) -> tuple[FileToRead, Stat, Kinds]:
    """Open a regular file; raise what says why it cannot be uploaded."""
    try:
        file = os.open(source.local, _FLAGS if source.follow else _FLAGS | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise gone(source.local) from error
    found = os.fstat(file)
    if stat.S_ISREG(found.st_mode):
        kinds: dict[LeftOutKind, Path] = {}
        NotKept().look(file, found, found.st_uid if source.owner is None else source.owner, (), kinds)
        return FileToRead(file, found.st_dev), to_stat(found), tuple(kinds)
    os.close(file)
    raise refusal(source.local, found.st_mode)


def refusal(local: str, mode: int) -> InvalidError:
    """Return the error for what is no regular file."""
    if stat.S_ISDIR(mode):
        return IsADirectoryConflict(f"{printable(local)} is a directory; put_directory uploads one.")
    return InvalidError(
        f"cannot upload {printable(local)}: it is not a regular file."
        " To upload what comes out of it, open it in binary mode and give the file object."
    )
