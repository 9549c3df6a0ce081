"""Reload: bring what others published into a mount, without a moment in which a local change could be lost.

    1. candidates = diff(base, head) ∪ divergent; each is compared with what the mount has *seen*
    2. the journal names the target
    3. new content is written beside, in ``.vgit/tmp``, checked and made durable
    4. files that go are renamed into ``.vgit/displaced``; files that change are
       exchanged with their successors. What comes out and is not what the plan
       saw was changed meanwhile: it goes back, as a local change
    5. directories are synced, rows and base set in one transaction

Every name is therefore, at any moment, the old file or the new one, whole. A
local change that is not committed stays, and its path becomes divergent: it
will be the last writer when it is committed. ``plan`` decides, ``Reload`` acts.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vgit.ids import CommitId
from vgit.mount.place import Placer, naming
from vgit.mount.plan import Action, Step
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


class Staged(NamedTuple):
    """New content that waits in ``.vgit/tmp``."""

    name: str
    stat: Stat
    entry: Entry


class Reload:
    """One reload's actions on disk, and the rows that come of them."""

    def __init__(
        self, root: RootDirectory, placer: Placer, target: CommitId, temporary_fd: int, displaced_fd: int
    ) -> None:
        self._root = root
        self._placer = placer
        self._target = target
        self._temporary_fd = temporary_fd
        self._displaced_fd = displaced_fd
        self._count = 0
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
        self._clear_the_way(steps)
        for step in steps:
            if step.action is Action.MAKE_DIRECTORY:
                self._make_directory(step)
        while staged:
            for step, new in staged:
                self._swap_in(step, new)
            staged = self._stage(next(batches, []))
        for step in steps:
            self._settle(step)
        self._finish_directories(steps)
        self._sync_touched()
        for path, entry, expected in self._placed:
            self._check_placed(path, entry, expected)

    def _stage(self, writes: list[Step]) -> list[tuple[Step, Staged]]:
        """Write new content beside; durable on return."""
        staged: list[tuple[Step, Staged]] = []
        for step in writes:
            assert step.target is not None
            name = self._next_name()
            with naming(step.path, self._target):
                row = self._placer.place(self._temporary_fd, name, step.target)
            staged.append((step, Staged(name, *row)))
            self.bytes_written += step.target.size
        if len(staged) > _FEW:
            syncfs(self._temporary_fd)
        else:
            for _, new in staged:
                if stat.S_ISREG(new.stat[0]):
                    _sync_file(self._temporary_fd, new.name)
        return staged

    def _clear_the_way(self, steps: list[Step]) -> None:
        """Remove what goes, deepest first; a directory that is not empty stays."""
        for step in reversed(steps):
            if step.clear is None:
                continue
            gone = self._remove_directory(step) if stat.S_ISDIR(step.clear[0]) else self._displace(step)
            if gone:
                self._row(step.path, None)
            else:
                self.kept.add(step.path)

    def _displace(self, step: Step) -> bool:
        name = self._next_name()
        with self._parent(step.path) as parent:
            try:
                os.rename(step.path[-1], name, src_dir_fd=parent, dst_dir_fd=self._displaced_fd)
            except FileNotFoundError:
                return True
            if self._is_as_planned(self._displaced_fd, name, step.clear):
                return True
            rename_noreplace(self._displaced_fd, name, parent, step.path[-1])
            return False

    def _remove_directory(self, step: Step) -> bool:
        with self._parent(step.path) as parent:
            try:
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
        for depth in range(1, len(path)):
            parent = path[:depth]
            try:
                if not stat.S_ISDIR(self._root.lstat(parent).st_mode):
                    return False
            except FileNotFoundError:
                self._root.make_directory(parent, _NEW_DIRECTORY_MODE)
                self._touched.add(parent[:-1])
        return True

    def _swap_in(self, step: Step, new: Staged) -> None:
        assert step.target is not None
        if step.path in self.kept or not self._make_parents(step.path):
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
        except FileExistsError:
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return False
        return True

    def _put_over(self, parent: int, name: str, new: Staged, planned: Stat) -> bool:
        try:
            exchange(self._temporary_fd, new.name, parent, name)
        except FileNotFoundError:  # removed meanwhile: a local change too
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return False
        if self._is_as_planned(self._temporary_fd, new.name, planned):
            os.unlink(new.name, dir_fd=self._temporary_fd)
            return True
        exchange(self._temporary_fd, new.name, parent, name)
        os.unlink(new.name, dir_fd=self._temporary_fd)
        return False

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
            assert step.target is not None
            self._set_metadata(step.path, step.target)

    def _set_metadata(self, path: Path, target: Entry) -> None:
        with self._parent(path) as parent:
            name = path[-1]
            if not stat.S_ISLNK(target.mode):
                descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                try:
                    os.chmod(f"/proc/self/fd/{descriptor}", self._placer.permissions(target.mode))
                finally:
                    os.close(descriptor)
            os.utime(name, ns=(target.mtime_ns, target.mtime_ns), dir_fd=parent, follow_symlinks=False)
            now = to_stat(os.stat(name, dir_fd=parent, follow_symlinks=False))
        self._row(path, Row(untrusted(now), target))

    def _finish_directories(self, steps: list[Step]) -> None:
        """Give directories their mode and mtime, deepest first, now that nothing is made in them any more."""
        for step in reversed(steps):
            target = step.target
            if step.action not in (Action.MAKE_DIRECTORY, Action.SET_DIRECTORY) or step.path in self.kept:
                continue
            assert target is not None
            try:
                descriptor = os.open(
                    f"/proc/self/fd/{self._root.fd}/" + "/".join(step.path), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
                )
            except OSError:
                self.absent.add(step.path)
                continue
            try:
                if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    continue
                os.utime(f"/proc/self/fd/{descriptor}", ns=(target.mtime_ns, target.mtime_ns))
                os.chmod(f"/proc/self/fd/{descriptor}", self._placer.permissions(target.mode))
                now = to_stat(os.fstat(descriptor))
            finally:
                os.close(descriptor)
            self._row(step.path, Row(now, target._replace(id=None)))

    def _check_placed(self, path: Path, entry: Entry, expected: Stat) -> None:
        """Look once more: clean only if inode, size and mtime are our temporary's."""
        try:
            now = to_stat(self._root.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            now = untrusted(expected)
        if (*now[:3], now[4]) != (*expected[:3], expected[4]):
            now = untrusted(expected)
        self._row(path, Row(now, entry))

    def _sync_touched(self) -> None:
        if len(self._touched) > _FEW:
            syncfs(self._root.fd)
            return
        for path in self._touched:
            try:
                descriptor = self._root.open_directory(path)
            except OSError:
                continue  # removed again, or not readable: syncing its parent covers its name
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
