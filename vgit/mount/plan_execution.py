"""Plan execution: a plan's steps taken on disk, without a moment in which a local change could be lost.

    1. new content is written into a staging area, checked and made durable
    2. the journal names the target, and what waits there
    3. files that go are renamed into a staging area; files that change are
       exchanged with their successors. What comes out and is not what the plan
       saw was changed meanwhile: it goes back, as a local change
    4. directories get their modes, the closed ones are closed again; all is synced

Every name is therefore, at any moment, the old file or the new one, whole. A
local change that is not committed stays, and its path becomes divergent: it
will be the last writer when it is committed. The caller sets the rows that come
of it, and the mount's base, in one transaction.
"""

import os
import stat
from collections.abc import Callable

from vgit.files.batches import batches
from vgit.files.entry_writer import EntryWriter
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import Row, untrusted
from vgit.files.temporary_access import TemporaryAccess
from vgit.files.tree_writer import BATCH_BYTES, BATCH_FILES
from vgit.ids import CommitId
from vgit.localfs.file_stat import Stat, same_but_ctime, to_stat
from vgit.localfs.fsync import FsyncSet
from vgit.localfs.root_directory import RootDirectory
from vgit.localfs.spelling import Spelling
from vgit.mount.file_metadata import set_metadata
from vgit.mount.journal import PendingFile
from vgit.mount.plan import DIRECTORY_ACTIONS, Action, Step
from vgit.mount.stage import Staged, Stager
from vgit.mount.staging_areas import StagingAreas
from vgit.mount.swap import Swapper
from vgit.mount.touched_directories import TouchedDirectories
from vgit.paths import Path
from vgit.tree.entry import Entry

_MOUNTED_AT = "something else is mounted at it"


