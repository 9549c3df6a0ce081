"""Reload: bring what others published into a mount.

    1. candidates = diff(base, target) ∪ divergent; each is compared with what the
       mount has *seen* (``plan`` decides what is done at it)
    2. the plan's steps are taken (``plan_execution``)
    3. rows, base and divergent paths are set in one transaction, which drops the journal

A local change that is not committed stays, and its path is divergent from then on.
"""

from typing import NamedTuple

from vgit.clock import Clock
from vgit.files.entry_writer import EntryWriter
from vgit.files.left_out import Omitted
from vgit.files.rows import Row, untrusted
from vgit.files.temporary_access import TemporaryAccess
from vgit.ids import CommitId
from vgit.localfs.filesystem_clock import TICK_SECONDS, trusted
from vgit.mount.inspection import Inspector
from vgit.mount.journal import JournalWriter, look_journal, reload_journal
from vgit.mount.plan import Action, without_refused
from vgit.mount.plan_execution import PlanExecution
from vgit.mount.policy import LocalChanges
from vgit.mount.root_mode import RootMode
from vgit.mount.scope import Scope
from vgit.mount.session import Session
from vgit.mount.staging_areas import StagingAreas
from vgit.mount.stat_cache import StatCache
from vgit.mount.submounts import KnownSubmounts
from vgit.paths import Path
from vgit.tree.entry import Entry

_WORTH_A_WAIT_BYTES = 16 << 20  # reading so much again costs more than a tick of the clock
_QUIET = (Action.NOTHING, Action.KEEP, Action.ADOPT)


class Reloaded(NamedTuple):
    """What a reload did."""

    base: CommitId
    written: int  # paths whose content, kind or metadata was brought in, removals included
    moved: bool  # to another commit than before
    kept: tuple[Path, ...]  # local changes that stay in the way of what others published
    left_out: tuple[Omitted, ...] = ()  # what cannot be in this mount


class Reload:
    """Reloads of one mount, whose lock the caller holds."""

    def __init__(
        self,
        session: Session,
        inspector: Inspector,
        scope: Scope,
        entry_writer: EntryWriter,
        root_mode: RootMode,
        clock: Clock,
    ) -> None:
        self._session = session
        self._root = session.root
        self._inspector = inspector
        self._scope = scope
        self._entry_writer = entry_writer
        self._root_mode = root_mode
        self._clock = clock

    def add_local_changes(self, cache: StatCache, candidates: dict[Path, Entry | None], target: CommitId) -> None:
        """Add to the candidates every path with a local change, so that it can be discarded."""
        scan = self._inspector.scan(cache)
        changed = [(*directory, name) for directory, names in scan.changed.items() for name, _ in names]
        for path in [*changed, *scan.removed]:
            candidates[path] = self._scope.entry(target, path)
        new = [path for path in changed if path in scan.directories and cache.row(path) is None]
        for directory in new:  # all of a new directory is local: what is in it was listed as changed
            candidates.setdefault(directory, None)

    def run(
        self, cache: StatCache, target: CommitId, candidates: dict[Path, Entry | None], local: LocalChanges
    ) -> Reloaded:
        """Bring the mount to ``target``, which may differ from it at the candidates."""
        base = cache.base
        # Without rows there is nothing to settle but modes: the whole is done again.
        notes = JournalWriter(cache.write_journal, reload_journal(target) if base is not None else look_journal())
        root_mode = self._root_mode.wanted(base, target, local)

        with StagingAreas(self._root) as areas, TemporaryAccess(self._root, notes.note_modes) as access:
            access.allow(path[:-1] for path in candidates)
            planner = self._inspector.planner(cache, access, local)
            steps, refused = without_refused(planner.plan(candidates), areas.submounts)
            note = notes.note_pending if base is not None else lambda pending: None
            execution = PlanExecution(self._root, self._entry_writer, target, areas, access, note)
            execution.run(steps)
            self._trust(execution)
            # Each was what the plan saw, so the store has it. They go before the journal, that none stays behind.
            areas.empty_outgoing()
            submounts = KnownSubmounts(self._root, cache)  # by the rows from before
            with cache.transaction():
                cache.put(execution.rows)
                cache.set_base(target)
                cache.set_divergent(execution.kept | execution.absent)
                submounts.keep(submounts.gone if local is not LocalChanges.DISCARD else ())
                cache.set_left_out([*execution.left_out.values(), *refused])
                self._root_mode.take(cache, root_mode, local)
                cache.drop_journal()
        written = sum(step.action not in _QUIET and step.path not in execution.kept for step in steps)
        kept = {
            path
            for path in execution.kept
            if not execution.is_left_out(path) and not areas.submounts.is_read_only(path)
        }
        return Reloaded(target, written, base != target, tuple(sorted(kept)), cache.left_out())

    def _trust(self, execution: PlanExecution) -> None:
        """Make the rows of what was just written ones to be trusted, if reading it again would cost more."""
        if execution.bytes_written >= _WORTH_A_WAIT_BYTES:
            self._clock.sleep(TICK_SECONDS)
        now = self._session.clock.probe()
        for names in execution.rows.values():
            for name, row in names.items():
                if row is not None and not trusted(row.stat.ctime_ns, now):
                    names[name] = Row(untrusted(row.stat), row.entry)
