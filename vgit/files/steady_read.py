"""Steady read: what must be looked at before and after a file is read, so that nothing torn is taken for whole.

A file *held still* if its stat is the same before and after the reading, and nothing
could be written without moving its times. From a moment t on, before the reading, in this order:

    1  its ctime is older than t by a tick of its file system's clock      else a tick is waited for; an exact clock
       (``filesystem_clock``): a change after t gets another ctime         needs no wait
    2  no process maps it shared and writable                              else ``fsync`` makes its pages clean, so that
                                                                           the next store moves the times; in memory
                                                                           it never does: being written
    3  no call that writes is under way: it holds the inode's lock, a      waited for
       direct one shared
    4  no direct write that was begun asynchronously is under way: it      a large file with a direct descriptor: being
       holds no lock, only an open file                                    written. Unclear: read once more, later

If nobody has the file open for writing (``open_for_writing``: the kernel tells), 2 to 4
hold without another look, and whoever opens it later moves its times. Nothing
that was begun longer ago than a slow disk takes for the whole file is under way any more.

A file is *believed*, to be what was read for as long as its stat is the same, if
its ctime after the reading is older than t by the margin of its clock, and 2 and 4 were answered.
What was not answered is read again by the next commit, and believed if it is the same then.
"""

import enum
import os
import threading
from collections.abc import Callable, Collection
from typing import NamedTuple

from vgit.localfs.file_stat import BareStat, Stat, same_but_ctime
from vgit.localfs.file_systems import FileSystem
from vgit.localfs.filesystem_clock import COARSE_MARGIN_NS, FINE_MARGIN_NS, Clocks, Probe, trusted
from vgit.localfs.open_for_writing import Identity, OpenForWriting, is_open_for_writing

# Opening a FIFO must not wait for its writer; a link that took a file's place must not lead elsewhere.
FOLLOW_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
READ_FLAGS = FOLLOW_FLAGS | os.O_NOFOLLOW
QUIET_BYTES = 1 << 20  # of a file that is_quiet may find so at a glance
_WORTH_A_WAIT_BYTES = 16 << 20  # reading so much again costs more than a tick of the clock
_WORTH_A_LOOK_BYTES = 4 << 20  # reading less again costs less than a look at every descriptor of the machine
_ASKED_BEFORE_A_LOOK = 200  # asking for one file costs 5 µs
_SLOWEST_NS_PER_BYTE = 100  # a disk of 10 MB/s
_LARGEST_WRITE_BYTES = 2 << 30  # of one call
_NO_FRACTION = 0  # a ctime that does not tell how finely its file system keeps times
_NO_ATTRIBUTE = "vgit.none"  # of a namespace that there is not, so that it is nowhere


class Moved(Exception):
    """The file is being written, or it changed while it was read, or is something else by now."""


class Belief(enum.Enum):
    """What may be believed of a file that held still."""

    SURE = "sure"  # it is what was read for as long as its stat is the same
    ONCE_MORE = "once more"  # it is to be read again, and believed if it is the same then
    NEVER = "never"  # as long as it is as it is: a store into a map may move no time


class FileToRead(NamedTuple):
    """A file that is open to be read, or the directory in which a link is, and its file system."""

    descriptor: int
    device: int


def in_flight_ns(size: int) -> int:
    """Return how long ago a write to a file of ``size`` bytes may have begun that is still under way."""
    return COARSE_MARGIN_NS + min(size, _LARGEST_WRITE_BYTES) * _SLOWEST_NS_PER_BYTE


