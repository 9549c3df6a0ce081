"""Dated states: when each state was published, as far as the clocks of those who wrote them tell.

The order of states is the order of the line, and never in doubt. Their times are
what each writer's clock told, and a clock may be wrong, by a year as well. The
times given here never go up from a state to an older one:

    all told in order, none after now    as they were told, and no more is read
    else                                 those are believed that agree: the longest
                                         run of told times that never goes up. What
                                         is not in it was published no later than
                                         the next newer state that is

So a clock that is ahead, or behind, misplaces its own states only, to beside those
that were published next. No state is from after now; but if all that is looked at
says so, it is our clock that is wrong. Differences below a minute count for nothing.

The committer's time cannot be asked: it is never before the parent's, so that it is
in the future for every state after one that came from there.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vgit.ids import CommitId
from vgit.repository.ancestry import first_parents
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository

DOUBT_SECONDS = 60
_CALM = 64  # so many states in a row that are in order end the doubt


class DatedState(NamedTuple):
    """A published state, and when that was."""

    id: CommitId
    commit: Commit
    seconds: int  # since the epoch; never more than a newer state's


def dated_states(repository: Repository, start: CommitId, now_ns: int) -> Iterator[DatedState]:
    """Yield ``start`` and the states before it, newest first, each with the time at which it was published."""
    now = now_ns // 1_000_000_000
    line = first_parents(repository, start)
    limit: int | None = None
    for id, commit in line:
        if _is_in_order(repository, commit, now):
            window, times = [(id, commit)], [min(commit.commit_time, now)]
        else:
            window = [(id, commit), *_until_calm(repository, line, now)]
            times = _consistent_times([one.told for _, one in window], now)
        for (one_id, one), seconds in zip(window, times, strict=True):
            limit = seconds if limit is None else min(limit, seconds)
            yield DatedState(one_id, one, limit)


def _until_calm(
    repository: Repository, line: Iterator[tuple[CommitId, Commit]], now: int
) -> Iterator[tuple[CommitId, Commit]]:
    """Yield the next states of ``line``, until enough in a row are in order to tell which of the others are not."""
    calm = 0
    while calm < _CALM and (one := next(line, None)) is not None:
        yield one
        calm = calm + 1 if _is_in_order(repository, one[1], now) else 0


def _is_in_order(repository: Repository, commit: Commit, now: int) -> bool:
    """Whether nothing speaks against a commit's time: not its parent's, not our clock."""
    if commit.commit_time - commit.told > DOUBT_SECONDS or commit.commit_time - now > DOUBT_SECONDS:
        return False
    if commit.txn is not None or commit.parent is None:
        return True  # vgit's committer time says already when the parent's was later
    return repository.commit(commit.parent).commit_time - commit.commit_time <= DOUBT_SECONDS


def _consistent_times(told: Sequence[int], now: int) -> list[int]:
    """Return times that never go up, as near to the told ones as these agree."""
    is_now_wrong = min(told) - now > DOUBT_SECONDS
    limit = max(told) if is_now_wrong else now
    believed = _longest_run(told, limit + DOUBT_SECONDS)
    times = []
    for at, seconds in enumerate(told):
        if at in believed:
            limit = min(limit, seconds)
        times.append(limit)
    return times


def _longest_run(told: Sequence[int], latest: int) -> set[int]:
    """Return where the longest run is that never goes up and begins at ``latest`` at most; of equals, the older one."""
    ends: list[int] = []  # of the best run of each length: its last time, negated
    last: list[int] = []  # and where that is
    before: list[int | None] = []
    for at, seconds in enumerate(told):
        length = bisect_right(ends, -seconds)
        before.append(last[length - 1] if length else None)
        if seconds <= latest:
            ends[length : length + 1] = [-seconds]
            last[length : length + 1] = [at]
    run = set()
    next_at = last[-1] if last else None
    while next_at is not None:
        run.add(next_at)
        next_at = before[next_at]
    return run
