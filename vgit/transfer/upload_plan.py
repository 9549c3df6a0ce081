"""Upload plan: the puts of a batch, spread out to one source for each path of the volume.

Local directories are walked here; no file is read. The same path twice: the
last put wins, unless one wants a file there and the other a directory.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from vgit.errors import IsADirectoryConflict, NotADirectoryConflict
from vgit.files.left_out import Omitted
from vgit.paths import Path
from vgit.repository.tree_view import shown
from vgit.transfer.local_directories import LocalDirectories
from vgit.transfer.local_file import refusal
from vgit.transfer.local_tree import LocalFile, LocalLink, gone
from vgit.transfer.puts import Put, PutDirectory, PutFile, check_target
from vgit.transfer.streams import Stream, check_stream, size_of
from vgit.tree.entry import Entry


class FileObject(NamedTuple):
    """A file object that is yet to be read."""

    stream: Stream
    size: int  # bytes that are expected
    mode: int | None


UploadSource: TypeAlias = LocalFile | FileObject | LocalLink | Entry  # an Entry: a FIFO or socket


class UploadPlan(NamedTuple):
    """What is to be at which path."""

    files: dict[Path, UploadSource]
    directories: dict[Path, Entry]
    left_out: list[Omitted]

    @property
    def size_bytes(self) -> int:
        """Bytes that are to be read, as far as is known."""
        return sum(source.size for source in self.files.values() if isinstance(source, LocalFile | FileObject))


def make_upload_plan(puts: Iterable[Put], directories: LocalDirectories) -> UploadPlan:
    """Return what ``puts`` come to; raise what says why one cannot be done, or which are in each other's way."""
    plan = UploadPlan({}, {}, [])
    for put in puts:
        for path, source in _sources(put, directories):
            if isinstance(source, Omitted):
                plan.left_out.append(source._replace(path=path))
                continue
            check_target(path)
            if isinstance(source, Entry) and source.is_directory:
                if path:  # the root of the volume is there and stays as it is
                    plan.directories[path] = source
            else:
                plan.files.pop(path, None)  # so that files stand in the order in which they are to be read
                plan.files[path] = source
    _check_agreement(plan)
    return plan


def _sources(put: Put, directories: LocalDirectories) -> Iterator[tuple[Path, UploadSource | Omitted]]:
    if isinstance(put, PutDirectory):
        for path, item in directories.walk_local(put.local, recursive=put.recursive):
            yield put.path + path, item
        return
    yield put.path, _file(put)


def _file(put: PutFile) -> UploadSource:
    if not isinstance(put.source, str):
        stream = check_stream(put.source)  # again: it may have been closed meanwhile
        return FileObject(stream, size_of(stream), put.mode)
    try:
        found = os.stat(put.source)
    except FileNotFoundError as error:
        raise gone(put.source) from error
    if not stat.S_ISREG(found.st_mode):
        raise refusal(put.source, found.st_mode)
    return LocalFile(put.source, found.st_size, put.mode, follow=True)


def _check_agreement(plan: UploadPlan) -> None:
    """Raise if the batch wants a file where it wants a directory too."""
    for path in plan.directories:
        if path in plan.files:
            raise IsADirectoryConflict(f"the batch puts a directory and a file at {shown(path)!r}; leave out one.")
    checked: set[Path] = set()
    for paths in (plan.directories, plan.files):
        for path in paths:
            for depth in range(len(path) - 1, 0, -1):
                parent = path[:depth]
                if parent in checked:
                    break
                if parent in plan.files:
                    raise NotADirectoryConflict(
                        f"the batch puts a file at {shown(parent)!r} and {shown(path)!r} below it; leave out one."
                    )
                checked.add(parent)
