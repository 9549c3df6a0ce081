"""Plan: what a reload does at each candidate path; looks, and changes nothing.

A candidate has a *target* (head's entry, None: not there), perhaps a row (what
this mount has seen) and perhaps something on disk. Clean means: on disk is what
was seen. What is not clean is a local change, and stays unless it is discarded.
"""

import enum
import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from vgit.errors import ConflictError
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.files.rows import Row
from vgit.files.temporary_access import TemporaryAccess
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.spelling import Spelling
from vgit.mount.entry_reader import EntryReader
from vgit.mount.policy import LocalChanges
from vgit.mount.root import MountRoot
from vgit.mount.stat_cache import StatCache
from vgit.mount.submounts import Submounts
from vgit.paths import Path, has_state_name
from vgit.runtime.cancel import checkpoint
from vgit.tree.entry import Entry, Kind, same_content


class Action(enum.Enum):
    """What happens at a path."""

    NOTHING = "nothing"  # as it should be
    WRITE = "write"  # new content, over what ``replaces`` says or where nothing is
    SET_METADATA = "set metadata"  # same content, other mode or mtime; of a file that has no other name
    MAKE_DIRECTORY = "make directory"
    SET_DIRECTORY = "set directory"  # mode and mtime only
    TOUCH_DIRECTORY = "touch directory"  # mtime only: the mode is as it was seen, whatever it is here
    FORGET = "forget"  # the row goes, and with ``clear`` what is on disk
    ADOPT = "adopt"  # on disk is the target already, without our doing
    KEEP = "keep"  # a local change stays


DIRECTORY_ACTIONS = (Action.MAKE_DIRECTORY, Action.SET_DIRECTORY, Action.TOUCH_DIRECTORY)
_CHANGING = (Action.WRITE, Action.SET_METADATA, *DIRECTORY_ACTIONS)
_READ_ONLY = "what others changed in it cannot be brought in: another file system is mounted there, read-only"


class Step(NamedTuple):
    """What is to be done at one path."""

    path: Path
    action: Action
    target: Entry | None = None
    replaces: Stat | None = None  # WRITE: the file that is exchanged
    clear: Stat | None = None  # to be removed first: it goes for good, or is of another kind than the target
    now: Stat | None = None


