"""Test_dated_states: times of published states, whatever the clocks of their writers told."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.history.states import AUTHOR, START, TestClock, volume
from vgit.errors import NotFoundError
from vgit.history.dated_states import dated_states
from vgit.history.log import log
from vgit.history.revision import resolve_revision
from vgit.ids import CommitId
from vgit.repository.commit import Commit, commit_times, encode_commit
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository

DAY = 86_400
YEAR = 365 * DAY


def commit(repository: Repository, told: int, *, by_vgit: bool = True) -> CommitId:
    """Publish a state as a writer does whose clock tells ``told``."""
    head = repository.head()
    parent = repository.commit(head)
    author_time, commit_time = commit_times(told * 10**9, [parent]) if by_vgit else (0, told)
    txn = repository.clock.random_bytes(16).hex() if by_vgit else None
    made = Commit(parent.tree, (head,), AUTHOR, author_time, AUTHOR, commit_time, "state", txn=txn)
    with repository.objects.writer() as writer:
        id = writer.write_commit(encode_commit(made))
        writer.sync()
    assert repository.refs.advance(MAIN, id, head)
    return id


def line_of(*told: int, now: int) -> tuple[Repository, TestClock, list[CommitId]]:
    """Return a volume that begins at START, its further states, oldest first, and a clock that shows ``now``."""
    repository, clock = volume()
    ids = [repository.head(), *(commit(repository, one) for one in told)]
    clock.seconds = now
    return repository, clock, ids


def at(repository: Repository, seconds: int) -> CommitId | None:
    """Return what was the newest state at a time; None if the volume had not begun."""
    ago = repository.clock.now_ns() // 10**9 - seconds
    try:
        return resolve_revision(repository, f"@{{{ago} seconds ago}}")
    except NotFoundError:
        return None


@pytest.mark.parametrize("by_vgit", [True, False])
def test_one_clock_that_is_ahead_misplaces_its_own_state_only(by_vgit: bool) -> None:
    repository, _, _ = line_of(START + DAY, now=START + 3 * DAY)
    before = repository.head()
    ahead = commit(repository, START + YEAR, by_vgit=by_vgit)
    assert resolve_revision(repository, "@{now}") == ahead
    after = commit(repository, START + 2 * DAY)
    assert resolve_revision(repository, "@{now}") == after
    assert at(repository, START + 2 * DAY) == after
    assert at(repository, START + 2 * DAY - 1) == at(repository, START + DAY) == before
    now = START + 3 * DAY
    assert [one.id for one in log(repository, after, until=now, limit=3)] == [after, ahead, before]
    assert [one.id for one in log(repository, after, since=START + 2 * DAY)] == [after, ahead]


def test_the_time_that_was_in_the_future_may_pass() -> None:
    """A year later nothing tells any more that it was; but what agrees with each other is believed."""
    told = [START + DAY, START + YEAR, START + 2 * DAY, START + 3 * DAY, START + YEAR + DAY]
    repository, _, ids = line_of(*told, now=START + 2 * YEAR)
    assert [at(repository, one) for one in told] == [ids[1], ids[4], ids[3], ids[4], ids[5]]


def test_a_clock_that_is_behind_hides_nothing_that_was_before() -> None:
    told = [START + DAY, START + 2 * DAY, 0, START + 4 * DAY]
    repository, _, ids = line_of(*told, now=START + 5 * DAY)
    assert [at(repository, START + day * DAY) for day in range(6)] == [*ids[:3], ids[2], ids[4], ids[4]]
    assert at(repository, START - 1) is None


def test_a_volume_that_was_made_in_the_future_is_read() -> None:
    repository, clock, ids = line_of(START + 10, now=START - YEAR)
    assert resolve_revision(repository, "@{now}") == ids[1]
    assert resolve_revision(repository, "@{2100-01-01}") == ids[1]
    assert resolve_revision(repository, "@{2025-06-15T15:06:45Z}") == ids[0], "it is our clock that is wrong"
    clock.seconds = START + 20
    assert at(repository, START + 9) == ids[0]


def test_clocks_that_differ_by_seconds_are_not_doubted() -> None:
    repository, _, _ = line_of(now=START + 1000)
    for number in range(200):
        commit(repository, START + number + (30 if number % 2 else 0))
    fresh = Repository.open(repository.backend, repository.clock)
    assert len(list(log(fresh, fresh.head(), since=START + 225))) == 5
    assert len(fresh._commits) < 8


def test_doubt_ends_where_the_line_is_calm() -> None:
    repository, _, _ = line_of(now=START + 3000)
    for number in range(200):
        commit(repository, START + number)
    commit(repository, START + YEAR)
    commit(repository, START + 1000)
    fresh = Repository.open(repository.backend, repository.clock)
    assert len(list(log(fresh, fresh.head(), since=START + 198))) == 4
    assert len(fresh._commits) < 80


any_time = st.integers(0, 10 * DAY) | st.integers(-3 * YEAR, 3 * YEAR)


@given(st.lists(st.tuples(any_time, st.booleans()), max_size=12), any_time)
def test_whatever_the_clocks_told_times_never_go_up_and_now_is_the_newest(
    told: list[tuple[int, bool]], now: int
) -> None:
    repository, clock, ids = line_of(now=START)
    ids += [commit(repository, START + seconds, by_vgit=by_vgit) for seconds, by_vgit in told]
    clock.seconds = START + now
    states = list(dated_states(repository, repository.head(), repository.clock.now_ns()))
    assert [one.id for one in states] == ids[::-1]
    assert all(newer.seconds >= older.seconds for newer, older in pairwise(states))
    assert resolve_revision(repository, "@{now}") == ids[-1]
    for one in states:
        if one.seconds <= clock.seconds:
            newest = next(other.id for other in states if other.seconds <= one.seconds)
            assert at(repository, one.seconds) in (newest, ids[-1])


@given(st.integers(2, 8), st.data())
def test_one_wrong_clock_among_right_ones_moves_no_state_of_theirs(count: int, data: st.DataObject) -> None:
    right = [START + number * DAY for number in range(1, count + 2)]
    place = data.draw(st.integers(1, count - 1))
    wrong = data.draw(st.integers(-1800, 1800)) * DAY + DAY // 2  # by a minute or less, and it is not doubted
    told = [*right[:place], max(0, START + wrong), *right[place:]]
    against = [one for one in [START, *right[:place]] if one > told[place]]
    against += [one for one in right[place:] if one < told[place]]
    assume(len(against) != 1 or told[place] > right[-1])  # one against one: either may be wrong
    repository, _, ids = line_of(*told, now=right[-1])
    for number, seconds in enumerate(right):
        expected = {ids[1 + number + (number >= place)]}
        if told[place] <= seconds or number == place - 1:
            expected.add(ids[1 + place])  # it is somewhere between the two
        assert at(repository, seconds) in expected
