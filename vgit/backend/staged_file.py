"""Staged file: a value of unknown size, written beside the packs under a temporary name.

It is named as git names its own unfinished packs, so that stock git ignores it
and its prune sweeps what a crash left.
"""

import os
from collections.abc import Callable, Sequence

from vgit.backend.directories import create_temporary, rename_over
from vgit.backend.keys import check_key, check_range
from vgit.backend.os_errors import read_failed, write_failed
from vgit.clock import Clock
from vgit.errors import Error, InvalidError
from vgit.localfs.positional import read_at, write_at
from vgit.localfs.write_hints import BulkWrites
from vgit.runtime.buffer import Buffer

STAGED_MODE = 0o444  # git's habit for what is never written again
_BESIDE = "objects/pack/staged"


class LocalStagedFile:
    """A ``StagedFile`` on a file system. ``root`` ends in ``/``; ``renamed`` is told the path it got."""

    def __init__(self, root: str, clock: Clock, renamed: Callable[[str], None]) -> None:
        self.size_bytes = 0
        self._root = root
        self._renamed = renamed
        self._bulk = BulkWrites()
        self._is_synced = False
        self._fd = -1
        try:
            self._fd, self._path = create_temporary(root, _BESIDE, STAGED_MODE, clock)
        except OSError as error:
            raise write_failed(error, "create a file in", root + "objects/pack") from error

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append ``parts`` in order; after an error only ``discard`` is of use."""
        fd = self._open_fd()
        self._is_synced = False
        size_bytes = self.size_bytes
        if size_bytes:  # what is written in one piece needs no hints
            self._bulk.before(fd, size_bytes, sum(map(len, parts)))
        try:
            self.size_bytes += write_at(fd, size_bytes, parts)
        except OSError as error:
            raise self._write_failed(error) from error
        self._bulk.after(fd, self.size_bytes)

    def patch(self, offset: int, data: Buffer) -> None:
        """Overwrite bytes that were written before; InvalidError beyond the end."""
        fd = self._open_fd()
        self._is_synced = False
        check_range(offset, None)
        if offset + len(data) > self.size_bytes:
            raise InvalidError(f"patch of {len(data)} bytes at {offset} ends beyond {self.size_bytes}.")
        try:
            write_at(fd, offset, (data,))
        except OSError as error:
            raise self._write_failed(error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        fd = self._open_fd()
        check_range(offset, length)
        try:
            return read_at(fd, offset, min(length, max(0, self.size_bytes - offset)))
        except OSError as error:
            raise read_failed(error, self._path) from error

    def sync(self) -> None:
        """Fsync, once what is written is complete."""
        fd = self._open_fd()
        try:
            if self._bulk.end_of_room > self.size_bytes:
                os.ftruncate(fd, self.size_bytes)
            os.fsync(fd)
        except OSError as error:
            raise write_failed(error, "sync", self._path) from error
        self._is_synced = True

    def rename(self, key: str) -> None:
        """Fsync, then rename to ``key``; the name is durable after ``sync`` of its directory."""
        self._open_fd()
        target = self._root + check_key(key)
        if not self._is_synced:
            self.sync()
        try:
            rename_over(self._path, target)
        except OSError as error:
            raise write_failed(error, "publish", target) from error
        self._close()
        self._renamed(target)

    def discard(self) -> None:
        """Remove the file; does nothing after ``rename`` or a first ``discard``."""
        if self._fd < 0:
            return
        self._close()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise write_failed(error, "remove", self._path) from error

    def __enter__(self) -> "LocalStagedFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise InvalidError("a staged file was used after it was renamed or discarded.")
        return self._fd

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _write_failed(self, error: OSError) -> Error:
        return write_failed(error, "write", self._path)
