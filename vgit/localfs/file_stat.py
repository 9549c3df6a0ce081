"""File stat: the five fields of a stat by which vgit tells whether a file is as it was."""

import os
from typing import NamedTuple, TypeAlias

FARTHEST_NS = 2**63 - 1  # about the year 2262; some file systems (tmpfs, btrfs) hold mtimes beyond


class Stat(NamedTuple):
    """What rows compare, field by field."""

    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int


# The same fields without their names. A scan makes one for every file of a mount, a first commit hands them to worker
# processes: making, unpacking and pickling a Stat costs several times as much. Unpack these into names.
BareStat: TypeAlias = tuple[int, int, int, int, int]


def bounded(mtime_ns: int) -> int:
    """Return the mtime as a row holds it."""
    return max(-FARTHEST_NS, min(FARTHEST_NS, mtime_ns))


def to_stat(found: os.stat_result) -> Stat:
    """Return the five fields that rows compare."""
    return Stat(found.st_mode, found.st_size, bounded(found.st_mtime_ns), found.st_ctime_ns, found.st_ino)


def same_but_ctime(one: Stat, other: Stat) -> bool:
    """Return whether two stats differ in their ctimes at most, which a rename or a new link moves as well."""
    return (one.mode, one.size, one.mtime_ns, one.ino) == (other.mode, other.size, other.mtime_ns, other.ino)
