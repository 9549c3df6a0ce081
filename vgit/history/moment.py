"""Moment: text that names a time, as people write it.

    2 hours ago, 1 day 6 hours ago, 3.days.ago      before now; a month is 30 days, a year 365
    now, yesterday                                  yesterday is 24 hours before now
    2026-11-01, 2026-11-01T12:00, …12:00:30+02:00   ISO 8601; a date alone is its first moment

Times without a zone are in the machine's. A table of units and the standard
library's ISO 8601 are all there is: no language, no calendar arithmetic.
"""

import re
from datetime import datetime
from math import floor

from vgit.errors import InvalidError

_UNITS = {
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 1),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), 60),
    **dict.fromkeys(("hour", "hours", "h"), 3600),
    **dict.fromkeys(("day", "days", "d"), 86_400),
    **dict.fromkeys(("week", "weeks", "w"), 7 * 86_400),
    **dict.fromkeys(("month", "months"), 30 * 86_400),
    **dict.fromkeys(("year", "years"), 365 * 86_400),
}
_SPAN = re.compile(r"(?:(?P<count>[0-9]{1,9}) ?|(?:an?|one) )(?P<unit>[a-z]+)(?: |$)")
_WORDS = {"now": 0, "yesterday": 86_400}


def parse_moment(text: str, now_ns: int) -> int | None:
    """Return the time that ``text`` names in seconds since the epoch; None if it names none.

    >>> parse_moment("2 minutes ago", 1_000_000_000_000)
    880
    >>> parse_moment("1970-01-02T00:00Z", 0)
    86400
    """
    words = " ".join(text.lower().split())
    now = now_ns // 1_000_000_000
    if words in _WORDS:
        return now - _WORDS[words]
    before = _parse_span(words.replace(".", " "))
    if before is not None:
        return now - before
    try:
        return floor(datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError, OSError):  # the last two: years that the system's clock does not have
        return None


def to_seconds(when: datetime | str, now_ns: int) -> int:
    """Return a moment of the API, a datetime or text as above, in seconds since the epoch; InvalidError if it is none.

    A datetime without a zone is in the machine's.
    """
    seconds = floor(when.timestamp()) if isinstance(when, datetime) else None
    if isinstance(when, str):
        seconds = parse_moment(when, now_ns)
    if seconds is None:
        raise InvalidError(
            f"Invalid time: {when!r}; expected a datetime, or text as 2026-11-01T12:00 or '2 hours ago'."
        )
    return seconds


def _parse_span(words: str) -> int | None:
    """Return the seconds that ``… ago`` goes back, None if it is something else."""
    span = words.removesuffix(" ago")
    if span == words:
        return None
    seconds = at = 0
    while at < len(span):
        part = _SPAN.match(span, at)
        if part is None or part["unit"] not in _UNITS:
            return None
        seconds += int(part["count"] or 1) * _UNITS[part["unit"]]
        at = part.end()
    return seconds
