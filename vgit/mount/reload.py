"""Reload: bring what others published into a mount, without a moment in which a local change could be lost.

    1. candidates = diff(base, head) ∪ divergent; each is compared with what the mount has *seen*
    2. new content is written beside, in ``.vgit/tmp``, checked and made durable
    3. the journal names the target, and what waits beside
    4. files that go are renamed into ``.vgit/displaced``; files that change are
       exchanged with their successors. What comes out and is not what the plan
       saw was changed meanwhile: it goes back, as a local change
    5. directories are synced, rows and base set in one transaction

Every name is therefore, at any moment, the old file or the new one, whole. A
local change that is not committed stays, and its path becomes divergent: it
will be the last writer when it is committed. ``plan`` decides, ``Reload`` acts.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vgit.cancel import checkpoint
from vgit.ids import CommitId
from vgit.mount.layout import DISPLACED, TEMPORARY
from vgit.mount.place import Placer, naming
from vgit.mount.plan import Action, Step
from vgit.mount.put_back import put_back
from vgit.mount.root import RootDirectory
from vgit.mount.rows import Row, Stat, untrusted
from vgit.mount.scan import to_stat
from vgit.mount.syscalls import exchange, rename_noreplace, syncfs
from vgit.paths import Path
from vgit.tree.entry import Entry

BATCH_BYTES = 1 << 30
BATCH_FILES = 10_000
_FEW = 16  # so many fsyncs cost less than a syncfs, which also writes what others left dirty
_NEW_DIRECTORY_MODE = 0o755
# Somebody else's entry, or none, where one was planned; or another file system is mounted there.
_IN_THE_WAY = (errno.EEXIST, errno.ENOENT, errno.EXDEV)


class Waiting(NamedTuple):
    """A name beside, in ``.vgit``, as the journal knows it: what may be found there after a death."""

    area: str
    name: str
    path: Path  # where it goes, or came from
    planned: Stat | None  # what the plan saw at the path; None: nothing
    inode: int  # of new content that waits; 0: only what came out of the mount can be there


class Staged(NamedTuple):
    """New content that waits in ``.vgit/tmp``."""

    name: str
    stat: Stat
    entry: Entry


class Reload:
    """One reload's actions on disk, and the rows that come of them."""

    def __init__(
        self,
        root: RootDirectory,
        placer: Placer,
        target: CommitId,
        areas: tuple[int, int],
        note: Callable[[list[Waiting]], None],
    ) -> None:
        self._root = root
        self._device = os.fstat(root.fd).st_dev
        self._placer = placer
        self._target = target
        self._temporary_fd, self._displaced_fd = areas
        self._note = note  # makes durable what is beside, before it is exchanged with anything
        self._count = 0
        self._moved: set[int] = set()  # inodes that were displaced
        self._sync_all = False
        self._touched: set[Path] = set()
        self._placed: list[tuple[Path, Entry, Stat]] = []
        self.rows: dict[Path, dict[str, Row | None]] = {}
        self.kept: set[Path] = set()  # local changes that stay: divergent from now on
        self.absent: set[Path] = set()  # directories that were removed here, and not needed: divergent too
        self.bytes_written = 0

    def run(self, steps: list[Step]) -> None:
        """Take all steps, which come in path order; the caller sets rows, base and divergent afterwards."""
        writes = [step for step in steps if step.action is Action.WRITE]
        batches = _batches(writes)
        staged = self._stage(next(batches, []))
        displaced = {step.path: self._next_name() for step in steps if step.clear is not None}
        going = [
            Waiting(DISPLACED, displaced[step.path], step.path, step.clear, 0)
            for step in steps
            if step.clear is not None
        ]
        self._note([*going, *map(_as_waiting, staged)])
        self._clear_the_way(steps, displaced)
        for step in steps:
            if step.action is Action.MAKE_DIRECTORY:
                self._make_directory(step)
        while staged:
            for step, new in staged:
                self._swap_in(step, new)
            staged = self._stage(next(batches, []))
            if staged:
                self._note([*going, *map(_as_waiting, staged)])
        for step in steps:
            self._settle(step)
        self._finish_directories(steps)
        self._sync_touched()
        for path, entry, expected in self._placed:
            self._check_placed(path, entry, expected)

    def _stage(self, writes: list[Step]) -> list[tuple[Step, Staged]]:
        """Write new content beside; durable on return."""
        staged: list[tuple[Step, Staged]] = []
        try:
            for step in writes:
                checkpoint()
                assert step.target is not None
                name = self._next_name()
                with naming(step.path, self._target):
                    row = self._placer.place(self._temporary_fd, name, step.target)
                staged.append((step, Staged(name, *row)))
                self.bytes_written += step.target.size
        except BaseException:
            for _, new in staged:  # no journal names them yet
                os.unlink(new.name, dir_fd=self._temporary_fd)
            raise
        if len(staged) > _FEW:
            syncfs(self._temporary_fd)
        else:
            for _, new in staged:
                if stat.S_ISREG(new.stat[0]):
                    _sync_file(self._temporary_fd, new.name)
        return staged

    def _clear_the_way(self, steps: list[Step], displaced: dict[Path, str]) -> None:
        """Remove what goes, deepest first; a directory that is not empty stays."""
        for step in reversed(steps):
            if step.clear is None:
                continue
            is_directory = stat.S_ISDIR(step.clear[0])
            if self._remove_directory(step) if is_directory else self._displace(step, displaced[step.path]):
                self._row(step.path, None)
            else:
                self.kept.add(step.path)

    def _displace(self, step: Step, name: str) -> bool:
        assert step.clear is not None
        try:
            with self._parent(step.path) as parent:
                if self._was_written(parent, step.path[-1], step.clear):
                    return False
                os.rename(step.path[-1], name, src_dir_fd=parent, dst_dir_fd=self._displaced_fd)
                if self._is_as_planned(self._displaced_fd, name, step.clear):
                    return True
                put_back(self._displaced_fd, name, parent, step.path[-1])
        except (FileNotFoundError, NotADirectoryError):
            return True  # gone, or what it was in
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        return False

    def _remove_directory(self, step: Step) -> bool:
        try:
            with self._parent(step.path) as parent:
                os.rmdir(step.path[-1], dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # local files in it
        return True

    def _make_directory(self, step: Step) -> None:
        assert step.target is not None
        if step.path in self.kept:
            return
        if self._make_parents(step.path) and not self._root.exists(step.path):
            self._root.make_directory(step.path, 0o700)
            self._touched.add(step.path[:-1])

    def _make_parents(self, path: Path) -> bool:
        """Make directories that were removed here and are needed again; False if something is in the way."""
        if self._is_directory(path[:-1]):
            return True
        for depth in range(1, len(path)):
            parent = path[:depth]
            try:
                if not stat.S_ISDIR(self._root.lstat(parent).st_mode):
                    return False
            except FileNotFoundError:
                self._root.make_directory(parent, _NEW_DIRECTORY_MODE)
                self._touched.add(parent[:-1])
        return True

    def _is_directory(self, path: Path) -> bool:
        try:
            return stat.S_ISDIR(self._root.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _swap_in(self, step: Step, new: Staged) -> None:
        assert step.target is not None
        has_parent = self._make_parents(step.path) if step.replaces is None else self._is_directory(step.path[:-1])
        if step.path in self.kept or not has_parent:
            os.unlink(new.name, dir_fd=self._temporary_fd)
            self.kept.add(step.path)
            return
        with self._parent(step.path) as parent:
            if step.replaces is None:
                done = self._put_new(parent, step.path[-1], new)
            else:
                done = self._put_over(parent, step.path[-1], new, step.replaces)
        if done:
            self._placed.append((step.path, new.entry, new.stat))
        else:
            self.kept.add(step.path)

    def _put_new(self, parent: int, name: str, new: Staged) -> bool:
        try:
            rename_noreplace(self._temporary_fd, new.name, parent, name)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return False
        return True

    def _put_over(self, parent: int, name: str, new: Staged, planned: Stat) -> bool:
        try:
            written = self._was_written(parent, name, planned)
            if not written:
                exchange(self._temporary_fd, new.name, parent, name)
        except OSError as error:  # removed meanwhile: a local change too
            if error.errno not in _IN_THE_WAY:
                raise
            written = True
        if written:
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return False
        if self._is_as_planned(self._temporary_fd, new.name, planned):
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return True
        exchange(self._temporary_fd, new.name, parent, name)
        os.unlink(new.name, dir_fd=self._temporary_fd)
        return False

    def _was_written(self, directory_fd: int, name: str, planned: Stat) -> bool:
        """Whether a file was written since the plan: a ctime tells also where the mtime was set back."""
        now = to_stat(os.stat(name, dir_fd=directory_fd, follow_symlinks=False))
        if planned[4] in self._moved:  # a hard link of what was displaced: its ctime moved with that
            now = (*now[:3], planned[3], now[4])
        self._moved.add(planned[4])
        return now != planned

    def _is_as_planned(self, directory_fd: int, name: str, planned: Stat | None) -> bool:
        """Whether what came out is what the plan saw there; a rename moves the ctime, so that does not count."""
        now = to_stat(os.stat(name, dir_fd=directory_fd, follow_symlinks=False))
        return planned is not None and (*now[:3], now[4]) == (*planned[:3], planned[4])

    def _settle(self, step: Step) -> None:
        """Take the steps that write no content."""
        if step.action is Action.KEEP:
            self.kept.add(step.path)
        elif step.action is Action.FORGET and step.clear is None:
            self._row(step.path, None)
        elif step.action is Action.ADOPT:
            assert step.target is not None and step.now is not None
            self._row(step.path, Row(untrusted(step.now), step.target))
        elif step.action is Action.SET_METADATA:
            assert step.target is not None and step.now is not None
            try:
                self._set_metadata(step.path, step.target, step.now)
            except (FileNotFoundError, NotADirectoryError):  # removed meanwhile
                self.kept.add(step.path)

    def _set_metadata(self, path: Path, target: Entry, planned: Stat) -> None:
        with self._parent(path) as parent:
            name = path[-1]
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                now = to_stat(os.fstat(descriptor))
                if (*now[:3], now[4]) != (*planned[:3], planned[4]):
                    self.kept.add(path)
                    return
                if not stat.S_ISLNK(target.mode):
                    os.chmod(f"/proc/self/fd/{descriptor}", self._placer.permissions(target.mode))
                    os.utime(f"/proc/self/fd/{descriptor}", ns=(target.mtime_ns, target.mtime_ns))
                else:
                    os.utime(name, ns=(target.mtime_ns, target.mtime_ns), dir_fd=parent, follow_symlinks=False)
                now = to_stat(os.fstat(descriptor))
            finally:
                os.close(descriptor)
            # The row must not be there before what it says: after a power loss the old mode would look like ours.
            self._sync_file(parent, name, now)
        self._row(path, Row(untrusted(now), target))

    def _sync_file(self, parent: int, name: str, now: Stat) -> None:
        if not stat.S_ISREG(now[0]):
            self._sync_all = True
            return
        try:
            _sync_file(parent, name)
        except PermissionError:
            self._sync_all = True

    def _finish_directories(self, steps: list[Step]) -> None:
        """Give directories their mode and mtime, deepest first, now that nothing is made in them any more."""
        for step in reversed(steps):
            target = step.target
            if step.action not in (Action.MAKE_DIRECTORY, Action.SET_DIRECTORY) or step.path in self.kept:
                continue
            assert target is not None
            try:
                if not stat.S_ISDIR(self._root.lstat(step.path).st_mode):
                    continue
                with self._root.writable(step.path[:-1]) as parent:
                    os.utime(step.path[-1], ns=(target.mtime_ns, target.mtime_ns), dir_fd=parent, follow_symlinks=False)
                self._root.set_directory_mode(step.path, self._placer.permissions(target.mode))
                now = to_stat(self._root.lstat(step.path))
            except (FileNotFoundError, NotADirectoryError):
                self.absent.add(step.path)
                continue
            self._touched.add(step.path)
            self._row(step.path, Row(now, target._replace(id=None)))

    def _check_placed(self, path: Path, entry: Entry, expected: Stat) -> None:
        """Look once more: clean only if inode, size and mtime are our temporary's; and its clock is the mount's."""
        try:
            found = self._root.lstat(path)
            now = to_stat(found)
        except (FileNotFoundError, NotADirectoryError):
            found, now = None, untrusted(expected)
        is_ours = (*now[:3], now[4]) == (*expected[:3], expected[4])
        if not is_ours or (found is not None and found.st_dev != self._device):
            now = untrusted(expected)
        self._row(path, Row(now, entry))

    def _sync_touched(self) -> None:
        if self._sync_all or len(self._touched) > _FEW:
            syncfs(self._root.fd)
            return
        for path in self._touched:
            try:
                descriptor = self._root.open_directory(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed again: syncing its parent covers that
            except PermissionError:
                syncfs(self._root.fd)
                return
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _parent(self, path: Path) -> Iterator[int]:
        self._touched.add(path[:-1])
        with self._root.writable(path[:-1]) as descriptor:
            yield descriptor

    def _row(self, path: Path, row: Row | None) -> None:
        self.rows.setdefault(path[:-1], {})[path[-1]] = row

    def _next_name(self) -> str:
        self._count += 1
        return f"{self._target.hex()[:8]}-{self._count}"


def _as_waiting(one: tuple[Step, Staged]) -> Waiting:
    step, new = one
    return Waiting(TEMPORARY, new.name, step.path, step.replaces, new.stat[4])


def _batches(writes: Iterable[Step]) -> Iterator[list[Step]]:
    """Cut the writes so that a batch is bounded in files and in bytes on disk twice."""
    batch: list[Step] = []
    size = 0
    for step in writes:
        batch.append(step)
        size += step.target.size if step.target is not None else 0
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _sync_file(directory_fd: int, name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
