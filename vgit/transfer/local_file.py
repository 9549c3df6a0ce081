"""Local file: one file of this machine, opened for an upload and read into the store."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from vgit.errors import InvalidError, IsADirectoryConflict
from vgit.files.content_sink import ContentSink
from vgit.files.file_reader import FileRead, Torn, read_as_it_comes, read_unchanged, read_until_steady
from vgit.files.left_out import LeftOutKind, NotKept
from vgit.files.steady_read import FOLLOW_FLAGS, READ_FLAGS, FileToRead, Watch, wait_for_writes
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.filesystem_clock import Clocks
from vgit.localfs.open_for_writing import all_shared_writable
from vgit.paths import ROOT, Path, printable
from vgit.transfer.local_tree import LocalFile, gone
from vgit.tree.entry import Entry

Kinds: TypeAlias = dict[LeftOutKind, Path]  # of what a file has that a volume cannot hold


def watch_local(sleep: Callable[[float], None]) -> Watch:
    """Return what tells which local files hold still, wherever they are."""
    return Watch(
        Clocks(sleep),
        lambda: {(file.device, file.inode) for _, files in all_shared_writable() for file in files},
    )


def store_local(source: LocalFile, kinds: Kinds, sink: ContentSink, seen: Entry | None, watch: Watch) -> FileRead:
    """Read a local file into the store; its name is looked up again for each try. Set ``kinds``."""

    def read() -> FileRead:
        with opened_file(source, kinds) as (file, before):
            return _read(file, before, sink, seen, watch)

    def give_up(last: FileRead | None) -> FileRead:
        if last is not None:
            return last
        with opened_file(source, kinds) as (file, _):
            return read_as_it_comes(file.descriptor, sink, seen)

    return read_until_steady(read, give_up)


def store_descriptor(descriptor: int, sink: ContentSink, seen: Entry | None, watch: Watch) -> FileRead:
    """Read a regular file that somebody else has open into the store, from its first byte on."""
    try:
        again = os.open(f"/proc/self/fd/{descriptor}", FOLLOW_FLAGS)  # ours alone: the rule asks for a lease by it
    except OSError:  # it may not be opened any more, or there is no /proc
        wait_for_writes(descriptor)
        try:
            return read_unchanged(descriptor, to_stat(os.fstat(descriptor)), sink, seen)
        except Torn as error:
            return error.read
    try:
        file = FileToRead(again, os.fstat(again).st_dev)
        return read_until_steady(
            lambda: _read(file, to_stat(os.fstat(again)), sink, seen, watch),
            lambda last: last or read_as_it_comes(again, sink, seen),
        )
    finally:
        os.close(again)


def _read(file: FileToRead, before: Stat, sink: ContentSink, seen: Entry | None, watch: Watch) -> FileRead:
    watch.settle(file, before)
    return read_unchanged(file.descriptor, before, sink, seen)


@contextmanager
def opened_file(source: LocalFile, kinds: Kinds) -> Iterator[tuple[FileToRead, Stat]]:
    """Give a regular file, and its stat; set ``kinds``. Raise what says why it cannot be uploaded."""
    try:
        file = os.open(source.local, FOLLOW_FLAGS if source.follow else READ_FLAGS)
    except FileNotFoundError as error:
        raise gone(source.local) from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise refusal(source.local, found.st_mode)
        kinds.clear()
        NotKept().look(file, found, found.st_uid if source.owner is None else source.owner, ROOT, kinds)
        yield FileToRead(file, found.st_dev), to_stat(found)
    finally:
        os.close(file)


def refusal(local: str, mode: int) -> InvalidError:
    """Return the error for what is no regular file."""
    if stat.S_ISDIR(mode):
        return IsADirectoryConflict(f"{printable(local)} is a directory; put_directory uploads one.")
    return InvalidError(
        f"cannot upload {printable(local)}: it is not a regular file."
        " To upload what comes out of it, open it in binary mode and give the file object."
    )
