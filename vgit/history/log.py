"""Log: the published states, newest first, along first parents.

With a path only those that changed something there, mtimes of files included,
of directories not. Whether one did is seen from git's rows on the way down:
where two trees agree on the row of the next name, all below it is the same,
and nothing more is read. Directories are not put together for that; a step
costs one tree, and at the path's end the one line of a record.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vgit.errors import InvalidError, NotFoundError
from vgit.history.dated_states import DatedState, dated_states
from vgit.history.file_changes import count_changes
from vgit.history.path_versions import PathVersions
from vgit.ids import CommitId, TreeId
from vgit.paths import Path, format_path, printable
from vgit.repository.ancestry import first_parents
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository
from vgit.tree.directory import find_entry
from vgit.tree.edits import Counts


class LoggedCommit(NamedTuple):
    """One published state."""

    id: CommitId
    commit: Commit
    counts: Counts  # of the whole commit, also where the log is of one path


def log(
    repository: Repository,
    start: CommitId,
    path: Path | None = None,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
    now_ns: int | None = None,
) -> Iterator[LoggedCommit]:
    """Yield ``start`` and what was published before it; ``limit`` is the most to yield.

    NotFoundError, at the end, for a path that no commit has ever touched.
    ``since`` and ``until`` are seconds since the epoch, both inclusive, of
    when a state was published (dated_states.py). The walk ends before ``since``.
    ``now_ns`` is the moment that they were said at, if it was before.
    """
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise InvalidError(f"Invalid limit: {limit!r}; expected a number from 0 on.")
    line = first_parents(repository, start)
    if since is not None or until is not None:
        line = _between(dated_states(repository, start, now_ns or repository.clock.now_ns()), since, until)
    return _log(repository, start, path, line, limit)


def _log(
    repository: Repository,
    start: CommitId,
    path: Path | None,
    line: Iterable[tuple[CommitId, Commit]],
    limit: int | None,
) -> Iterator[LoggedCommit]:
    versions = PathVersions(repository, path) if path else None
    left = limit
    is_empty = True
    for id, commit in line:
        if left == 0:
            break
        if versions is not None and not versions.differ(_parent_tree(repository, commit), commit.tree):
            continue
        yield LoggedCommit(id, commit, counts_of(repository, commit))
        is_empty = False
        left = None if left is None else left - 1
    if path and is_empty and limit != 0:
        _expect_a_trace(repository, start, path)


def _between(states: Iterable[DatedState], since: int | None, until: int | None) -> Iterator[tuple[CommitId, Commit]]:
    for id, commit, seconds in states:
        if since is not None and seconds < since:
            return
        if until is None or seconds <= until:
            yield id, commit


def _expect_a_trace(repository: Repository, start: CommitId, path: Path) -> None:
    """Raise NotFoundError if nothing has ever been at ``path``: more likely a slip than a question."""
    if find_entry(repository.directories, repository.commit(start).tree, path) is not None:
        return
    versions = PathVersions(repository, path)
    for _, commit in first_parents(repository, start):
        if versions.differ(_parent_tree(repository, commit), commit.tree):
            return
    raise NotFoundError(f"No commit has touched {printable(format_path(path))!r}: nothing was ever there.")


def counts_of(repository: Repository, commit: Commit) -> Counts:
    """Return what a commit did to its parent's tree: as it says itself or, made by stock git, by looking."""
    if commit.counts is not None:
        return commit.counts
    return count_changes(repository, _parent_tree(repository, commit), commit.tree)


def _parent_tree(repository: Repository, commit: Commit) -> TreeId | None:
    return repository.commit(commit.parent).tree if commit.parent is not None else None
