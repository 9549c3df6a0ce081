"""Metadata: what is to be published of a file's mode and time, and whether that is anything new.

A file system may round a time or refuse a mode. So a row has both, what was to
be there and what ``lstat`` gave back; what still is as it was given back counts
as what was to be there.
"""

import stat

from vgit.content import StoredContent
from vgit.files.rows import Row
from vgit.localfs.file_stat import Stat
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE
from vgit.tree.entry import Entry, same_content


def is_as_seen(entry: Entry | None, seen: Entry | None) -> bool:
    """Whether there is nothing to publish. A directory's mtime never counts."""
    if entry is None or seen is None:
        return entry is seen
    if entry.mode != seen.mode or not same_content(entry, seen):
        return False
    return entry.is_directory or entry.mtime_ns == seen.mtime_ns


def mode_and_mtime(now: Stat, old: Row | None) -> tuple[int, int]:
    """Return mode and mtime as to be recorded: what the file system did to the recorded ones is no change."""
    kind = stat.S_IFMT(now.mode)
    if old is None or stat.S_IFMT(old.stat.mode) != kind or stat.S_IFMT(old.entry.mode) != kind:
        return now.mode, now.mtime_ns
    mode = old.entry.mode if old.stat.mode == now.mode else now.mode
    mtime_ns = old.entry.mtime_ns if old.stat.mtime_ns == now.mtime_ns else now.mtime_ns
    return mode, mtime_ns


def file_entry(now: Stat, old: Row | None, stored: StoredContent) -> Entry:
    """Return the entry of a file whose content is stored."""
    mode, mtime_ns = mode_and_mtime(now, old)
    git_mode = stored.git_mode or (EXECUTABLE_MODE if mode & 0o100 else FILE_MODE)
    return Entry(mode, git_mode, stored.id, stored.size, mtime_ns, stored.hash)
