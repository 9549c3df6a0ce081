"""File stat: the five fields of a stat by which vgit tells whether a file is as it was."""

import os
from typing import TypeAlias

Stat: TypeAlias = tuple[int, int, int, int, int]  # mode, size, mtime_ns, ctime_ns, ino

FARTHEST_NS = 2**63 - 1  # about the year 2262; some file systems (tmpfs, btrfs) hold mtimes beyond


def bounded(mtime_ns: int) -> int:
    """Return the mtime as a row holds it."""
    return max(-FARTHEST_NS, min(FARTHEST_NS, mtime_ns))


def to_stat(found: os.stat_result) -> Stat:
    """Return the five fields that rows compare."""
    return (found.st_mode, found.st_size, bounded(found.st_mtime_ns), found.st_ctime_ns, found.st_ino)