class Planner:
    """Looks at candidates, given what the mount has seen."""

    def __init__(
        self,
        root: MountRoot,
        cache: StatCache,
        reader: EntryReader,
        access: TemporaryAccess,
        local: LocalChanges = LocalChanges.KEEP,
    ) -> None:
        self._root = root
        self._cache = cache
        self._reader = reader
        self._access = access  # to the directories in which the candidates are
        self._spelling = Spelling(root)
        self._other: Path | None = None  # the last path at which the file system gave something else
        self._discard = local is LocalChanges.DISCARD
        self._adopt = local is LocalChanges.ADOPT
        self._mounts: dict[Path, bool] = {}  # of directories that were looked at: whether they are mounts

    def plan(self, candidates: Mapping[Path, Entry | None]) -> list[Step]:
        """Return a step for every candidate, in path order."""
        steps: list[Step] = []
        blocked: Path | None = None  # a local change where head has a directory: nothing below it can be written
        for path in sorted(candidates):
            checkpoint()
            target = candidates[path]
            if has_state_name(path) or (target is not None and target.kind is Kind.GITLINK):
                continue
            if blocked is not None and path[: len(blocked)] == blocked and target is not None:
                steps.append(Step(path, Action.KEEP))
                continue
            step = Step(path, Action.KEEP, target) if self._is_in_a_mount(path) else self._step(path, target)
            if step.action is Action.KEEP and step.target is not None and step.target.is_directory:
                blocked = path
            steps.append(step)
        return steps

    def _step(self, path: Path, target: Entry | None) -> Step:
        row = self._cache.row(path)
        now = self._lstat(path)
        if now is not None and row is None and self._is_another(path):
            now = None
        if now is None:
            return self._where_nothing_is(path, target, row)
        if stat.S_ISDIR(now.mode):
            return self._where_a_directory_is(path, target, row, now)
        local = self._local_change(path, row, now)
        if local is None:
            assert row is not None
            return self._where_it_is_clean(path, target, row, now)
        if target is not None and same_content(local, target) and (self._adopt or _bits(local, target) == 0):
            return Step(path, Action.ADOPT, _with_hash(target, local), now=now)
        if self._discard:
            return self._replace(path, target, now)
        return Step(path, Action.KEEP, target)

    def _is_another(self, path: Path) -> bool:
        """Whether the file system takes the name of something else for ``path``, or for a directory above."""
        other = self._other
        if other is not None and path[: len(other)] == other:
            return True
        if self._spelling.is_there(path):
            return False
        self._other = path  # what is below it comes next
        return True

    def _is_in_a_mount(self, path: Path) -> bool:
        """Whether a mount that was moved in here is on the way to ``path``: its files are another volume's."""
        for depth in range(1, len(path)):
            directory = path[:depth]
            if directory not in self._mounts:
                self._mounts[directory] = self._root.is_mount(directory)
            if self._mounts[directory]:
                return True
        return False

    def _lstat(self, path: Path) -> Stat | None:
        try:
            now = to_stat(self._root.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return now._replace(mode=self._access.permanent_mode(path, now.mode)) if stat.S_ISDIR(now.mode) else now

    def _where_nothing_is(self, path: Path, target: Entry | None, row: Row | None) -> Step:
        if target is None:
            return Step(path, Action.FORGET)
        removed_here = row is not None and not target.is_directory
        if removed_here and not self._discard:
            return Step(path, Action.KEEP, target)
        if target.is_directory:
            if row is not None and row.entry.is_directory and not self._discard:
                return Step(path, Action.SET_DIRECTORY, target)  # removed here; made again if something new is in it
            return Step(path, Action.MAKE_DIRECTORY, target)
        return Step(path, Action.WRITE, target)

    def _where_a_directory_is(self, path: Path, target: Entry | None, row: Row | None, now: Stat) -> Step:
        known = row is not None and row.entry.is_directory
        if self._root.is_mount(path):
            return Step(path, Action.KEEP, target)
        if target is not None and target.is_directory:
            if self._adopt and not known:  # its owner may have closed it to others
                return Step(path, Action.ADOPT, target._replace(id=None), now=now)
            changed_here = known and row is not None and row.stat.mode != now.mode and target.mode != now.mode
            if changed_here and not self._discard:
                return Step(path, Action.KEEP)
            is_as_seen = known and row is not None and row.entry.mode == target.mode and row.stat.mode == now.mode
            return Step(path, Action.TOUCH_DIRECTORY if is_as_seen else Action.SET_DIRECTORY, target, now=now)
        if not known and not self._discard:
            return Step(path, Action.KEEP, target)
        if target is None:
            return Step(path, Action.FORGET, clear=now)
        return Step(path, Action.WRITE, target, clear=now)

    def _where_it_is_clean(self, path: Path, target: Entry | None, row: Row, now: Stat) -> Step:
        seen = row.entry
        if target is None or target.is_directory or not same_content(seen, target):
            return self._replace(path, target, now)
        if seen == target:
            return Step(path, Action.NOTHING)
        if _bits(seen, target) == 0:
            return Step(path, Action.ADOPT, _with_hash(target, seen), now=now)
        if self._root.lstat(path).st_nlink > 1:  # mode and time belong to all its names, also to those elsewhere
            return self._replace(path, target, now)
        return Step(path, Action.SET_METADATA, _with_hash(target, seen), now=now)

    def _replace(self, path: Path, target: Entry | None, now: Stat) -> Step:
        if target is None:
            return Step(path, Action.FORGET, clear=now)
        if target.is_directory:
            return Step(path, Action.MAKE_DIRECTORY, target, clear=now)
        return Step(path, Action.WRITE, target, replaces=now)

    def _local_change(self, path: Path, row: Row | None, now: Stat) -> Entry | None:
        """Return what is on disk if that is not what was seen, None if it is clean."""
        if row is not None and row.stat == now:
            return None
        try:
            descriptor = self._root.open_directory(path[:-1])
        except (OSError, ConflictError):
            return Entry(now.mode, 0, None, now.size, now.mtime_ns, None)
        try:
            held = self._reader.read(descriptor, path, now, row)
        except OSError:
            return Entry(now.mode, 0, None, now.size, now.mtime_ns, None)
        finally:
            os.close(descriptor)
        local = held.entry
        if held.is_steady and row is not None and same_content(local, row.entry) and _bits(local, row.entry) == 0:
            return None
        return local


def _with_hash(target: Entry, known: Entry) -> Entry:
    """Return ``target`` with a BLAKE3 also where stock git wrote it, so that a file can be compared with its row."""
    return target if target.hash is not None else target._replace(hash=known.hash)


def _bits(one: Entry, other: Entry) -> int:
    """Return 0 if mode and mtime are the same."""
    return int(one.mode != other.mode or one.mtime_ns != other.mtime_ns)


def without_refused(steps: list[Step], submounts: Submounts) -> tuple[list[Step], list[Omitted]]:
    """Return the steps, those in what is mounted read-only as ones that leave all as it is; and where that is."""
    if not submounts.points:
        return steps, []
    refused = {step.path for step in steps if _changes(step) and submounts.is_read_only(step.path)}
    points = {point for path in refused if (point := submounts.point_of(path)) is not None}
    left_out = [Omitted(point, LeftOutKind.MOUNTED, _READ_ONLY) for point in sorted(points)]
    return [Step(step.path, Action.KEEP) if step.path in refused else step for step in steps], left_out


def _changes(step: Step) -> bool:
    return step.action in _CHANGING or step.clear is not None
