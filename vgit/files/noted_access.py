"""Noted access: temporary access to a directory that is no mount; what a death left open there, the next one closes.

A directory that is no mount has no journal. So the modes that are to be set back
are kept in a file for as long as something is open: ``.vgit-modes`` in the
directory or, where nothing may be made in it, ``.NAME.vgit-modes`` beside it.
Each line is a JSON list of paths and permission bits, and the last whole one
counts. Who works with the file holds its flock: one that is free was left by a death.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.clock import SYSTEM_CLOCK
from vgit.errors import LockedError
from vgit.files.temporary_access import Modes, TemporaryAccess, no_note
from vgit.localfs.file_systems import NAME_BYTES
from vgit.localfs.fsync import sync_directory
from vgit.localfs.lockable_file import LockableFile, wait_for
from vgit.localfs.root_directory import RootDirectory, may
from vgit.paths import MODES_NAME, ROOT, decode_name, encode_name, parse_path, printable

_ALL = os.R_OK | os.W_OK | os.X_OK
_WAIT_SECONDS = 600.0  # another one may have many GB to write
_LONGEST_WAIT_SECONDS = 0.05
_FOUND = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def noted_access(path: str) -> Iterator[tuple[RootDirectory, TemporaryAccess]]:
    """Open a directory, and allow access to what is closed in it; at the end each directory has its mode again.

    What somebody who died left open is closed first; who is alive is waited for.
    """
    with RootDirectory.of_any_mode(path) as root, _Note(root) as note:
        note.settle()
        with TemporaryAccess(root, note.write) as access:
            if not may(root.fd, os.R_OK):
                access.allow([ROOT])
                root.reopen()
            yield root, access
        note.remove()


class _ModesFile(LockableFile):
    """The file, open and locked."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def take(self) -> bool:
        """Lock it; False, and it is closed, if somebody has it or it has lost its name."""
        try:
            is_ours = self.try_lock()
        except OSError:
            is_ours = True  # some network file system, without locks
        if is_ours and self._is_there():
            return True
        self.unlock()  # a lock that somebody else has stays his
        return False

    def _is_there(self) -> bool:
        try:
            return self.is_named(self.path)
        except OSError:
            return False


class _Note:
    """The file that belongs to a directory; a context manager that lets go of it."""

    def __init__(self, root: RootDirectory) -> None:
        self._root = root
        self._inside = f"/proc/self/fd/{root.fd}/{MODES_NAME}"
        parent, name = os.path.split(os.path.realpath(root.path))
        kept = decode_name(encode_name(name)[: NAME_BYTES - 1 - len(MODES_NAME)])
        self._beside = os.path.join(parent, f".{kept}{MODES_NAME}")
        self._held: _ModesFile | None = None

    def __enter__(self) -> "_Note":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._held is not None:  # some mode could not be set back: the file tells the next one
            self._held.unlock()
            self._held = None

    def write(self, modes: Modes) -> None:
        """Keep ``modes``, durably."""
        while self._held is None:
            self._held = self._make()
            if self._held is None:  # another one made it a moment ago
                self.settle()
        line = json.dumps([[list(path), mode] for path, mode in modes.items()])
        os.write(self._held.fd, f"{line}\n".encode())
        os.fsync(self._held.fd)
        sync_directory(os.path.dirname(self._held.path))

    def settle(self) -> None:
        """Set back what somebody left open who died."""
        for path in (self._inside, self._beside):
            self._held = self._wait_for(path)
            if self._held is not None:
                with TemporaryAccess(self._root, no_note, _read(self._held.fd)):
                    pass
                self.remove()

    def remove(self) -> None:
        """Remove the file: all modes are what they were."""
        if self._held is None:
            return
        try:
            os.unlink(self._held.path)
            sync_directory(os.path.dirname(self._held.path))
        except FileNotFoundError:
            pass
        self._held.unlock()
        self._held = None

    def _make(self) -> _ModesFile | None:
        """Make the file; None if there is one."""
        path = self._inside if may(self._root.fd, _ALL) else self._beside
        file = _ModesFile(path)
        try:
            file.open(lambda: os.open(path, _NEW, 0o600))
        except FileExistsError:
            return None
        except PermissionError as error:
            error.filename = self._root.path  # nothing is opened that could not be closed again
            raise
        return file if file.take() else None

    def _wait_for(self, path: str) -> _ModesFile | None:
        """Return the file that somebody left, locked; None if there is none."""
        file = _ModesFile(path)

        def settle() -> bool:
            return not _find(file) or file.take()

        if not wait_for(settle, SYSTEM_CLOCK, _WAIT_SECONDS, longest_wait_seconds=_LONGEST_WAIT_SECONDS):
            raise LockedError(
                f"another program has opened directories in {printable(self._root.path)} that their modes"
                " close, and has not closed them for ten minutes. Wait for it, or end it, and try again."
            )
        return file if file.fd >= 0 else None


def _find(file: _ModesFile) -> bool:
    """Open the file that somebody left; say whether there is one that can be ours."""
    try:
        file.open(lambda: os.open(file.path, _FOUND))
    except OSError:
        return False  # a link, or another user's
    found = os.fstat(file.fd)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
        return True
    file.close()
    return False


def _read(file: int) -> Modes:
    """Return the modes of the last whole line: of a torn one nothing was opened yet."""
    modes: Modes = {}
    for line in os.pread(file, os.fstat(file).st_size, 0).splitlines():
        try:
            found = {parse_path("/".join(path)): int(mode) for path, mode in json.loads(line)}
        except (ValueError, TypeError):
            break
        modes = found
    return modes
