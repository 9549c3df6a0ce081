"""Recover: settle what a commit or reload left when it was cut off; no file is written or removed for it.

    journal of a commit   its transaction among head's ancestors after base?
                          yes: it was published, its rows hold. no: it never happened, and they are taken back
    journal of a reload   each candidate path is looked at:
                          on disk is the target's content   it counts as seen
                          on disk is what was seen          stays, the next reload brings the rest
                          nothing on disk                   the row goes if the reload was to clear the path, and
                                                            the next one brings the target; else a local removal
                          anything else                     a local change
    files left beside     clean ones and unfinished ones go; a local change that was
                          displaced goes back to its place

All such paths become divergent, so that the next reload compares them with head
whatever base says.
"""

import os
from collections.abc import Callable

from vgit.files.metadata import is_as_seen
from vgit.files.rows import Row, untrusted
from vgit.files.temporary_access import TemporaryAccess, no_note
from vgit.ids import CommitId
from vgit.localfs.root_directory import remove_entry
from vgit.localfs.syscalls import EXCHANGE_SUFFIX, exchange
from vgit.mount.areas import found_area, point_of
from vgit.mount.journal import Journal, Notes, decode_journal
from vgit.mount.layout import DISPLACED, TEMPORARY
from vgit.mount.plan import Action, Planner
from vgit.mount.put_back import put_back
from vgit.mount.root import MountRoot
from vgit.mount.scope import Scope
from vgit.mount.stage import Waiting
from vgit.mount.stat_cache import StatCache
from vgit.mount.swap import is_as_planned
from vgit.paths import Path
from vgit.repository.repository import Repository
from vgit.tree.edits import Edits
from vgit.tree.entry import Entry


def recover(
    cache: StatCache,
    repository: Repository,
    scope: Scope,
    root: MountRoot,
    planner: Callable[[TemporaryAccess], Planner],
    check_history: Callable[[CommitId], None],
) -> None:
    """Settle what the journal says was under way; nothing if there is no journal."""
    if cache.journal is None:
        return
    journal = decode_journal(cache.journal)
    if journal.is_look:
        TemporaryAccess(root, no_note, journal.decode_modes()).restore()
        with cache.transaction():
            cache.drop_journal()
        return
    target = CommitId(repository.refs.parse_id(journal.target)) if not journal.txn else None
    known = target or cache.newest
    if known is not None:  # a store that is not what it was says nothing of what became of the journal
        check_history(known)
    if target is None:
        settle_commit(cache, repository, scope, journal)
        return
    base = cache.base
    assert base is not None, "a reload begins only on a mount that has been checked out"
    candidates = reload_candidates(scope, base, target, cache.divergent())
    with TemporaryAccess(root, Notes(cache.write_journal, journal).note_modes, journal.decode_modes()) as access:
        settle_reload(cache, candidates, planner(access), root, journal, access)


def settle_commit(cache: StatCache, repository: Repository, scope: Scope, journal: Journal) -> None:
    """Keep the rows of a commit that was published before it was cut off, or take back those of one that was not."""
    base = CommitId(repository.refs.parse_id(journal.base))
    found = repository.find_transaction(journal.txn, base)
    with cache.transaction():
        if found is None:
            cache.undo()
        else:
            id, commit = found
            cache.set_root_mode(journal.root_mode)
            if commit.parent is not None and scope.tree(commit.parent) == scope.tree(base):
                cache.set_base(id)
            else:
                cache.add_divergent(cache.journaled())
                cache.set_newest(id)
        cache.drop_journal()


def reload_candidates(scope: Scope, base: CommitId, target: CommitId, divergent: set[Path]) -> dict[Path, Entry | None]:
    """Return every path where a mount at ``base`` may differ from ``target``, with the target's entry."""
    candidates = {path: new for path, _, new in scope.differences(base, target)}
    for path in divergent - candidates.keys():
        if path:
            candidates[path] = scope.entry(target, path)
    return candidates


def still_divergent(scope: Scope, divergent: set[Path], edits: Edits, head: CommitId) -> set[Path]:
    """Return those of which a merge left something else at head than what the mount has."""
    if not divergent:
        return divergent
    ours = ((path, edit) for path, edit in edits.unfolded() if path in divergent)
    return divergent - {path for path, edit in ours if is_as_seen(edit.new, scope.entry(head, path))}


def settle_reload(
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
    cleared = {one.path for one in put_all_back(root, journal, access) if one.area == DISPLACED}
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


def put_all_back(root: MountRoot, journal: Journal | None, access: TemporaryAccess) -> list[Waiting]:
    """Empty the areas beside as ``_put_back`` does; return what the journal says may have been there."""
    found = journal.decode_waiting() if journal is not None else []
    access.allow_if_possible([*(one.path[:-1] for one in found), *(point_of(one.area) for one in found)])
    waiting = {(one.area, one.name): one for one in found}
    for area in dict.fromkeys((TEMPORARY, DISPLACED, *(one.area for one in found))):
        _put_back(root, area, waiting)
    return found


def _put_back(root: MountRoot, area: str, waiting: dict[tuple[str, str], Waiting]) -> None:
    """Empty one of the areas beside; what came out of the mount and was not as planned goes back."""
    with found_area(root, area) as area_fd:
        for name in os.listdir(area_fd) if area_fd is not None else ():
            assert area_fd is not None
            now = os.stat(name, dir_fd=area_fd, follow_symlinks=False)
            known = waiting.get((area, name.removesuffix(EXCHANGE_SUFFIX)))
            if known is None or now.st_ino == known.inode or is_as_planned(area_fd, name, known.planned):
                remove_entry(area_fd, name)  # new content that was not placed, or old content that the store has
            else:
                _return_change(root, area_fd, name, known)


def _return_change(root: MountRoot, area_fd: int, name: str, known: Waiting) -> None:
    """Give a local change that was displaced its place again."""
    path = known.path
    try:
        with root.opened(path[:-1]) as parent:
            if known.inode and _inode(parent, path[-1]) == known.inode:
                exchange(area_fd, name, parent, path[-1])
                os.unlink(name, dir_fd=area_fd)
            else:
                put_back(area_fd, name, parent, path[-1])
    except (FileNotFoundError, NotADirectoryError):  # its directory is gone: it was a change in it all the same
        with root.opened(point_of(known.area)) as top:
            put_back(area_fd, name, top, path[-1])


def _inode(directory_fd: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0


def _is_directory(row: Row | None) -> bool:
    return row is not None and row.entry.is_directory
