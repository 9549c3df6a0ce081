"""Local: keys are files below one directory, in git's own layout.

Order of writes, and the crash that each order survives:

- ``put``: temporary file, fsync, rename, fsync of the directory. Before the
  rename the old value stands; a temporary file is left, for ``sweep``.
- ``put_if``: ``exclusive``, git's lock file, compare, fsync, rename over, fsync
  of the directory. Before the rename the old value stands and a lock file is
  left, which the next holder of ``exclusive`` removes (``git_lock.py``).
- a staged file's ``rename``: fsync, rename. The name may come and go with the power until
  ``sync``; the bytes under it are whole.

An error in the last fsync leaves open whether the change will survive a power
loss, although every reader sees it. Callers of ``put_if`` then read back.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from vgit.backend import git_lock
from vgit.backend.descriptor_cache import DescriptorCache, OpenFile
from vgit.backend.directories import create_temporary, make_directory, rename_over, walk, walk_names
from vgit.backend.exclusive_lock import ExclusiveLock
from vgit.backend.keys import (
    LOCK_SUFFIX,
    check_key,
    check_prefix,
    check_range,
    is_hidden,
    is_immutable,
    is_temporary,
)
from vgit.backend.leftover import remove_leftover
from vgit.backend.mark import LocalMark
from vgit.backend.os_errors import ABSENT, read_failed, write_failed
from vgit.backend.protocol import KeyStat
from vgit.backend.staged_file import STAGED_MODE, LocalStagedFile
from vgit.backend.turn import take_turn
from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.localfs.file_lock import FileLock
from vgit.localfs.fsync import sync_directory
from vgit.localfs.liveness import may_be_held_elsewhere, note_of_this_kernel
from vgit.localfs.mapping import map_file
from vgit.localfs.positional import read_at, read_into, write_at
from vgit.paths import require_utf8
from vgit.runtime.buffer import Buffer
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import shutil
else:
    shutil = lazy_import("shutil")


class LocalBackend:
    """The files below ``path``, which need not exist yet; a context manager that closes what it keeps open.

    At most 64 descriptors are kept, of packs and indexes only; children share them.
    Error in a process that does not have names of files in UTF-8.
    """

    def __init__(self, path: str, *, clock: Clock = SYSTEM_CLOCK, descriptors: DescriptorCache | None = None) -> None:
        require_utf8()
        self._root = os.path.abspath(path).rstrip("/") + "/"
        self._clock = clock
        self._descriptors = descriptors or DescriptorCache()
        self._lock = ExclusiveLock(self._root, clock)

    def __reduce__(self) -> tuple[type["LocalBackend"], tuple[str]]:
        """For a worker process: a backend of its own of the same directory."""
        return LocalBackend, (self._root,)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return the value from ``start``, ``length`` bytes or to its end; fewer only at the end."""
        check_range(start, length)
        path = self._root + key
        opened = self._descriptors.find(path) or self._open(key, path)
        rest = max(0, opened.size_bytes - start)
        try:
            return read_at(opened.fd, start, rest if length is None or length > rest else length)
        except OSError as error:
            raise read_failed(error, path) from error

    def get_into(self, key: str, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill ``buffers`` in order with the value from ``start``; return how many bytes there were."""
        check_range(start, None)
        path = self._root + key
        opened = self._descriptors.find(path) or self._open(key, path)
        try:
            return read_into(opened.fd, start, buffers)
        except OSError as error:
            raise read_failed(error, path) from error

    def view(self, key: str) -> memoryview:
        """Return a read-only view of a value that is never written again; large ones are mapped."""
        path = self._root + key
        opened = self._open(key, path)
        try:
            return map_file(opened.fd, opened.size_bytes)
        except OSError as error:
            raise read_failed(error, path) from error

    def list(self, prefix: str) -> Iterator[KeyStat]:
        """Yield every key that starts with ``prefix``, in order of key; no staged or lock files."""
        return (listed for listed in self._walk(prefix) if not is_hidden(listed.key))

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the keys that ``list`` yields, in any order, by the names in the directories alone."""
        try:
            found = walk_names(self._root, check_prefix(prefix))
            # Asked in two steps, as most names have neither, and there may be a thousand.
            yield from [key for key in found if not ("tmp_" in key or ".lock" in key) or not is_hidden(key)]
        except OSError as error:
            raise read_failed(error, self._root + prefix) from error

    def stat(self, key: str) -> KeyStat:
        """Return what ``list`` yields of one key; NotFoundError if it is absent."""
        path = self._root + check_key(key)
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "no value", path)
        except OSError as error:
            raise read_failed(error, path) from error
        return KeyStat(key, status.st_size, status.st_mtime_ns)

    def put(self, key: str, data: Buffer) -> None:
        """Set the value, durable on return."""
        path = self._root + check_key(key)
        mode = STAGED_MODE if is_immutable(key) else 0o644
        try:
            fd, temporary = create_temporary(self._root, key, mode, self._clock)
            _replace(fd, temporary, path, data)
        except OSError as error:
            raise write_failed(error, "write", path) from error
        self._descriptors.forget(path)

    def put_if(self, key: str, data: Buffer, expected: bytes | None) -> bool:
        """Set the value if it is ``expected`` (None: if the key is absent); say whether that was so."""
        path = self._root + check_key(key)
        with self._lock:
            try:
                self._lock.note(key)
                try:
                    return self._swap(path, data, expected)
                finally:
                    self._lock.clear_note()
            except OSError as error:
                raise write_failed(error, "write", path) from error

    def stage(self) -> LocalStagedFile:
        """Begin a value of unknown size, to be read-only under its key."""
        return LocalStagedFile(self._root, self._clock, self._descriptors.forget)

    def mark(self, key: str) -> LocalMark:
        """Make an empty value, not durable before ``sync``, or use the one that is there; hold it until ``remove``."""
        path = self._root + check_key(key)
        try:
            return LocalMark(path)
        except OSError as error:
            raise write_failed(error, "write", path) from error

    def unmark(self, key: str, also: Sequence[str] = ()) -> bool:
        """Remove a mark that no living process holds, and before it the keys ``also``; say whether that was so."""
        return self._remove_leftover(check_key(key), lambda: list(map(self.delete, also)))

    def now_ns(self) -> int:
        """Return the mtime of a file that is made now: the server's time on a network file system."""
        try:
            fd, path = create_temporary(self._root, "clock", STAGED_MODE, self._clock)
            try:
                return os.fstat(fd).st_mtime_ns
            finally:
                os.unlink(path)
                os.close(fd)
        except OSError as error:
            raise write_failed(error, "make a file in", self._root) from error

    def touch(self, key: str) -> None:
        """Renew the key's mtime, by the file system's clock; NotFoundError if it is absent."""
        path = self._root + check_key(key)
        try:
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, "no value", path)
            os.utime(path)
        except OSError as error:
            if error.errno in ABSENT:
                raise read_failed(error, path) from error
            raise write_failed(error, "renew the time of", path) from error

    def sync(self, prefix: str) -> None:
        """Make names given and deleted directly under the directory ``prefix`` durable."""
        path = self._root + check_prefix(prefix.rstrip("/") + "/" if prefix else "")
        try:
            sync_directory(path)
        except (FileNotFoundError, NotADirectoryError):
            pass  # No directory, so no names in it that could be lost.
        except OSError as error:
            raise write_failed(error, "sync", path) from error

    def delete(self, key: str) -> None:
        """Remove the key; nothing if it is absent. Readers that have it open read on."""
        path = self._root + check_key(key)
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno not in ABSENT:
                raise write_failed(error, "delete", path) from error
        self._descriptors.forget(path)

    def clear(self) -> None:
        """Remove the directory and all that is in it, durably."""
        self._descriptors.clear()  # an open file's bytes would stay on the disk
        try:
            if os.path.isdir(self._root):
                shutil.rmtree(self._root)
                sync_directory(os.path.dirname(self._root.rstrip("/")))
        except OSError as error:
            raise write_failed(error, "delete", self._root) from error

    def hold(self, key: str) -> FileLock | None:
        """Hold the key's file by flock; None if somebody does, or may do so on another machine."""
        path = self._root + check_key(key)
        lock = FileLock(path, f"{path} is held", clock=self._clock)
        try:
            make_directory(os.path.dirname(path))
            if may_be_held_elsewhere(path, lock.read_note()):
                return None
            return lock if lock.try_acquire(note_of_this_kernel()) else None
        except OSError as error:
            raise write_failed(error, "lock", path) from error

    def exclusive(self) -> ExclusiveLock:
        """Hold the lock under which refs move and packs go; 60 s of waiting at most, then LockedError."""
        return self._lock

    def turn(self, timeout_seconds: float) -> AbstractContextManager[None]:
        """Wait for other writers of this directory, but no longer than ``timeout_seconds``."""
        return take_turn(self._root, timeout_seconds, self._clock)

    def child(self, prefix: str) -> "LocalBackend":
        """Return the backend of the directory ``prefix``, with an ``exclusive`` of its own.

        What is below it is from then on written through it alone: two locks
        for one key would exclude nobody.
        """
        path = self._root + check_key(prefix.rstrip("/"))
        return LocalBackend(path, clock=self._clock, descriptors=self._descriptors)

    def sweep(self, older_than_seconds: float) -> int:
        """Remove temporary files that were last written longer ago than that, by dead writers; return how many."""
        newest_ns = self.now_ns() - int(older_than_seconds * 1e9)
        removed = 0
        with self._lock:
            for listed in self._walk(""):
                if is_temporary(listed.key) and listed.mtime_ns < newest_ns:
                    removed += self._remove_leftover(listed.key)
        return removed

    def close(self) -> None:
        """Close all descriptors that are kept, the children's too; the backend stays usable."""
        self._descriptors.clear()

    def __enter__(self) -> "LocalBackend":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, key: str, path: str) -> OpenFile:
        check_key(key)
        try:
            opened = OpenFile(path)
        except OSError as error:
            raise read_failed(error, path) from error
        if is_immutable(key):
            self._descriptors.keep(path, opened)
        return opened

    def _walk(self, prefix: str) -> Iterator[KeyStat]:
        try:
            yield from walk(self._root, check_prefix(prefix))
        except OSError as error:
            raise read_failed(error, self._root + prefix) from error

    def _swap(self, path: str, data: Buffer, expected: bytes | None) -> bool:
        """Do ``put_if`` while ``exclusive`` is held. Raises OSError."""
        try:
            fd = git_lock.take(path, self._clock)
        except NotADirectoryError:
            if expected is None:
                raise
            return False  # A file stands where a directory must be: the key is absent, so not as expected.
        lock_path = path + LOCK_SUFFIX
        try:
            matches = _read_or_none(path) == expected
        except BaseException:
            os.close(fd)
            os.unlink(lock_path)
            raise
        if not matches:
            os.close(fd)
            os.unlink(lock_path)
            return False
        _replace(fd, lock_path, path, data)
        self._descriptors.forget(path)
        return True

    def _remove_leftover(self, key: str, before: Callable[[], object] = bool) -> bool:
        path = self._root + key
        try:
            return remove_leftover(path, before)
        except OSError as error:
            raise write_failed(error, "delete", path) from error


def _replace(fd: int, temporary: str, path: str, data: Buffer) -> None:
    """Write ``data`` to the new file ``temporary``, name it ``path`` durably, close ``fd``. OSError."""
    try:
        write_at(fd, 0, (data,))
        os.fsync(fd)
        rename_over(temporary, path)
    except BaseException:
        # Only before the rename: later the temporary's name may be a lock that stock git took since.
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    sync_directory(os.path.dirname(path))


def _read_or_none(path: str) -> bytes | None:
    """Return a small file's bytes, None if there is no such file. Raises OSError."""
    try:
        opened = OpenFile(path)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    return read_at(opened.fd, 0, opened.size_bytes)
