"""Entry writer: one entry of a tree made into a file, link, FIFO or socket on disk, checked on its way."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from blake3 import blake3

from vgit.content import BLOB_LIMIT, read_content, write_content
from vgit.errors import BackendUnavailableError, CorruptObjectError, Error, NotFoundError
from vgit.files.rows import Row
from vgit.ids import short_id
from vgit.localfs.file_stat import to_stat
from vgit.objects.blob_run import LARGEST as LARGEST_IN_RUN
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.paths import Path, decode_name, format_path, printable
from vgit.runtime.buffer import Buffer
from vgit.tree.entry import Entry, Kind

# Who may run a file as somebody else is not for a volume to say: set-user-id and set-group-id are recorded only.
_RESTORED_BITS = 0o1777
_WRITE_BITS = 0o222
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HASH_OF_NOTHING = blake3(b"").digest()


class EntryWriter:
    """Makes entries in directories given by descriptor; holds nothing open. ``wrote`` is told of files' bytes."""

    def __init__(self, store: ObjectDatabase, *, read_only: bool, wrote: Callable[[int], None] | None = None) -> None:
        self._store = store
        self._wrote = wrote
        self._run = store.blob_run()
        self._kept_bits = _RESTORED_BITS & ~_WRITE_BITS if read_only else _RESTORED_BITS

    def permissions(self, mode: int) -> int:
        """Return the permission bits that an entry of ``mode`` gets in this mount."""
        return mode & self._kept_bits

    def write(self, directory_fd: int, name: str, entry: Entry) -> Row:
        """Make ``name``, which must not exist, and return its row; the content is checked by its BLAKE3.

        The row's entry has the BLAKE3 also where the tree did not (stock git
        wrote it). Nothing is left of a name that could not be made whole. Raises
        FileExistsError, CorruptObjectError, BackendUnavailableError.
        """
        try:
            return self._write_entry(directory_fd, name, entry)
        except FileExistsError:
            raise
        except BaseException:
            try:
                os.unlink(name, dir_fd=directory_fd)
            except OSError:
                pass  # it was not made, or is going with its directory: the first error says why
            raise

    def _write_entry(self, directory_fd: int, name: str, entry: Entry) -> Row:
        kind = entry.kind
        if kind is Kind.FILE:
            return self._write_file(directory_fd, name, entry)
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

    def _write_file(self, directory_fd: int, name: str, entry: Entry) -> Row:
        data = self._read_small(entry)
        if data is not None:
            return self._write_data(directory_fd, name, entry, data)
        file = os.open(name, _CREATE_FLAGS, 0o600, dir_fd=directory_fd)
        try:
            hash = write_content(self._store, entry, file, wrote=self._wrote)
            os.fchmod(file, self.permissions(entry.mode))
            if entry.hash is not None:  # else stock git wrote it, and its time is not known
                os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))
            return Row(to_stat(os.fstat(file)), entry._replace(hash=hash))
        finally:
            os.close(file)

    def _write_data(self, directory_fd: int, name: str, entry: Entry, data: Buffer) -> Row:
        mode = entry.mode & self._kept_bits
        mtime_ns = entry.mtime_ns
        # Made with the permissions that it is to have: mostly the umask takes none of them away, which spares a call.
        file = os.open(name, _CREATE_FLAGS, mode, dir_fd=directory_fd)
        try:
            if os.write(file, data) != len(data):
                raise BackendUnavailableError(f"{printable(name)} could not be written whole: the disk is full.")
            os.utime(file, ns=(mtime_ns, mtime_ns))
            found = os.fstat(file)
            if found.st_mode & 0o7777 != mode:
                os.fchmod(file, mode)
                found = os.fstat(file)
        finally:
            os.close(file)
        if self._wrote is not None:
            self._wrote(len(data))
        return Row(to_stat(found), entry)

    def _read_small(self, entry: Entry) -> Buffer | None:
        """Return a small blob that is as its BLAKE3 says; None if it needs the longer way, or an error."""
        id, digest, size = entry.id, entry.hash, entry.size
        if id is None or digest is None or entry.git_mode == TREE_MODE or size > BLOB_LIMIT:
            return None
        if size == 0:
            return b"" if digest == _HASH_OF_NOTHING else None
        try:
            if size <= LARGEST_IN_RUN:
                data: Buffer | None = self._run.take(size)
                if data is not None and blake3(data).digest() == digest:
                    return data
                if not self._run.seek(id):
                    return None
                data = self._run.take(size)
            else:
                data = self._store.read_unverified(id)
        except (CorruptObjectError, NotFoundError):
            return None  # write_content looks for another copy, and names what is wrong if there is none
        return data if data is not None and blake3(data).digest() == digest else None


def damaged_content(error: CorruptObjectError, path: Path, revision: bytes) -> CorruptObjectError:
    """Return ``error`` completed with the path that has the content, and the revision."""
    return CorruptObjectError(
        f"{printable(format_path(path))} at revision {short_id(revision)} is damaged in the store: {error}."
        " Nothing of it was written; run git fsck on the volume and restore the object from a copy."
    )


def raise_with_path(error: OSError | CorruptObjectError, path: Path, revision: bytes) -> NoReturn:
    """Raise ``error`` completed with the path and the revision, or as it is if that would say nothing more."""
    if isinstance(error, CorruptObjectError):
        raise damaged_content(error, path, revision) from error
    if isinstance(error, FileExistsError | FileNotFoundError | Error):
        raise error
    shown = printable(format_path(path))
    raise BackendUnavailableError(f"{shown} could not be written: {error.strerror or error}.") from error


@contextmanager
def errors_with_path(path: Path, revision: bytes) -> Iterator[None]:
    """Complete an error on the way to disk, as ``raise_with_path``."""
    try:
        yield
    except (OSError, CorruptObjectError) as error:
        raise_with_path(error, path, revision)