class PlanExecution:
    """One execution, and the rows that come of it."""

    def __init__(
        self,
        root: RootDirectory,
        entry_writer: EntryWriter,
        target: CommitId,
        areas: StagingAreas,
        access: TemporaryAccess,
        note: Callable[[list[PendingFile]], None],
    ) -> None:
        self._root = root
        self._device = os.fstat(root.fd).st_dev
        self._entry_writer = entry_writer
        self._areas = areas
        self._access = access  # to all directories in which something is to be done
        self._note = note  # makes durable what is staged, before it is exchanged with anything
        self._stager = Stager(entry_writer, target, areas)
        self._swapper = Swapper()
        self._unsynced = FsyncSet()
        self._spelling = Spelling(root)
        self._touched = TouchedDirectories(root)
        self._placed: list[tuple[Path, Entry, Stat]] = []
        self._directories: dict[Path, Entry] = {}  # that get their mode at the end
        self.rows: dict[Path, dict[str, Row | None]] = {}
        self.kept: set[Path] = set()  # local changes that stay: divergent from now on
        self.left_out: dict[Path, Omitted] = {}  # of these what cannot be here, and why
        self.absent: set[Path] = set()  # directories that were removed here, and not needed: divergent too

    @property
    def bytes_written(self) -> int:
        """How much content was brought in."""
        return self._stager.bytes_written

    def run(self, steps: list[Step]) -> None:
        """Take all steps, which come in path order; the caller sets rows, base and divergent afterwards."""
        with self._unsynced:
            self._place_all(steps)
            for step in steps:
                self._settle(step)
            self._finish_directories(steps)
            for path, entry, expected in self._placed:
                self._check_placed(path, entry, expected)
            self._touched.add_to(self._unsynced, self._areas.descriptors())
            self._restore_modes()
            self._unsynced.sync()

    def _place_all(self, steps: list[Step]) -> None:
        writes = batches(
            (step for step in steps if step.action is Action.WRITE),
            _size,
            most_items=BATCH_FILES,
            most_bytes=BATCH_BYTES,
        )
        staged = self._stager.stage(next(writes, []))
        displaced = {step.path: self._stager.next_name() for step in steps if step.clear is not None}
        going = [
            PendingFile(self._areas.outgoing(step.path[:-1]), displaced[step.path], step.path, step.clear, 0)
            for step in steps
            if step.clear is not None
        ]
        self._note([*going, *(new.as_pending() for new in staged)])
        self._clear_the_way(steps, displaced)
        for step in steps:
            if step.action is Action.MAKE_DIRECTORY:
                self._make_directory(step)
        while staged:
            for new in staged:
                self._swap_in(new)
            staged = self._stager.stage(next(writes, []))
            if staged:
                self._note([*going, *(new.as_pending() for new in staged)])

    def _clear_the_way(self, steps: list[Step], displaced: dict[Path, str]) -> None:
        """Remove what goes, deepest first; a directory that is not empty stays."""
        for step in reversed(steps):
            if step.clear is None:
                continue
            is_directory = stat.S_ISDIR(step.clear.mode)
            if self._remove_directory(step) if is_directory else self._displace(step, displaced[step.path]):
                self._row(step.path, None)
            else:
                self.kept.add(step.path)

    def _displace(self, step: Step, name: str) -> bool:
        assert step.clear is not None
        try:
            with self._touched.parent(step.path) as parent:
                area_fd = self._areas.descriptor(self._areas.outgoing(step.path[:-1]))
                return self._swapper.displace(parent, step.path[-1], step.clear, area_fd, name)
        except (FileNotFoundError, NotADirectoryError):
            return True  # gone, or what it was in

    def _remove_directory(self, step: Step) -> bool:
        try:
            with self._touched.parent(step.path) as parent:
                os.rmdir(step.path[-1], dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # local files in it
        return True

    def _make_directory(self, step: Step) -> None:
        if step.path in self.kept:
            return
        if self.is_left_out(step.path):
            self.kept.add(step.path)
        elif self._touched.make_parents(step.path):
            if not self._root.exists(step.path):
                self._touched.make(step.path, 0o700)
            else:
                self._explain(step.path)

    def _explain(self, path: Path) -> None:
        """Leave ``path`` out if the file system takes its name for another, which is there."""
        other = self._spelling.other(path)
        if other is not None:
            self.left_out[path] = Omitted(path, LeftOutKind.SPELLING, other)
            self.kept.add(path)

    def is_left_out(self, path: Path) -> bool:
        """Whether it is left out, or a directory above: what stands there is another."""
        return bool(self.left_out) and any(path[:depth] in self.left_out for depth in range(1, len(path) + 1))

    def _has_parent(self, step: Step) -> bool:
        if step.replaces is None:
            return self._touched.make_parents(step.path)
        return self._touched.is_directory(step.path[:-1])

    def _swap_in(self, new: Staged) -> None:
        step = new.step
        if step.path in self.kept or self.is_left_out(step.path) or not self._has_parent(step):
            self._stager.discard(new)
            self.kept.add(step.path)
            return
        with self._touched.parent(step.path) as parent:
            name, area_fd = step.path[-1], self._areas.descriptor(new.area)
            if step.replaces is None:
                done = self._swapper.put_new(area_fd, new.name, parent, name)
            else:
                done = self._swapper.put_over(area_fd, new.name, parent, name, step.replaces)
        if done:
            self._placed.append((step.path, new.entry, new.stat))
        else:
            self.kept.add(step.path)
            if step.path in self._areas.submounts.points:
                self.left_out[step.path] = Omitted(step.path, LeftOutKind.MOUNTED, _MOUNTED_AT)
            elif step.replaces is None and self._root.exists(step.path):
                self._explain(step.path)

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
        permissions = self._entry_writer.permissions(target.mode)
        with self._touched.parent(path) as parent:
            now = set_metadata(parent, path[-1], target, permissions, planned, self._unsynced)
        if now is not None:
            self._row(path, Row(untrusted(now), target))
        else:
            self.kept.add(path)  # the next reload looks again

    def _finish_directories(self, steps: list[Step]) -> None:
        """Give directories their mtime, deepest first, now that nothing is made in them any more; modes come last."""
        for step in reversed(steps):
            target = step.target
            if step.action not in DIRECTORY_ACTIONS or step.path in self.kept:
                continue
            assert target is not None
            try:
                if not stat.S_ISDIR(self._root.lstat(step.path).st_mode):
                    continue
                with self._touched.parent(step.path) as parent:
                    os.utime(step.path[-1], ns=(target.mtime_ns, target.mtime_ns), dir_fd=parent, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                self.absent.add(step.path)
                continue
            mode = self._entry_writer.permissions(target.mode)
            if step.action is Action.TOUCH_DIRECTORY and step.now is not None:
                mode = stat.S_IMODE(step.now.mode)
            self._access.set_mode(step.path, mode)
            self._directories[step.path] = target

    def _restore_modes(self) -> None:
        """Close what was opened, and set the modes of directories: when nothing more is to be looked at in them."""
        found = self._access.restore()
        for path, target in self._directories.items():
            if path in found:
                self._row(path, Row(found[path], target._replace(id=None)))
            else:
                self.absent.add(path)

    def _check_placed(self, path: Path, entry: Entry, expected: Stat) -> None:
        """Look once more: clean only if inode, size and mtime are our temporary's; and its clock is the mount's."""
        try:
            found = self._root.lstat(path)
            now = to_stat(found)
        except (FileNotFoundError, NotADirectoryError):
            found, now = None, untrusted(expected)
        if not same_but_ctime(now, expected) or (found is not None and found.st_dev != self._device):
            now = untrusted(expected)
        self._row(path, Row(now, entry))

    def _row(self, path: Path, row: Row | None) -> None:
        self.rows.setdefault(path[:-1], {})[path[-1]] = row


def _size(step: Step) -> int:
    return step.target.size if step.target is not None else 0
