"""Noted access: temporary access to a directory that is no mount; what a death left open there, the next one closes.

A directory that is no mount has no journal. So the modes that are to be set back
are kept in a file for as long as something is open: ``.vgit-modes`` in the
directory or, where nothing may be made in it, ``.NAME.vgit-modes`` beside it.
Each line is a JSON list of paths and permission bits, and the last whole one
counts. Who works with the file holds its flock: one that is free was left by a death.
"""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vgit.clock import SYSTEM_CLOCK
from vgit.errors import LockedError
from vgit.files.temporary_access import Modes, TemporaryAccess, no_note
from vgit.localfs.fsync import sync_directory
from vgit.localfs.root_directory import RootDirectory, may
from vgit.paths import MODES_NAME, ROOT, decode_name, encode_name, parse_path, printable
from vgit.runtime.cancel import checkpoint

_ALL = os.R_OK | os.W_OK | os.X_OK
_WAIT_SECONDS = 600.0  # another one may have many GB to write
_LOOK_SECONDS = 0.05
_NAME_BYTES = 255
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


class _Held(NamedTuple):
    """The file, open and locked."""

    file: int
    directory: str
    name: str

    @property
    def is_named(self) -> bool:
        """Whether the file still has its name: a lock on another one excludes nobody."""
        try:
            named = os.stat(os.path.join(self.directory, self.name), follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self.file))

    def close(self) -> None:
        """Let go of it."""
        fcntl.flock(self.file, fcntl.LOCK_UN)  # also for a child forked meanwhile, which has a copy
        os.close(self.file)


class _Note:
    """The file that belongs to a directory; a context manager that lets go of it."""

    def __init__(self, root: RootDirectory) -> None:
        self._root = root
        self._inside = f"/proc/self/fd/{root.fd}", MODES_NAME
        parent, name = os.path.split(os.path.realpath(root.path))
        kept = decode_name(encode_name(name)[: _NAME_BYTES - 1 - len(MODES_NAME)])
        self._beside = parent, f".{kept}{MODES_NAME}"
        self._held: _Held | None = None

    def __enter__(self) -> "_Note":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._held is not None:  # some mode could not be set back: the file tells the next one
            self._held.close()
            self._held = None

    def write(self, modes: Modes) -> None:
        """Keep ``modes``, durably."""
        while self._held is None:
            self._held = self._make()
            if self._held is None:  # another one made it a moment ago
                self.settle()
        line = json.dumps([[list(path), mode] for path, mode in modes.items()])
        os.write(self._held.file, f"{line}\n".encode())
        os.fsync(self._held.file)
        sync_directory(self._held.directory)

    def settle(self) -> None:
        """Set back what somebody left open who died."""
        for directory, name in (self._inside, self._beside):
            self._held = self._wait_for(directory, name)
            if self._held is not None:
                with TemporaryAccess(self._root, no_note, _read(self._held.file)):
                    pass
                self.remove()

    def remove(self) -> None:
        """Remove the file: all modes are what they were."""
        if self._held is None:
            return
        try:
            os.unlink(os.path.join(self._held.directory, self._held.name))
            sync_directory(self._held.directory)
        except FileNotFoundError:
            pass
        self._held.close()
        self._held = None

    def _make(self) -> _Held | None:
        """Make the file; None if there is one."""
        directory, name = self._inside if may(self._root.fd, _ALL) else self._beside
        try:
            file = os.open(os.path.join(directory, name), _NEW, 0o600)
        except FileExistsError:
            return None
        except PermissionError as error:
            error.filename = self._root.path  # nothing is opened that could not be closed again
            raise
        return _locked(_Held(file, directory, name))

    def _wait_for(self, directory: str, name: str) -> _Held | None:
        """Return the file that somebody left, locked; None if there is none."""
        deadline = SYSTEM_CLOCK.monotonic() + _WAIT_SECONDS
        while True:
            try:
                file = os.open(os.path.join(directory, name), _FOUND)
            except OSError:
                return None  # a link, or another user's: no note of ours
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                os.close(file)
                return None
            held = _locked(_Held(file, directory, name))
            if held is not None:
                return held
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise LockedError(
                    f"another program has opened directories in {printable(self._root.path)} that their modes"
                    " close, and has not closed them for ten minutes. Wait for it, or end it, and try again."
                )
            checkpoint()
            SYSTEM_CLOCK.sleep(_LOOK_SECONDS)


def _locked(held: _Held) -> _Held | None:
    """Return the file, locked; None, and it is closed, if somebody has it or it has lost its name."""
    try:
        fcntl.flock(held.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            os.close(held.file)
            return None  # else some network file system, without locks
    if held.is_named:
        return held
    held.close()
    return None


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
