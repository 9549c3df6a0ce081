"""Log: the published states, newest first, along first parents.

With a path only those that changed something there, mtimes of files included,
of directories not. Whether one did is seen from git's rows on the way down:
where two trees agree on the row of the next name, all below it is the same,
and nothing more is read. Directories are not put together for that; a step
costs one tree, and at the path's end the one line of a record.
"""

from collections.abc import Iterator
from typing import NamedTuple

from vgit.commit import Commit
from vgit.errors import InvalidError
from vgit.history.changes import count_changes
from vgit.history.path_versions import PathVersions
from vgit.ids import CommitId, TreeId
from vgit.paths import Path
from vgit.repository import Repository
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
) -> Iterator[LoggedCommit]:
    """Yield ``start`` and what was published before it; ``limit`` is the most to yield.

    ``since`` and ``until`` are committer times in seconds, both inclusive.
    The walk ends at the first commit before ``since`` that vgit made: vgit
    gives no commit an earlier time than its parent's. Stock git may have.
    """
    if limit is not None and limit < 0:
        raise InvalidError(f"Invalid limit: {limit}; expected 0 or more.")
    return _log(repository, start, path, since, until, limit)


def _log(
    repository: Repository, start: CommitId, path: Path | None, since: int | None, until: int | None, limit: int | None
) -> Iterator[LoggedCommit]:
    versions = PathVersions(repository, path) if path else None
    left = limit
    for id, commit in repository.first_parents(start):
        if left == 0:
            return
        if since is not None and commit.commit_time < since:
            if commit.txn is not None:
                return
            continue
        if until is not None and commit.commit_time > until:
            continue
        if versions is not None and not versions.differ(_parent_tree(repository, commit), commit.tree):
            continue
        yield LoggedCommit(id, commit, counts_of(repository, commit))
        left = None if left is None else left - 1


def counts_of(repository: Repository, commit: Commit) -> Counts:
    """Return what a commit did to its parent's tree: as it says itself or, made by stock git, by looking."""
    if commit.counts is not None:
        return commit.counts
    return count_changes(repository, _parent_tree(repository, commit), commit.tree)


def _parent_tree(repository: Repository, commit: Commit) -> TreeId | None:
    return repository.commit(commit.parent).tree if commit.parent is not None else None
