"""Filesystem clock: what time it is for the file system that holds a file.

A file whose stat has not changed has not changed, unless it was written again
within one tick of the clock that stamps files. That clock is the file system's,
often a server's: ``time.time_ns()`` runs ahead of it by up to a jiffy, or by any
amount. So who compares stats begins by touching a probe file, and believes a stat
only if its ctime is older than the probe's by a margin:

    20 ms   more than a tick (10 ms at most) of the kernel's clock
    2 s     where times are cut to seconds (FAT: to two), or on a network file
            system, where a client's cached times lag
    60 s    on a network file system in which no probe is made: the server's
            clock and ours may differ by less

Each file system (``st_dev``) has its own clock, and below a directory there may be
others. There nothing is touched. The
kernel's own clock stamps the files of every file system that is not a network's,
and a ctime with a fraction of a second shows that this file's times have one.

Newer kernels (6.13, on ext4, xfs, btrfs, tmpfs) give a change that follows a
``stat`` a time of its own, however short after. Such a clock is *exact*: a file
whose stat is the same before and after it was read was not written meanwhile.
Whether the kernel can is measured once, in memory that nobody else has.
"""

import os
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from vgit.localfs.file_systems import FileSystem, file_system_of, is_network_file_system

PROBE_FILE = "probe"
FINE_MARGIN_NS = 20_000_000
COARSE_MARGIN_NS = 2_000_000_000
UNKNOWN_MARGIN_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000
TICK_SECONDS = 0.03  # longer than the margin within which a stat is not trusted

_WITH_FRACTION_NS = 1_234_567_891_987_654_321  # an mtime to set and read back
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KERNEL_CLOCK = 5  # CLOCK_REALTIME_COARSE of linux/time.h, which Python has no name for


class Probe(NamedTuple):
    """The file system's time before anything was looked at, and how far back it can be believed."""

    ctime_ns: int
    margin_ns: int
    is_exact: bool = False

    @property
    def trusted_before_ns(self) -> int:
        """The ctime below which a stat is believed: for loops, which compare without a call."""
        return self.ctime_ns - self.margin_ns


def probe(directory_fd: int, *, is_network: bool | None = None) -> Probe:
    """Touch the probe file in the directory and return what its file system says.

    ``is_network`` is whether other machines may share it, if the caller knows.
    """
    fd = os.open(PROBE_FILE, _FLAGS, 0o600, dir_fd=directory_fd)
    try:
        return _measure(fd, is_network=is_network_file_system(directory_fd) if is_network is None else is_network)
    finally:
        os.close(fd)


def _measure(fd: int, *, is_network: bool) -> Probe:
    """Set an mtime, which moves the ctime; reading it back shows how fine the times are."""
    status, *later = [_touch(fd) for _ in range(3)]  # three in a row, since a tick may fall between two
    coarse = abs(status.st_mtime_ns - _WITH_FRACTION_NS) >= FINE_MARGIN_NS
    if coarse or is_network:
        return Probe(status.st_ctime_ns, COARSE_MARGIN_NS)
    return Probe(status.st_ctime_ns, FINE_MARGIN_NS, status.st_ctime_ns < later[0].st_ctime_ns < later[1].st_ctime_ns)


class Clocks:
    """The clocks of the file systems that files are on.

    ``device`` is one whose clock ``touch`` reads, and whose kind is known. Of the others the kernel's clock is read.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        device: int | None = None,
        touch: Callable[[], Probe] | None = None,
        kind: FileSystem | None = None,
    ) -> None:
        self.count = 0  # of the times that the clocks were read: what was looked at earlier is older than that
        self._sleep = sleep
        self._device = device
        self._touch = touch
        self._kinds: dict[int, FileSystem] = {}
        if device is not None and kind is not None:
            self._kinds[device] = kind
        self.renew()

    def renew(self) -> None:
        """Read the clocks anew."""
        self.count += 1
        self._kernel_ns = time.clock_gettime_ns(_KERNEL_CLOCK)
        self._probe = self._touch() if self._touch is not None else None

    def wait(self) -> None:
        """Wait until what was written by now has a time to be trusted, then read the clocks anew."""
        self._sleep(TICK_SECONDS)
        self.renew()

    def kind(self, device: int, file: int) -> FileSystem:
        """Return what file system ``device`` is, on which ``file`` is open."""
        if device not in self._kinds:
            self._kinds[device] = file_system_of(file)
        return self._kinds[device]

    def read(self, device: int, file: int, ctime_ns: int) -> Probe:
        """Return what time it is for ``file``, which has this ctime."""
        if self._probe is not None and device == self._device:
            return self._probe
        kind = self.kind(device, file)
        if kind.is_network:
            return Probe(self._kernel_ns, UNKNOWN_MARGIN_NS)
        if ctime_ns % _SECOND_NS == 0:
            return Probe(self._kernel_ns, COARSE_MARGIN_NS)
        return Probe(self._kernel_ns, FINE_MARGIN_NS, kind.may_be_exact and kernel_is_exact())


@cache
def kernel_is_exact() -> bool:
    """Return whether the kernel has exact clocks; which file systems use them is another question."""
    try:
        fd = os.memfd_create("vgit-clock", os.MFD_CLOEXEC)
    except OSError:
        return False
    try:
        return _measure(fd, is_network=False).is_exact
    finally:
        os.close(fd)


def _touch(fd: int) -> os.stat_result:
    os.utime(fd, ns=(_WITH_FRACTION_NS, _WITH_FRACTION_NS))
    return os.fstat(fd)


def trusted(ctime_ns: int, at: Probe) -> bool:
    """Return whether a file with this ctime cannot have been written since without its stat showing it.

    >>> trusted(79, Probe(100, 20)), trusted(80, Probe(100, 20))
    (True, False)
    """
    return ctime_ns < at.ctime_ns - at.margin_ns
