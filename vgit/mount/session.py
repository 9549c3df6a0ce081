"""Session: what every operation on a mount needs: its lock, its stat cache, and the clock.

An operation holds the mount's lock, on a directory that is still the mount it
was, with nothing left half done. Threads take turns; a forked child opens its
own state.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vgit.clock import Clock
from vgit.errors import LockedError, NotMountedError
from vgit.files.temporary_access import TemporaryAccess, no_note
from vgit.ids import ObjectFormat
from vgit.localfs.file_lock import FileLock
from vgit.mount.layout import DATABASE_FILE, FILLING_FILE, LOCK_FILE, OWNER_FILE, half_unmounted
from vgit.mount.mount_clock import MountClock
from vgit.mount.root import MountRoot
from vgit.mount.stat_cache import StatCache
from vgit.paths import MOUNT_FILE, ROOT, STATE_NAME, printable
from vgit.runtime.cancel import hold
from vgit.runtime.forks import reset_after_fork

_LOCK_SECONDS = 600.0  # another thread's or process's commit may have many GB to write

_parents: list[StatCache] = []  # handles that a forked child inherited, never to be used and never to be closed


class Session:
    """A mount's own state, open; ``settle`` finishes what an operation that was cut off left."""

    def __init__(
        self,
        path: str,
        object_format: ObjectFormat,
        clock: Clock,
        settle: Callable[[StatCache], None],
        marker: str = MOUNT_FILE,
    ) -> None:
        self.root = MountRoot(path, marker=marker)
        self.clock = MountClock(self.root, clock)
        self._format = object_format
        self._clock = clock
        self._settle = settle
        self._turn = threading.RLock()
        self._cache: StatCache | None = None
        self._lock: FileLock | None = None  # of the operation under way
        reset_after_fork(self)
        self._owner = FileLock(
            self._state(OWNER_FILE), f"{self.root.path} is mounted by a running program already", clock=clock
        )

    def after_fork(self) -> None:
        """Leave the parent what is its own: a lock that a thread of it may hold, and its database handle."""
        self._turn = threading.RLock()
        if self._cache is not None:
            _parents.append(self._cache)  # closing it would drop the parent's locks on the file
            self._cache = None

    def close(self) -> None:
        """Let go of the directory."""
        self._owner.release()
        if self._cache is not None:
            self._cache.close()
        self._cache = None
        self.root.close()

    def own(self) -> None:
        """Hold the mount for this program until ``close``; LockedError if another has it."""
        if not self._owner.try_acquire(note=f"pid {os.getpid()}"):
            raise LockedError(
                f"{self.root.path} is already mounted by a running program ({self._owner.read_note() or 'unknown'})."
                " Mount the volume at another directory, or end that program."
            )

    @contextmanager
    def operation(self) -> Iterator[StatCache]:
        """Hold the mount's lock, on a directory that is still the mount, with nothing left half done."""
        if self.root.marker != MOUNT_FILE:  # what its end has taken away must not look removed
            raise NotMountedError(f"{printable(self.root.path)} is no mount any more: {half_unmounted(self.root.path)}")
        with self.unsettled() as cache:
            self._settle(cache)
            yield cache

    @contextmanager
    def unsettled(self) -> Iterator[StatCache]:
        """Hold the mount's lock as ``operation`` does; what was cut off is as it was left."""
        with hold(self._turn):
            self.root.check_unmoved()
            lock = FileLock(
                self._state(LOCK_FILE),
                f"another program is committing or reloading {self.root.path}",
                clock=self._clock,
            )
            with self._hold(lock):
                self.root.check_unmoved()  # it may have been unmounted while we waited
                cache = self._open_cache()
                cache.refresh()
                yield cache

    def end(self) -> None:
        """Take ``.vgit`` away, inside an operation: nobody can have a mount there before its lock is released.

        The database is closed first: SQLite removes files by their names, which may be another mount's later.
        """
        assert self._lock is not None, "who does not hold the mount's lock may be removing another mount's state"
        if self._cache is not None:
            self._cache.close()
            self._cache = None
        with TemporaryAccess(self.root, no_note) as access:
            access.allow([ROOT])
            self.root.remove_state()

    def lock_descriptors(self) -> tuple[int, ...]:
        """Return what a process that works for this operation inherits: the lock is held until it has ended too."""
        return (self._lock.descriptor,) if self._lock is not None else ()

    @contextmanager
    def _hold(self, lock: FileLock) -> Iterator[None]:
        try:
            lock.acquire(_LOCK_SECONDS, note=f"pid {os.getpid()}")
        except FileNotFoundError:
            self.root.check_unmoved()
            raise
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None
            lock.release()

    def _open_cache(self) -> StatCache:
        if self._cache is None:
            self._cache = StatCache(self._state(DATABASE_FILE), self._format, network=self.clock.is_network)
        return self._cache

    def _state(self, name: str) -> str:
        return os.path.join(self.root.path, STATE_NAME, name)


def without_base(root: MountRoot) -> NotMountedError:
    """Return the error for a mount that knows nothing of what was checked out into it."""
    path = printable(root.path)
    if root.exists((STATE_NAME, FILLING_FILE)):
        return NotMountedError(
            f"the first checkout of {path} was cut off, so that it cannot tell what is missing from what was"
            " removed. Mount the volume there again: that finishes it."
        )
    return NotMountedError(
        f"{path} has lost its {STATE_NAME}/{DATABASE_FILE}, or taking its files into the volume was cut off: it"
        " cannot tell what is missing from what was removed. Mount the volume there again: no file is overwritten."
    )
