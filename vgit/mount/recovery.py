"""Recovery: settle what a commit or reload left when it was cut off; no file of the user is written for it.

    journal of a commit   its transaction among head's ancestors after base?
                          yes: it was published, its rows hold. no: it never happened, and they are taken back
    journal of a reload   each candidate path is looked at:
                          on disk is the target's content   it counts as seen
                          on disk is what was seen          stays, the next reload brings the rest
                          nothing on disk                   the row goes if the reload was to clear the path, and
                                                            the next one brings the target; else a local removal
                          anything else                     a local change
    staging areas         ``staging_cleanup`` empties them

All such paths become divergent, so that the next reload compares them with head
whatever base says.
"""

from collections.abc import Callable

from vgit.files.rows import Row, untrusted
from vgit.files.temporary_access import TemporaryAccess, no_note
from vgit.ids import CommitId
from vgit.mount.divergence import reload_candidates
from vgit.mount.inspection import Inspector
from vgit.mount.journal import Journal, JournalWriter, decode_journal
from vgit.mount.layout import DISPLACED
from vgit.mount.plan import Action, Planner
from vgit.mount.root import MountRoot
from vgit.mount.scope import Scope
from vgit.mount.staging_cleanup import clean_up
from vgit.mount.stat_cache import StatCache
from vgit.paths import Path
from vgit.repository.ancestry import find_transaction
from vgit.repository.repository import Repository
from vgit.tree.entry import Entry


def recover(
    cache: StatCache,
    repository: Repository,
    scope: Scope,
    root: MountRoot,
    inspector: Inspector,
    check_history: Callable[[CommitId], None],
) -> None:
    """Settle what the journal says was under way; nothing if there is no journal."""
    if cache.journal is None:
        return
    journal = decode_journal(cache.journal)
    if journal.is_look:
        TemporaryAccess(root, no_note, journal.opened_modes()).restore()
        with cache.transaction():
            cache.drop_journal()
        return
    target = CommitId(repository.refs.parse_id(journal.target)) if not journal.txn else None
    known = target or cache.newest
    if known is not None:  # a store that is not what it was says nothing of what became of the journal
        check_history(known)
    if target is None:
        _settle_commit(cache, repository, scope, journal)
        return
    base = cache.base
    assert base is not None, "a reload begins only on a mount that has been checked out"
    candidates = reload_candidates(scope, base, target, cache.divergent())
    with TemporaryAccess(
        root, JournalWriter(cache.write_journal, journal).note_modes, journal.opened_modes()
    ) as access:
        _settle_reload(cache, candidates, inspector.planner(cache, access), root, journal, access)


def _settle_commit(cache: StatCache, repository: Repository, scope: Scope, journal: Journal) -> None:
    """Keep the rows of a commit that was published before it was cut off, or take back those of one that was not."""
    base = CommitId(repository.refs.parse_id(journal.base))
    found = find_transaction(repository, journal.txn, base)
    with cache.transaction():
        if found is None:
            cache.undo()
        else:
            id, commit = found
            cache.set_root_mode(journal.root_mode)
            if scope.follows(commit, base):
                cache.set_base(id)
            else:
                cache.add_divergent(cache.journaled())
                cache.set_newest(id)
        cache.drop_journal()


def _settle_reload(
    cache: StatCache,
    candidates: dict[Path, Entry | None],
    planner: Planner,
    root: MountRoot,
    journal: Journal,
    access: TemporaryAccess,
) -> None:
    """Look at every path that a reload which was cut off may have touched; ``access`` has the modes of its journal."""
    # Where the reload was not let in either it has changed nothing; no command must be refused for that.
    access.allow_if_possible(path[:-1] for path in candidates)
    cleared = {one.path for one in clean_up(root, journal, access) if one.area == DISPLACED}
    rows: dict[Path, dict[str, Row | None]] = {}
    settled: set[Path] = set()
    for step in planner.plan(candidates):
        path, wanted = step.path, candidates[step.path]
        row = cache.row(path)
        new: Row | None
        if step.action is Action.ADOPT and step.target is not None and step.now is not None:
            new = Row(untrusted(step.now), step.target)
        elif (
            step.action is Action.SET_DIRECTORY
            and wanted is not None
            and step.now is not None
            and not _is_directory(row)
        ):
            # Ours, made a moment before it was to get its mode: that it lacks it yet is no local change. It is seen
            # with the mode that it has, so that the next reload sets the other.
            new = Row(step.now, wanted._replace(id=None, mode=step.now.mode))
        elif row is not None and path in cleared and not root.exists(path):
            new = None
        else:
            continue
        rows.setdefault(path[:-1], {})[path[-1]] = new
        settled.add(path)
    access.restore()  # before the journal goes, which has the modes
    with cache.transaction():
        cache.put(rows)
        cache.add_divergent(settled)
        cache.drop_journal()


def _is_directory(row: Row | None) -> bool:
    return row is not None and row.entry.is_directory
