"""Filesystem clock: what time it is for the file system that holds a file.

A file whose stat has not changed has not changed, unless it was written again
within one tick of the clock that stamps files. That clock is the file system's,
often a server's: ``time.time_ns()`` runs ahead of it by up to a jiffy, or by any
amount. So a scan begins by touching a probe file, and believes a row of the
stat cache only if its ctime is older than the probe's by a margin:

    20 ms   more than a tick (10 ms at most) of the kernel's clock
    2 s     where times are cut to seconds (FAT: to two), or on a network file
            system, where a client's cached times lag
    60 s    on a network file system where no probe can be made: the server's
            clock and ours may differ by less

Each file system (``st_dev``) has its own: a mount may have others mounted inside
it. There the probe is a file without a name, so that nobody sees it. Where that
cannot be made, the kernel's own clock stands for it, which stamps the files of
every file system that is not a network's; how finely it keeps times is not known then.

Newer kernels (6.13, on ext4, xfs, btrfs, tmpfs) give a change that follows a
``stat`` a time of its own, however short after. Such a clock is *exact*: a file
whose stat is the same before and after it was read was not written meanwhile.
"""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from vgit.backend.file_systems import FileSystem, file_system_of, is_network_file_system

PROBE_FILE = "probe"
FINE_MARGIN_NS = 20_000_000
COARSE_MARGIN_NS = 2_000_000_000
UNKNOWN_MARGIN_NS = 60_000_000_000
TICK_SECONDS = 0.03  # longer than the margin within which a row is not trusted

_WITH_FRACTION_NS = 1_234_567_891_987_654_321  # an mtime to set and read back
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_UNNAMED = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
_KERNEL_CLOCK = 5  # CLOCK_REALTIME_COARSE of linux/time.h, which Python has no name for


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


def kernel_probe(*, is_network: bool) -> Probe:
    """Return what can be said of a file system in which nothing was touched."""
    margin_ns = UNKNOWN_MARGIN_NS if is_network else COARSE_MARGIN_NS
    return Probe(time.clock_gettime_ns(_KERNEL_CLOCK), margin_ns)


def unnamed_probe(directory: str | int, device: int, *, is_network: bool) -> Probe | None:
    """Touch a file without a name in ``directory``; None where none can be made, or it is of another ``device``."""
    try:
        fd = os.open("." if isinstance(directory, int) else directory, _UNNAMED, 0o600, dir_fd=_at(directory))
    except OSError:
        return None
    try:
        return _measure(fd, is_network=is_network) if os.fstat(fd).st_dev == device else None
    finally:
        os.close(fd)


def _at(directory: str | int) -> int | None:
    return directory if isinstance(directory, int) else None


class Clocks:
    """The clocks of the file systems that files are on, each read when it is first asked for.

    ``device`` is one whose clock ``touch`` reads, at once, and whose kind is known. Of the others the kernel's
    clock is enough for what is older than a few seconds; for what is younger a probe is made.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        device: int | None = None,
        touch: Callable[[], Probe] | None = None,
        kind: FileSystem | None = None,
    ) -> None:
        self.count = 0  # of the times that a clock was read: what was looked at earlier is older than that
        self._sleep = sleep
        self._device = device
        self._touch = touch
        self._kinds: dict[int, FileSystem] = {}
        self._probes: dict[int, Probe] = {}
        self._probed: set[int] = set()
        if device is not None and kind is not None:
            self._kinds[device] = kind
        self.renew()

    def renew(self) -> None:
        """Read all clocks anew from now on."""
        self.count += 1
        self._probes.clear()
        self._probed.clear()
        if self._device is not None and self._touch is not None:
            self._probes[self._device] = self._touch()
            self._probed.add(self._device)

    def wait(self) -> None:
        """Wait until what was written by now has a time to be trusted, then read all clocks anew."""
        self._sleep(TICK_SECONDS)
        self.renew()

    def kind(self, device: int, file: int) -> FileSystem:
        """Return what file system ``device`` is, on which ``file`` is open."""
        if device not in self._kinds:
            self._kinds[device] = file_system_of(file)
        return self._kinds[device]

    def read(self, device: int, file: int, directory: str | int, ctime_ns: int) -> Probe:
        """Return the time of the file system of ``file``, in ``directory``, as exactly as a ctime needs it."""
        found = self._probes.get(device)
        if found is not None and (device in self._probed or trusted(ctime_ns, found)):
            return found
        self.count += 1
        is_network = self.kind(device, file).is_network
        if found is None:
            found = self._probes[device] = kernel_probe(is_network=is_network)
            if trusted(ctime_ns, found):
                return found
        self._probed.add(device)
        found = self._probes[device] = unnamed_probe(directory, device, is_network=is_network) or found
        return found


def _touch(fd: int) -> os.stat_result:
    os.utime(fd, ns=(_WITH_FRACTION_NS, _WITH_FRACTION_NS))
    return os.fstat(fd)


def trusted(ctime_ns: int, at: Probe) -> bool:
    """Return whether a file with this ctime cannot have been written since without its stat showing it.

    >>> trusted(79, Probe(100, 20)), trusted(80, Probe(100, 20))
    (True, False)
    """
    return ctime_ns < at.ctime_ns - at.margin_ns
