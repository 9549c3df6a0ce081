"""Tree writer: what a first checkout, a reload and a download have in common when they write a tree.

    which entries   not what could be taken for a mount's state, nor another repository's commit
    how much        what is on disk twice, or not yet at its name, is bounded: BATCH_FILES and BATCH_BYTES
    directories     made for their owner alone, filled, then given mtime and mode, deepest first

Each makes names in a way of its own: in place, beside and exchanged, beside and renamed.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vgit.ids import TreeId
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.root_directory import RootDirectory
from vgit.paths import Path, is_state_name
from vgit.tree.directory import DirectoryReader
from vgit.tree.entry import Entry, Kind

BATCH_FILES = 10_000
BATCH_BYTES = 1 << 30
NEW_DIRECTORY_MODE = 0o700  # until it is filled


class NewDirectory(NamedTuple):
    """A directory that is filled, and what it is to have then."""

    path: Path
    mode: int  # permission bits
    mtime_ns: int | None  # None: it keeps the time at which it was filled


def is_written(name: str, entry: Entry) -> bool:
    """Whether an entry of a tree is made on disk."""
    return not is_state_name(name) and entry.kind is not Kind.GITLINK


def entries_to_write(directories: DirectoryReader, tree: TreeId) -> Mapping[str, Entry]:
    """Return what is to be made of a directory of a volume."""
    entries = directories.read(tree).entries
    if all(is_written(name, entry) for name, entry in entries.items()):
        return entries
    return {name: entry for name, entry in entries.items() if is_written(name, entry)}


def finish_directories(root: RootDirectory, directories: Iterable[NewDirectory]) -> Iterator[tuple[Path, Stat]]:
    """Give filled directories their mtime and mode, deepest first; yield what each came to."""
    for path, mode, mtime_ns in sorted(directories, key=_depth, reverse=True):
        with root.opened(path) as descriptor:
            if mtime_ns is not None:
                os.utime(descriptor, ns=(mtime_ns, mtime_ns))
            os.fchmod(descriptor, mode)
            yield path, to_stat(os.fstat(descriptor))


def _depth(directory: NewDirectory) -> int:
    return len(directory.path)
