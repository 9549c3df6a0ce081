"""Ancestry: the commits before a commit: along first parents, which are the states that were published, or by all."""

from collections.abc import Collection, Iterator
from heapq import heappop, heappush

from vgit.ids import CommitId
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint


def first_parents(repository: Repository, start: CommitId) -> Iterator[tuple[CommitId, Commit]]:
    """Yield ``start`` and the states that were published before it, newest first."""
    id: CommitId | None = start
    while id is not None:
        checkpoint()
        commit = repository.commit(id)
        yield id, commit
        id = commit.parent


def find_transaction(repository: Repository, txn: str, base: CommitId | None) -> tuple[CommitId, Commit] | None:
    """Return the commit of transaction ``txn`` among head and its ancestors after ``base``, if it was published.

    All parents count: a merge that stock git pushed may have it as its second.
    """
    waiting = [repository.head()]
    seen = {base}
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        commit = repository.commit(id)
        if commit.txn == txn:
            return id, commit
        waiting += reversed(commit.parents)
    return None


def descends(repository: Repository, id: CommitId, wanted: Collection[CommitId]) -> bool:
    """Return whether ``id`` is one of ``wanted`` or has one among its ancestors, by whatever parent.

    The newest are looked at first: what was published lately is found after
    few of them, and only a no costs the whole history. Who asks whether a
    state is still part of a volume's history asks here, and nowhere else.
    """
    if id in wanted:
        return True
    waiting = [(0, id)]
    seen = {id}
    while waiting:
        checkpoint()
        _, one = heappop(waiting)
        for parent in repository.commit(one).parents:
            if parent in wanted:
                return True
            if parent not in seen:
                seen.add(parent)
                heappush(waiting, (-repository.commit(parent).commit_time, parent))
    return False


def ancestors(repository: Repository, id: CommitId) -> set[CommitId]:
    """Return ``id`` and all its ancestors, by whatever parent; costs a look at each."""
    waiting, seen = [id], {id}
    while waiting:
        new = [parent for parent in repository.commit(waiting.pop()).parents if parent not in seen]
        seen.update(new)
        waiting += new
    return seen