class Watch:
    """What was looked at from one moment on: clocks, maps, descriptors; again when a file is younger than that."""

    def __init__(self, clocks: Clocks, look_at_maps: Callable[[], Collection[Identity]]) -> None:
        self._clocks = clocks
        self._look_at_maps = look_at_maps
        self._turn = threading.RLock()  # uploads read in several threads
        self._looked = (
            -1,
            frozenset[Identity](),
            frozenset[int](),
        )  # after which reading of the clocks; what is mapped
        self._open: tuple[int, OpenForWriting] | None = None
        self._quiet: dict[int, tuple[int, frozenset[int]]] = {}  # by device: for ``is_quiet``, without asking anybody
        self._asked = 0

    def mapped_inodes(self) -> frozenset[int]:
        """Return the inodes of what is mapped shared and writable; perhaps of another file system too."""
        return self._maps()[1]

    def clock(self, directory: int) -> Probe:
        """Return the time of the file system that an open directory is on, for any file there."""
        return self._clock(FileToRead(directory, os.fstat(directory).st_dev), _NO_FRACTION)

    def kind(self, directory: int) -> FileSystem:
        """Return what file system an open directory is on."""
        return self._clocks.kind(os.fstat(directory).st_dev, directory)

    def wait_for_tick(self, directory: int, ctime_ns: int) -> None:
        """Do what ``settle`` does first for many small files in a directory's file system, of which one is so young."""
        self._wait_for_tick(FileToRead(directory, os.fstat(directory).st_dev), 0, ctime_ns)

    def shows_writes(self, opened: FileToRead, ctime_ns: int) -> bool:
        """Return whether a write from now on moves the times of a file with this ctime."""
        at = self._clock(opened, ctime_ns)
        return at.is_exact or trusted(ctime_ns, at)

    def trusts(self, opened: FileToRead, ctime_ns: int) -> bool:
        """Return whether a file with this ctime, read since, cannot have been written without its stat showing it."""
        return trusted(ctime_ns, self._clock(opened, ctime_ns))

    def believes(self, belief: Belief, opened: FileToRead, ctime_ns: int, *, is_same: bool) -> bool:
        """Return whether a file that held still is believed; ``is_same``: it is what it was when it was read before."""
        at = self._clock(opened, ctime_ns)
        if belief is Belief.ONCE_MORE and is_same:
            return ctime_ns < at.ctime_ns - max(at.margin_ns, COARSE_MARGIN_NS)
        return belief is Belief.SURE and trusted(ctime_ns, at)

    def is_quiet(self, opened: FileToRead, now: Stat) -> bool:
        """Return whether a file can be read without more ado; it waits for nobody, and any thread may ask.

        What is quiet and has the same stat when it was read held still.
        """
        quiet = self._quiet.get(opened.device)
        if quiet is not None and now.size <= QUIET_BYTES and now.ctime_ns < quiet[0] and now.ino not in quiet[1]:
            return True  # what was looked at stays true for so old a file
        with self._turn:
            at, kind = self._clock(opened, now.ctime_ns), self._kind(opened)
            if (
                kind.shows_maps
                and (trusted(now.ctime_ns, at) or at.is_exact)
                and is_open_for_writing(opened.descriptor) is False
            ):
                self._asked += 1
                if self._asked < _ASKED_BEFORE_A_LOOK:
                    return True
            inodes = self._maps()[1]
            self._quiet[opened.device] = at.ctime_ns - in_flight_ns(QUIET_BYTES), inodes
            return now.ctime_ns < at.ctime_ns - in_flight_ns(now.size) and now.ino not in inodes

    def settle(self, opened: FileToRead, now: Stat) -> Belief:
        """Do what must precede the reading of a regular file; Moved if it is being written.

        Waits for a tick of the clock, and for calls that write.
        """
        with self._turn:
            return self._settle(opened, now)

    def _settle(self, opened: FileToRead, now: Stat) -> Belief:
        kind, size, ctime_ns = self._kind(opened), now.size, now.ctime_ns
        self._wait_for_tick(opened, size, ctime_ns)
        is_open = is_open_for_writing(opened.descriptor)
        if is_open is False and kind.shows_maps:
            return Belief.SURE
        if not kind.is_network and not self._is_looked_after(opened, ctime_ns):
            self._clocks.renew()
        if self._is_mapped(opened, now.ino, kind):
            if kind.is_memory:
                raise Moved
            os.fsync(
                opened.descriptor
            )  # what was stored into the map is in the file, and the next store moves its times
            wait_for_writes(opened.descriptor)
            return Belief.NEVER
        wait_for_writes(opened.descriptor)
        if is_open is False or ctime_ns < self._clock(opened, ctime_ns).ctime_ns - in_flight_ns(size):
            return Belief.SURE
        return self._who_writes(opened, now) if size > _WORTH_A_LOOK_BYTES else Belief.ONCE_MORE

    def _who_writes(self, opened: FileToRead, now: Stat) -> Belief:
        """Look who has a file open for writing; one that is not seen may write in any way."""
        if self._open is None or self._open[0] != self._clocks.count:
            self._open = (self._clocks.count, OpenForWriting())
        is_direct = self._open[1].is_direct((opened.device, now.ino))
        if is_direct:
            raise Moved
        return Belief.SURE if is_direct is False else Belief.ONCE_MORE

    def _wait_for_tick(self, opened: FileToRead, size: int, ctime_ns: int) -> None:
        """Read the clocks later if a write from now on might leave a file's stat as it is.

        One wait is enough for all that a scan saw. A large file waits in any
        case: its row is then one to be trusted, and it need not be read again.
        """
        at = self._clock(opened, ctime_ns)
        if trusted(ctime_ns, at):
            return
        is_tick_over = at.is_exact or ctime_ns < at.ctime_ns - FINE_MARGIN_NS
        if not is_tick_over or size >= _WORTH_A_WAIT_BYTES:
            self._clocks.wait()

    def _is_looked_after(self, opened: FileToRead, ctime_ns: int) -> bool:
        """Whether the clocks, and so maps and descriptors, were looked at after the file's last change."""
        at = self._clock(opened, ctime_ns)
        return ctime_ns < at.ctime_ns if at.is_exact else trusted(ctime_ns, at)

    def _clock(self, opened: FileToRead, ctime_ns: int) -> Probe:
        return self._clocks.read(opened.device, opened.descriptor, ctime_ns)

    def _kind(self, opened: FileToRead) -> FileSystem:
        return self._clocks.kind(opened.device, opened.descriptor)

    def _is_mapped(self, opened: FileToRead, inode: int, kind: FileSystem) -> bool:
        mapped, inodes = self._maps()
        return (opened.device, inode) in mapped or (not kind.shows_maps and inode in inodes)

    def _maps(self) -> tuple[frozenset[Identity], frozenset[int]]:
        if self._looked[0] != self._clocks.count:
            count = self._clocks.count
            mapped = frozenset(self._look_at_maps())
            self._looked = (count, mapped, frozenset([inode for _, inode in mapped]))
        return self._looked[1:]


