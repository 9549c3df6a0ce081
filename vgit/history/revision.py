"""Revision: text that names one commit.

    HEAD                          the newest published state
    v1.0                          a tag
    3fa9c2                        an id, whole or its first digits (at least 4)
    @{2 hours ago}                the newest state at or before that time (moment.py, dated_states.py)
    @{2026-11-01T12:00}
    ~n  ^                         behind any of these: n states, one state before it

A whole id is that commit, of any in the store, or nothing: no tag that stock
git made can stand before it. Where another text could be several, HEAD goes
before a tag and, as in git, a tag before a short id. Short ids are looked for
on the first-parent lines of all refs, head's first.
"""

import re
from collections.abc import Iterator
from itertools import islice

from vgit.errors import InvalidError, NotFoundError
from vgit.history.dated_states import dated_states
from vgit.history.moment import parse_moment
from vgit.history.tags import find_tag, peel
from vgit.ids import CommitId, ObjectId, short_id
from vgit.paths import printable
from vgit.repository.ancestry import first_parents
from vgit.repository.commit import Commit, format_moment
from vgit.repository.repository import Repository

_FORM = re.compile(r"(?P<base>.*?)(?P<steps>(?:\^|~[0-9]{0,9})*)", re.DOTALL)
_TIME = re.compile(r"@\{(.*)\}", re.DOTALL)
_ID = re.compile(r"[0-9a-fA-F]{4,}")
_NAMED_CANDIDATES = 5
_ACCEPTED = (
    "Expected HEAD, a tag, an id of at least 4 hex digits, or a time as in @{2 hours ago}, @{2026-11-01} or"
    " @{2026-11-01T12:00}; ~2 behind any of them goes two states back."
)


def resolve_revision(repository: Repository, text: str) -> CommitId:
    """Return the commit that ``text`` names; NotFoundError says why there is none, or which there are."""
    if not isinstance(text, str):
        raise InvalidError(f"Invalid revision: {text!r} is {type(text).__name__}, expected text such as 'HEAD~1'.")
    form = _FORM.fullmatch(text)
    assert form is not None, "both parts may be empty, so that every text matches"
    id = _resolve_base(repository, form["base"])
    back = sum(1 if step == "^" else int(step[1:] or "1") for step in re.findall(r"\^|~[0-9]*", form["steps"]))
    return _go_back(repository, id, back, text)


def _resolve_base(repository: Repository, base: str) -> CommitId:
    if base == "HEAD":
        return repository.head()
    time = _TIME.fullmatch(base)
    if time is not None:
        return _at_time(repository, time[1], base)
    if _ID.fullmatch(base) and len(base) == repository.format.id_size * 2:
        found = _by_whole_id(repository, ObjectId(bytes.fromhex(base)))
    else:
        found = find_tag(repository, base)
        if found is None and _ID.fullmatch(base):
            found = _by_short_id(repository, base.lower())
    if found is None:
        raise NotFoundError(f"No revision {printable(base)!r}. {_ACCEPTED}")
    return found


def _go_back(repository: Repository, id: CommitId, back: int, text: str) -> CommitId:
    line = first_parents(repository, id)
    ids = [one for one, _ in islice(line, back + 1)] if back else [id]
    if len(ids) <= back:
        raise NotFoundError(f"No revision {printable(text)!r}: {short_id(id)} has {len(ids) - 1} states before it.")
    return ids[back]


def _at_time(repository: Repository, time: str, base: str) -> CommitId:
    now_ns = repository.clock.now_ns()
    seconds = parse_moment(time, now_ns)
    if seconds is None:
        raise NotFoundError(f"No revision {printable(base)!r}: the time was not understood. {_ACCEPTED}")
    head = repository.head()
    if seconds == now_ns // 1_000_000_000:
        return head  # whatever the clocks say
    for state in dated_states(repository, head, now_ns):
        if state.seconds <= seconds:
            return state.id
    raise NotFoundError(
        f"No revision {printable(base)!r}: the volume begins at {format_moment(state.seconds)},"
        f" with {short_id(state.id)}."
    )


def _by_short_id(repository: Repository, digits: str) -> CommitId | None:
    found = {id: commit for id, commit in _commits_of_refs(repository) if id.hex().startswith(digits)}
    if len(found) > 1:
        raise NotFoundError(f"Revision {digits!r} is ambiguous: {_describe(found)}. Give more digits.")
    return next(iter(found), None)


def _by_whole_id(repository: Repository, id: ObjectId) -> CommitId | None:
    return peel(repository, id) if repository.objects.contains(id) else None


def _commits_of_refs(repository: Repository) -> Iterator[tuple[CommitId, Commit]]:
    """Yield every commit on the first-parent line of any ref, once."""
    visited: set[CommitId] = set()
    for tip in dict.fromkeys((repository.head(), *repository.refs.list("refs/").values())):
        start = peel(repository, tip)
        if start is None:
            continue
        for id, commit in first_parents(repository, start):
            if id in visited:
                break
            visited.add(id)
            yield id, commit


def _describe(found: dict[CommitId, Commit]) -> str:
    """Return the candidates in few words, newest first."""
    ordered = sorted(found.items(), key=lambda item: item[1].told, reverse=True)
    shown = [f"{short_id(id)} of {format_moment(commit.told)}" for id, commit in ordered[:_NAMED_CANDIDATES]]
    more = len(ordered) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
