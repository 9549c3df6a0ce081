"""Place: one entry of a tree made into a file, link, FIFO or socket on disk, checked on its way."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blake3 import blake3

from vgit.backend import Buffer
from vgit.content import read_content, write_content
from vgit.errors import BackendUnavailableError, CorruptObjectError, Error
from vgit.mount.rows import Row
from vgit.mount.scan import to_stat
from vgit.objects.store import ObjectStore
from vgit.paths import Path, decode_name, format_path, printable
from vgit.tree.entry import Entry, Kind

# Who may run a file as somebody else is not for a volume to say: set-user-id and set-group-id are recorded only.
_RESTORED_BITS = 0o1777
_WRITE_BITS = 0o222
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_MEMORY_BYTES = 4 << 20


class Placer:
    """Makes entries in directories given by descriptor; holds nothing open. ``wrote`` is told of files' bytes."""

    def __init__(self, store: ObjectStore, *, read_only: bool, wrote: Callable[[int], None] | None = None) -> None:
        self._store = store
        self._wrote = wrote
        self._kept_bits = _RESTORED_BITS & ~_WRITE_BITS if read_only else _RESTORED_BITS

    def permissions(self, mode: int) -> int:
        """Return the permission bits that an entry of ``mode`` gets in this mount."""
        return mode & self._kept_bits

    def place(self, directory_fd: int, name: str, entry: Entry) -> Row:
        """Make ``name``, which must not exist, and return its row; the content is checked by its BLAKE3.

        The row's entry has the BLAKE3 also where the tree did not (stock git
        wrote it). Nothing is left of a name that could not be made whole. Raises
        FileExistsError, CorruptObjectError, BackendUnavailableError.
        """
        try:
            return self._place(directory_fd, name, entry)
        except FileExistsError:
            raise
        except BaseException:
            try:
                os.unlink(name, dir_fd=directory_fd)
            except OSError:
                pass  # it was not made, or is going with its directory: the first error says why
            raise

    def _place(self, directory_fd: int, name: str, entry: Entry) -> Row:
        kind = entry.kind
        if kind is Kind.FILE:
            return self._place_file(directory_fd, name, entry)
        if kind is Kind.SYMLINK:
            target = b"".join(bytes(piece) for piece in read_content(self._store, entry))
            os.symlink(decode_name(target), name, dir_fd=directory_fd)
            known = entry._replace(hash=blake3(target).digest())
        else:
            type_bits = stat.S_IFIFO if kind is Kind.FIFO else stat.S_IFSOCK
            os.mknod(name, type_bits | 0o600, dir_fd=directory_fd)
            os.chmod(name, self.permissions(entry.mode), dir_fd=directory_fd)
            known = entry
        if kind is not Kind.SYMLINK or entry.hash is not None:
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=directory_fd, follow_symlinks=False)
        return Row(to_stat(os.stat(name, dir_fd=directory_fd, follow_symlinks=False)), known)

    def _place_file(self, directory_fd: int, name: str, entry: Entry) -> Row:
        known = entry
        file = os.open(name, _CREATE_FLAGS, 0o600, dir_fd=directory_fd)
        try:
            data = self._read_small(entry)
            if data is None:
                known = entry._replace(hash=write_content(self._store, entry, file, wrote=self._wrote))
            elif os.write(file, data) != len(data):
                raise BackendUnavailableError(f"{printable(name)} could not be written whole: the disk is full.")
            elif self._wrote is not None:
                self._wrote(len(data))
            os.fchmod(file, self.permissions(entry.mode))
            if entry.hash is not None:  # else stock git wrote it, and its time is not known
                os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))
            return Row(to_stat(os.fstat(file)), known)
        finally:
            os.close(file)

    def _read_small(self, entry: Entry) -> Buffer | None:
        """Return a small blob that is as its BLAKE3 says; None if it needs the longer way, or an error."""
        if entry.id is None or entry.hash is None or entry.is_chunked or not 0 < entry.size <= _IN_MEMORY_BYTES:
            return None
        try:
            data = self._store.read_unverified(entry.id)
        except CorruptObjectError:
            return None  # write_content looks for another copy, and names what is wrong if there is none
        return data if blake3(data).digest() == entry.hash else None


@contextmanager
def naming(path: Path, revision: bytes) -> Iterator[None]:
    """Complete an error on the way to disk with the path and the revision."""
    shown = printable(format_path(path))
    try:
        yield
    except CorruptObjectError as error:
        raise CorruptObjectError(
            f"{shown} at revision {revision.hex()[:12]} is damaged in the store: {error}."
            " Nothing of it was written; run git fsck on the volume and restore the object from a copy."
        ) from error
    except OSError as error:
        if isinstance(error, FileExistsError | FileNotFoundError | Error):
            raise
        raise BackendUnavailableError(f"{shown} could not be written: {error.strerror or error}.") from error
