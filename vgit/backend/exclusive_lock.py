"""Exclusive lock: the lock under which refs move and packs go, a flock on ``vgit.lock``.

The kernel frees it when its holder dies, whoever and wherever that was; no
process id is ever asked. Each holder opens the file anew, so two threads
exclude each other just as two processes do.

The file's content is a **note**: the key whose lock file (``git_lock.py``) the
holder is about to make, and a newline; empty otherwise. The next holder reads
it and removes that lock file if it is one of ours, so that a killed vgit does
not stop stock git for longer than until the next vgit comes by. The note is
never fsynced, because it is only a hint where to look: a kill does not lose it
(the page cache survives), and after a power loss that did lose it the same
lock file is known by its mode to the next ``put_if`` of that key. The other way
round, a note whose lock file was never made, or has been made by stock git
since, does no harm: the mode says that the file is not ours.
"""

import os
import threading

from vgit.backend import git_lock
from vgit.backend.directories import create_file
from vgit.backend.keys import LOCK_SUFFIX, check_key
from vgit.backend.os_errors import write_failed
from vgit.clock import Clock
from vgit.errors import BackendUnavailableError, InvalidError, LockedError
from vgit.localfs.lockable_file import LockableFile, wait_for
from vgit.runtime.cancel import acquire
from vgit.runtime.forks import reset_after_fork

_NAME = "vgit.lock"
_WAIT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 0.02
_NOTE_SIZE_MAX = 8192  # longer than a path may be


class ExclusiveLock:
    """A context manager, re-entrant within a thread. ``root`` ends in ``/``.

    Entering raises LockedError after 60 s, and BackendUnavailableError where
    flock does not work.
    """

    def __init__(self, root: str, clock: Clock) -> None:
        self._root = root
        self._path = root + _NAME
        self._clock = clock
        self._turn = threading.RLock()  # one thread of this process at a time polls, or holds
        self._depth = 0
        self._file = LockableFile()
        self._flock_works = False
        reset_after_fork(self)

    def __enter__(self) -> None:
        deadline = self._clock.monotonic() + _WAIT_SECONDS
        if not acquire(self._turn, _WAIT_SECONDS):
            raise self._locked()
        if self._depth == 0:
            try:
                self._take(deadline)
            except OSError as error:
                self._drop()
                if isinstance(error, BackendUnavailableError):
                    raise
                raise write_failed(error, "lock", self._path) from error
            except BaseException:
                self._drop()
                raise
        self._depth += 1

    def __exit__(self, *exc: object) -> None:
        if self._depth == 0:
            return  # A child that was forked inside the block: the lock stayed with its parent.
        self._depth -= 1
        if self._depth == 0:
            self._drop()
        else:
            self._turn.release()

    def note(self, key: str) -> None:
        """Note that the lock file of ``key`` is about to be made, by the lock's holder. Raises OSError."""
        os.pwrite(self._file.fd, os.fsencode(key) + b"\n", 0)

    def clear_note(self) -> None:
        """Note that the lock file is gone. Raises OSError."""
        os.ftruncate(self._file.fd, 0)

    def after_fork(self) -> None:
        """Make a new thread lock, which nobody holds."""
        self._depth = 0  # the file closes itself
        self._turn = threading.RLock()

    def _take(self, deadline: float) -> None:
        """Open and lock the file, then clear away what the last holder left."""
        if not self._flock_works:
            self._check_flock_works()
        left = max(0.0, deadline - self._clock.monotonic())
        if not wait_for(self._try_take, self._clock, left, longest_wait_seconds=_LONGEST_WAIT_SECONDS):
            raise self._locked()
        self._clear_after_the_dead()

    def _try_take(self) -> bool:
        while True:
            if self._file.fd < 0:
                self._file.open(self._create)
            if not self._file.try_lock():
                return False
            if self._file.is_named(self._path):
                return True
            self._file.unlock()  # others will open another one: somebody deleted it

    def _create(self) -> int:
        return create_file(self._path, os.O_RDWR, 0o666)

    def _drop(self) -> None:
        """Unlock, close, and let the next thread have its turn."""
        self._file.unlock()
        self._turn.release()

    def _check_flock_works(self) -> None:
        """Raise BackendUnavailableError if two open files of one name do not exclude each other here.

        Anybody may hold the lock meanwhile: then both tries are refused, as it should be.
        """
        files = [LockableFile() for _ in range(2)]
        try:
            for file in files:
                file.open(self._create)
            # Both are tried, not one and then perhaps the other.
            granted = [file.try_lock() for file in files]
        finally:
            for file in files:
                file.unlock()
        if all(granted):
            raise BackendUnavailableError(
                f"flock on {self._path} was given to two at once: this file system cannot keep writers apart;"
                " put the store on one that can."
            )
        self._flock_works = True

    def _clear_after_the_dead(self) -> None:
        note = os.pread(self._file.fd, _NOTE_SIZE_MAX, 0)
        if not note:
            return
        key, newline, _ = note.partition(b"\n")
        try:
            if newline:
                git_lock.remove_if_ours(self._root + check_key(os.fsdecode(key)) + LOCK_SUFFIX)
        except InvalidError:
            pass  # Damaged by a power loss; the lock file will be known by its mode.
        self.clear_note()

    def _locked(self) -> LockedError:
        return LockedError(
            f"{self._path} was held by others for {_WAIT_SECONDS:.0f} s; vgit holds it for moments."
            f" See who it is (fuser -v {self._path}); the lock goes when that process ends."
        )
