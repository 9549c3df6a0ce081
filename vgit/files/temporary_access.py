"""Temporary access: what the mode of a directory denies its owner, allowed for the time of an operation.

The only place that changes a mode for a while. A directory may be closed to
whoever owns it: not to be changed (0555), not to be listed (0311), not to be
entered (0644, 0000). Its owner gets ``rwx``, and the mode goes back at the end,
unless somebody has set another one meanwhile.

Which modes are to be set back is told to ``note`` before any is changed. A mount
keeps that in its journal, so that after a death no mode is published that
nobody set. That a directory is closed shows only once those above it are open,
so there is one note for each level of closed directories; mostly that is one.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Self, TypeAlias

from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.fsync import FsyncSet
from vgit.localfs.root_directory import RootDirectory, may, set_mode
from vgit.paths import Path, format_path, printable

Modes: TypeAlias = Mapping[Path, int]  # directory → the permission bits that it had

_WORK = os.R_OK | os.W_OK | os.X_OK
_OPEN = stat.S_IRWXU
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # somebody else's; immutable, or of a file system without modes


class TemporaryAccess:
    """A context manager: at its end each directory has its mode again."""

    def __init__(self, root: RootDirectory, note: Callable[[Modes], None], before: Modes | None = None) -> None:
        self._root = root
        self._note = note
        self._before: dict[Path, int] = dict(before or {})
        self._final: dict[Path, int] = {}
        self._seen: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()

    def allow(self, directories: Iterable[Path]) -> None:
        """Let the directories be listed and changed, and all above them be searched.

        One that is missing means the next above it. Raises PermissionError for one that is somebody else's, or cannot
        be changed at all.
        """
        for error in self._allow(directories):
            raise error

    def allow_if_possible(self, directories: Iterable[Path]) -> None:
        """Do as ``allow``, but leave those closed that cannot be opened."""
        self._allow(directories)

    def _allow(self, directories: Iterable[Path]) -> list[OSError]:
        """Do as ``allow``; return what was raised for those that cannot be opened."""
        wanted = sorted(set(directories) - self._seen)
        opened: set[Path] = set()
        refused: dict[Path, OSError] = {}
        while closed := {path: mode for path, mode in self._closed(wanted).items() if path not in refused}:
            new = {path: mode for path, mode in closed.items() if self._before.get(path) != mode}
            if new:
                self._before |= new
                self._note(self._before)
            for path in closed:
                try:
                    self._open_up(path, is_first=path not in opened)
                except OSError as error:
                    if error.errno not in _REFUSED:
                        raise
                    refused[path] = error
            opened.update(closed)
        self._seen.update(wanted)
        return list(refused.values())

    def allow_own(self, directories: Iterable[Path]) -> None:
        """Do as ``allow`` with those that are ours; of others nothing is changed."""
        self.allow([path for path in directories if self._is_own(path)])

    def permanent_mode(self, path: Path, mode: int) -> int:
        """Return the mode that a directory has without this access, ``mode`` being the one that it has now."""
        before = self._before.get(path)
        return stat.S_IFMT(mode) | before if before is not None and stat.S_IMODE(mode) == before | _OPEN else mode

    def set_mode(self, path: Path, mode: int) -> None:
        """Have these permission bits set at the end, as the directory's own from now on."""
        self._final[path] = mode

    def restore(self) -> dict[Path, Stat]:
        """Set all modes, deepest first, durably; return what became of those of ``set_mode``."""
        found: dict[Path, Stat] = {}
        with FsyncSet() as unsynced:
            while paths := {*self._before, *self._final}:  # again if one had to be opened for those in it
                for path in sorted(paths, key=len, reverse=True):
                    now = self._reach(path, unsynced)
                    if path in self._final and now is not None:
                        found[path] = now
                    self._before.pop(path, None)
                    self._final.pop(path, None)
            self._seen.clear()
            unsynced.sync()
        return found

    def _reach(self, path: Path, unsynced: FsyncSet) -> Stat | None:
        """Settle a directory, also if one above it was closed meanwhile; None if it is gone, or somebody else's."""
        try:
            try:
                return self._settle(path, unsynced)
            except PermissionError:
                self._seen.clear()
                self.allow([path[:-1]])
                return self._settle(path, unsynced)
        except PermissionError:
            if self._is_own(path):
                raise
            return None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _settle(self, path: Path, unsynced: FsyncSet) -> Stat:
        descriptor = self._root.open_step(path)
        try:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            wanted = self._final.get(path)
            if wanted is None:
                before = self._before[path]
                wanted = before if mode == before | _OPEN else mode
            if wanted != mode:
                self._make_durable(descriptor, unsynced)
                set_mode(descriptor, wanted)
            return to_stat(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _make_durable(self, descriptor: int, unsynced: FsyncSet) -> None:
        """Open a directory to be synced, as long as that is possible."""
        try:
            opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
        except PermissionError:  # somebody closed it meanwhile
            unsynced.add_file_system(self._root.fd)
            return
        try:
            unsynced.add(opened)
        finally:
            os.close(opened)

    def _closed(self, wanted: Iterable[Path]) -> dict[Path, int]:
        """Return those that are closed, with their modes; of what is behind one that cannot be searched nothing."""
        found: dict[Path, int] = {}
        searched: set[Path] = set()
        for path in wanted:
            try:
                self._look(path, found, searched)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return found

    def _is_own(self, path: Path) -> bool:
        try:
            return self._root.lstat(path).st_uid == os.geteuid()
        except OSError:
            return False

    def _look(self, path: Path, found: dict[Path, int], searched: set[Path]) -> None:
        for depth in range(len(path)):
            above = path[:depth]
            if above in found and not found[above] & stat.S_IXUSR:
                return
            if above not in searched:
                searched.add(above)
                try:
                    if not self._check(above, os.X_OK, found):
                        return
                except FileNotFoundError:
                    path = above
                    break
        while not self._is_settled(path, found):
            path = path[:-1]

    def _is_settled(self, path: Path, found: dict[Path, int]) -> bool:
        """Look at a directory; False if it is missing, and the one above is to be looked at instead."""
        try:
            self._check(path, _WORK, found)
        except FileNotFoundError:
            return not path
        return True

    def _check(self, path: Path, what: int, found: dict[Path, int]) -> bool:
        descriptor = self._root.open_step(path)
        try:
            if may(descriptor, what) or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:  # nothing can be changed there
                return True
            found[path] = stat.S_IMODE(os.fstat(descriptor).st_mode)
            return False
        finally:
            os.close(descriptor)

    def _open_up(self, path: Path, *, is_first: bool) -> None:
        descriptor = self._root.open_step(path)
        try:
            if not is_first:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # the file system keeps no modes
            set_mode(descriptor, self._before[path] | _OPEN)
        except OSError as error:
            self._before.pop(path)
            error.filename = printable(format_path(path)) or self._root.path
            raise
        finally:
            os.close(descriptor)


def no_note(modes: Modes) -> None:
    """Tell nobody: for a directory that is no mount, or not yet, so that nothing can be published from it."""
