"""Entry reader: one name of a working directory, read by the rule of ``vgit/files/steady_read.py``.

What did not hold still is read again, a few times. What is still being written
counts as it came last, or is not taken at all, as the caller wants.
"""

import os
import stat
from typing import NamedTuple

from vgit.files.content_sink import ContentSink
from vgit.files.file_reader import FileRead, read_as_it_comes, read_unchanged, read_until_steady
from vgit.files.left_out import LeftOutKind, NotKept
from vgit.files.metadata import file_entry, mode_and_mtime
from vgit.files.rows import Row
from vgit.files.steady_read import FileToRead, Moved, Watch, is_read_twice, open_to_read
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.policy import UnstableFiles
from vgit.objects.git_mode import SYMLINK_MODE
from vgit.paths import Path, encode_name
from vgit.tree.entry import NO_GIT_ENTRY, Entry, directory_entry, same_content


class EntryRead(NamedTuple):
    """What was read of one name."""

    entry: Entry
    now: Stat
    is_steady: bool  # else it was being written
    is_trusted: bool  # its row tells as long as the stat is the same


class EntryReader:
    """Reads names in open directories; ``not_kept`` gets what files have that a volume cannot hold."""

    def __init__(
        self,
        root: RootDirectory,
        sink: ContentSink,
        watch: Watch,
        when_unstable: UnstableFiles,
        not_kept: dict[LeftOutKind, Path],
    ) -> None:
        self._sink = sink
        self._watch = watch
        self._when_unstable = when_unstable
        self._owner = os.fstat(root.fd).st_uid
        self._not_kept = not_kept
        self._look = NotKept()

    def read(self, parent: int, path: Path, now: Stat, old: Row | None) -> EntryRead:
        """Read what stands at ``path``, whose directory is open as ``parent``; Moved if it is to be held back."""
        if self._when_unstable is UnstableFiles.HOLD_BACK:
            return self._read_once(parent, path, now, old)
        first = [now]

        def read() -> EntryRead:
            now = first.pop() if first else to_stat(os.stat(path[-1], dir_fd=parent, follow_symlinks=False))
            return self._read_once(parent, path, now, old)

        return read_until_steady(read, lambda last: self._take_unsteady(parent, path, old, last))

    def _read_once(self, parent: int, path: Path, now: Stat, old: Row | None) -> EntryRead:
        name, kind = path[-1], stat.S_IFMT(now.mode)
        if kind == stat.S_IFREG:
            return self._read_file(parent, path, now, old)
        mode, mtime_ns = mode_and_mtime(now, old)
        is_trusted = True
        if kind == stat.S_IFLNK:
            opened = FileToRead(parent, os.stat(name, dir_fd=parent, follow_symlinks=False).st_dev)
            is_trusted = self._watch.trusts(opened, now.ctime_ns)  # asked first: the clock is read before the target
            target = encode_name(os.readlink(name, dir_fd=parent))
            if to_stat(os.stat(name, dir_fd=parent, follow_symlinks=False)) != now:
                raise Moved
            stored = self._sink.add_bytes(target, old.entry if old else None)
            entry = Entry(mode, SYMLINK_MODE, stored.id, len(target), mtime_ns, stored.hash)
        elif kind == stat.S_IFDIR:
            entry = directory_entry(mode, mtime_ns)
        else:
            entry = Entry(mode, NO_GIT_ENTRY, None, 0, mtime_ns, None)
        return EntryRead(entry, now, is_steady=True, is_trusted=is_trusted)

    def _read_file(self, parent: int, path: Path, now: Stat, old: Row | None) -> EntryRead:
        try:
            file = open_to_read(path[-1], parent)
        except OSError as error:
            if stat.S_IFMT(os.stat(path[-1], dir_fd=parent, follow_symlinks=False).st_mode) != stat.S_IFREG:
                raise Moved from error
            raise
        try:
            opened = FileToRead(file, os.fstat(file).st_dev)
            belief = self._watch.settle(opened, now)
            if self._when_unstable is UnstableFiles.HOLD_BACK and not self._watch.shows_writes(opened, now.ctime_ns):
                raise Moved  # a network's cached times lag by seconds: the next commit will know
            read = read_unchanged(file, now, self._sink, old.entry if old is not None else None)
            self._look.look(file, read.found, self._owner, path, self._not_kept)
            entry = file_entry(now, old, read.content)
            is_same = old is not None and is_read_twice(now, old.stat) and same_content(entry, old.entry)
            is_trusted = self._watch.believes(belief, opened, now.ctime_ns, is_same=is_same)
        finally:
            os.close(file)
        return EntryRead(entry, now, is_steady=True, is_trusted=is_trusted)

    def _take_unsteady(self, parent: int, path: Path, old: Row | None, last: FileRead | None) -> EntryRead:
        """Take what came last of a file that does not hold still; if nothing did, read it as it comes."""
        file = open_to_read(path[-1], parent)
        try:
            found = os.fstat(file)
            if stat.S_IFMT(found.st_mode) != stat.S_IFREG:
                raise FileNotFoundError(path[-1])  # another kind by now: the next scan's business
            self._look.look(file, found, self._owner, path, self._not_kept)
            read = last or read_as_it_comes(file, self._sink, old.entry if old is not None else None)
        finally:
            os.close(file)
        now = read.now._replace(size=read.content.size)
        return EntryRead(file_entry(now, old, read.content), now, is_steady=False, is_trusted=False)