def open_to_read(name: str, directory_fd: int) -> int:
    """Open a file as it is read for a commit, which is no use of it that its atime should tell."""
    try:
        return os.open(name, READ_FLAGS | os.O_NOATIME, dir_fd=directory_fd)
    except PermissionError:  # another user's file: its atime is that user's
        return os.open(name, READ_FLAGS, dir_fd=directory_fd)


def read_small(file: int, now: BareStat) -> tuple[bytes, os.stat_result] | None:
    """Return what is in a settled file, and its stat; None if that is not ``now``, as it was before."""
    _, size, _, _, _ = now
    data = os.pread(file, size + 1, 0)
    found = os.fstat(file)
    seen = (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return (data, found) if seen == now and len(data) == size else None


def wait_for_writes(file: int) -> None:
    """Wait until every call that writes to the file and has begun is done; the file's offset is of no use afterwards.

    A write sets the times when it begins, so an equal stat would not show it. It
    holds the inode's lock, a direct one shared with others of its kind. Whoever
    takes an extended attribute away needs that lock for himself, and has it
    before the kernel finds that there is no such attribute. Looking for data
    takes it as well, shared; that is for file systems with locks of their own, and read-only ones.
    """
    try:
        os.removexattr(file, _NO_ATTRIBUTE)
    except OSError:
        pass  # EOPNOTSUPP: there are no such attributes
    wait_for_buffered_writes(file)


def wait_for_buffered_writes(file: int) -> None:
    """Do as ``wait_for_writes``, but for direct writes: half the work, and enough if nobody wrote lately."""
    try:
        os.lseek(file, 0, os.SEEK_DATA)
    except OSError:
        pass  # ENXIO: all of it is a hole. Or the file system knows no holes


def is_read_twice(now: Stat, old: Stat) -> bool:
    """Return whether ``old``, of a row that was not to be trusted, is the stat of the same reading."""
    return old.ctime_ns == 0 and same_but_ctime(now, old)
