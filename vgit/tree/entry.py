"""Entry: one name in a directory of a volume, whatever git can or cannot hold of it.

``mode`` is the full ``st_mode``. ``git_mode`` is what the git tree says, and
git has the last word on the kind:

    kind        mode          git_mode  id
    file        S_IFREG|…     0o100644 or 0o100755 (blob), 0o040000 (chunk tree)
    directory   S_IFDIR|…     0o040000  tree
    symlink     S_IFLNK|…     0o120000  blob holding the target
    FIFO        S_IFIFO|…     0         None
    socket      S_IFSOCK|…    0         None
    gitlink     0o160000      0o160000  commit of another repository, opaque
"""

import enum
import stat
from typing import NamedTuple

from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import GITLINK_MODE, TREE_MODE

DEFAULT_DIRECTORY_MODE = stat.S_IFDIR | 0o755  # of a directory that nobody has set the mode of
NO_GIT_ENTRY = 0  # FIFOs and sockets stand in the directory record alone


class Kind(enum.Enum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    GITLINK = "gitlink"


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    GITLINK_MODE: Kind.GITLINK,
}


class Entry(NamedTuple):
    """What a directory says of one name. A tuple, because there are 10^6 of them."""

    mode: int
    git_mode: int
    id: ObjectId | None
    size: int  # bytes; of a symlink: of its target; of a directory: 0
    mtime_ns: int
    hash: bytes | None  # BLAKE3 of the content (32 bytes raw), of a symlink: of its target; None: not known

    @property
    def kind(self) -> Kind:
        """What the entry is."""
        return _KINDS[stat.S_IFMT(self.mode)]

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a directory (a chunked file is not)."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_chunked(self) -> bool:
        """Whether the entry is a file stored as a chunk tree."""
        return self.git_mode == TREE_MODE and stat.S_ISREG(self.mode)


def subtree(entry: Entry | None) -> TreeId | None:
    """Return the tree of a directory that is stored; None for anything else, and for nothing."""
    return TreeId(entry.id) if entry is not None and entry.is_directory and entry.id is not None else None


def same_content(one: Entry | None, other: Entry | None) -> bool:
    """Return whether both are the same thing with the same content; modes and times do not count.

    By BLAKE3 where both are known, else by git's id. Two directories are the same content.
    """
    if one is None or other is None:
        return one is other
    if stat.S_IFMT(one.mode) != stat.S_IFMT(other.mode):
        return False
    if stat.S_ISDIR(one.mode):
        return True
    if one.hash is not None and other.hash is not None:
        return one.hash == other.hash
    return one.id == other.id


def is_touched(new: Entry, old: Entry) -> bool:
    """Return whether at most the time differs between two versions of a file: same content, same mode."""
    return new.mode == old.mode and same_content(new, old)


def directory_entry(mode: int, mtime_ns: int) -> Entry:
    """Return a directory as an edit names it: without what is in it."""
    return Entry(mode, TREE_MODE, None, 0, mtime_ns, None)
