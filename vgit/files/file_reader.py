"""File reader: a regular file read into a content sink, by the rule of ``steady_read`` for what held still.

Commits, plans of a reload and uploads read one file so, each with its own way to open it:

    settle      ``Watch.settle`` waits until nothing can be written without moving the file's times
    read        its content goes into the sink; if its stat is the same afterwards, it held still
    try again   else, a few times; what comes last is taken as it is, and is unstable
"""

import os
import stat
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from vgit.content import BLOB_LIMIT, StoredContent
from vgit.files.content_sink import ContentSink
from vgit.files.steady_read import Moved
from vgit.localfs.file_stat import Stat, to_stat
from vgit.tree.entry import Entry

_TRIES = 3

_Result = TypeVar("_Result")


class FileRead(NamedTuple):
    """A regular file that was read into a sink."""

    content: StoredContent
    found: os.stat_result  # after it was read
    is_steady: bool  # else it was being written

    @property
    def now(self) -> Stat:
        """What rows and entries have of it."""
        return to_stat(self.found)


class Torn(Moved):
    """The file changed while it was read; ``read`` is what came."""

    def __init__(self, read: FileRead) -> None:
        super().__init__()
        self.read = read


def read_unchanged(file: int, now: Stat, sink: ContentSink, seen: Entry | None) -> FileRead:
    """Read a settled file into ``sink``; Torn, or Moved, if its stat is not ``now`` afterwards, as it was before."""
    if now.size > BLOB_LIMIT:
        content = sink.add_file(file, now.size, seen)
    else:
        data = os.pread(file, now.size + 1, 0)
        if len(data) != now.size:
            raise Moved
        content = sink.add_bytes(data, seen)
    found = os.fstat(file)
    if content.size == now.size and to_stat(found) == now:
        return FileRead(content, found, is_steady=True)
    if stat.S_ISREG(found.st_mode):
        raise Torn(FileRead(content, found, is_steady=False))
    raise Moved  # something else took its place


def read_as_it_comes(file: int, sink: ContentSink, seen: Entry | None) -> FileRead:
    """Read a file that does not hold still into ``sink``."""
    content = sink.add_file(file, os.fstat(file).st_size, seen)
    return FileRead(content, os.fstat(file), is_steady=False)


def read_until_steady(read: Callable[[], _Result], give_up: Callable[[FileRead | None], _Result]) -> _Result:
    """Return what ``read`` returns, called again while it raises Moved; after a few times what ``give_up`` returns.

    That is given what came last, None if nothing did.
    """
    last: FileRead | None = None
    for _ in range(_TRIES):
        try:
            return read()
        except Moved as error:
            last = error.read if isinstance(error, Torn) else None
    return give_up(last)
