"""Write hints: what makes many or long writes cheap: room asked for ahead, and writing to disk begun early.

All are hints. Where the kernel or the file system knows them not, or has no
room for them, nothing happens: the write itself says what is wrong. None makes
anything durable. What they gain: docs/performance.md.
"""

import ctypes
import threading

from vgit.localfs.syscalls import syncfs

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE: the file does not become longer
_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE: begins, and does not wait
_ROOM = 64 << 20
_WORTH_BEGINNING = 32 << 20
_SYNC_EVERY_SECONDS = 0.3

_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
_sync_file_range = getattr(_libc, "sync_file_range", None)


class BulkWrites:
    """The hints for one file that is written from its start to its end. Holds no descriptor."""

    def __init__(self) -> None:
        self.end_of_room = 0  # up to here room was asked for; beyond the file's end it must be given back
        self._begun = 0
        self._can_ask = True

    def before(self, fd: int, start: int, size: int) -> None:
        """Take note that ``size`` bytes are about to be written at ``start``."""
        if self._can_ask and start + size > self.end_of_room:
            room = max(size, _ROOM)
            self._can_ask = ask_for_room(fd, start, room)
            if self._can_ask:
                self.end_of_room = start + room

    def after(self, fd: int, end: int) -> None:
        """Take note that all before ``end`` was written."""
        if end - self._begun >= _WORTH_BEGINNING:
            begin_writing(fd, self._begun, end - self._begun)
            self._begun = end


def ask_for_room(fd: int, start: int, size: int) -> bool:
    """Have the file system set blocks aside; return whether it did."""
    if _fallocate is None:
        return False
    failed: int = _fallocate(fd, _KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(size))
    return not failed


def begin_writing(fd: int, start: int, size: int) -> None:
    """Have the kernel begin to write what it has of these bytes to the disk."""
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(start), ctypes.c_int64(size), ctypes.c_uint(_START_WRITING))


class WriteBack:
    """Writes the file system of ``descriptor`` back, over and over, in a thread; a context manager that ends it.

    What it finds wrong is not told here: the last ``syncfs``, the caller's, is told it as well.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vgit-write-back", daemon=True)

    def __enter__(self) -> "WriteBack":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SYNC_EVERY_SECONDS):
            try:
                syncfs(self._descriptor)
            except OSError:
                return
