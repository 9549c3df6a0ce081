"""Filesystem clock: what time it is for the file system that holds a mount.

A file whose stat has not changed has not changed, unless it was written again
within one tick of the clock that stamps files. That clock is the file system's,
often a server's: ``time.time_ns()`` runs ahead of it by up to a jiffy, or by any
amount. So a scan begins by touching a probe file, and believes a row of the
stat cache only if its ctime is older than the probe's by a margin:

    20 ms   more than a tick (10 ms at most) of the kernel's clock
    2 s     where times are cut to seconds (FAT: to two), or on a network file
            system, where a client's cached times lag

Newer kernels (6.13, on ext4, xfs, btrfs, tmpfs) give a change that follows a
``stat`` a time of its own, however short after. Such a clock is *exact*: a file
whose stat is the same before and after it was read was not written meanwhile.
"""

import os
from typing import NamedTuple

from vgit.backend.file_systems import is_network_file_system
from vgit.mount.layout import PROBE_FILE

FINE_MARGIN_NS = 20_000_000
COARSE_MARGIN_NS = 2_000_000_000

_WITH_FRACTION_NS = 1_234_567_891_987_654_321  # an mtime to set and read back
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Probe(NamedTuple):
    """The file system's time at the start of a scan, and how far back it can be believed."""

    ctime_ns: int
    margin_ns: int
    is_exact: bool = False

    @property
    def trusted_before_ns(self) -> int:
        """The ctime below which a row is believed: for loops, which compare without a call."""
        return self.ctime_ns - self.margin_ns


def probe(directory_fd: int, *, is_network: bool | None = None) -> Probe:
    """Touch the probe file in the directory (a mount's ``.vgit``) and return what its file system says.

    ``is_network`` is whether other machines may share it, if the caller knows.
    Setting an mtime is what moves the ctime, and reading it back shows how fine the times are.
    """
    fd = os.open(PROBE_FILE, _FLAGS, 0o600, dir_fd=directory_fd)
    try:
        status, *later = [_touch(fd) for _ in range(3)]  # three in a row, since a tick may fall between two
    finally:
        os.close(fd)
    coarse = abs(status.st_mtime_ns - _WITH_FRACTION_NS) >= FINE_MARGIN_NS
    if is_network is None:
        is_network = is_network_file_system(directory_fd)
    if coarse or is_network:
        return Probe(status.st_ctime_ns, COARSE_MARGIN_NS)
    return Probe(status.st_ctime_ns, FINE_MARGIN_NS, status.st_ctime_ns < later[0].st_ctime_ns < later[1].st_ctime_ns)


def _touch(fd: int) -> os.stat_result:
    os.utime(fd, ns=(_WITH_FRACTION_NS, _WITH_FRACTION_NS))
    return os.fstat(fd)


def trusted(ctime_ns: int, at: Probe) -> bool:
    """Return whether a file with this ctime cannot have been written since without its stat showing it.

    >>> trusted(79, Probe(100, 20)), trusted(80, Probe(100, 20))
    (True, False)
    """
    return ctime_ns < at.ctime_ns - at.margin_ns
