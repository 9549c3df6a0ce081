"""Test_moment: times as people write them."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgit.history.moment import parse_moment
from vgit.repository.commit import format_moment

NOW = 1_793_004_800  # 2026-10-26T08:53:20Z
HOUR, DAY = 3600, 86_400


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two hours east of Greenwich, all year."""
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def parse(text: str) -> int | None:
    return parse_moment(text, NOW * 10**9 + 999_999_999)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("now", 0),
        ("yesterday", DAY),
        ("0 seconds ago", 0),
        ("2 hours ago", 2 * HOUR),
        ("1 hour ago", HOUR),
        ("an hour ago", HOUR),
        ("a day ago", DAY),
        ("90 min ago", 90 * 60),
        ("3.days.ago", 3 * DAY),
        ("  3   Days  AGO ", 3 * DAY),
        ("1 day 6 hours ago", DAY + 6 * HOUR),
        ("2 weeks ago", 14 * DAY),
        ("1 month ago", 30 * DAY),
        ("5 years ago", 5 * 365 * DAY),
        ("2h ago", 2 * HOUR),
        ("999999999 years ago", 999_999_999 * 365 * DAY),
    ],
)
def test_spans_go_back_from_now(text: str, before: int) -> None:
    assert parse(text) == NOW - before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-10-26T08:53:20Z", NOW),
        ("2026-10-26T10:53:20+02:00", NOW),
        ("2026-10-26T10:53:20", NOW),
        ("2026-10-26 10:53:20.9", NOW),
        ("2026-10-26T10:53", NOW - 20),
        ("2026-10-26", NOW - 20 - 53 * 60 - 10 * HOUR),
        ("1969-12-31T23:59:59.5Z", -1),
    ],
)
@pytest.mark.usefixtures("zone")
def test_dates_are_iso_and_local_unless_they_say_otherwise(text: str, seconds: int) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "ago", " ago", "2 ago", "hours ago", "2 hours", "2 moons ago", "2 hours ago ago", "-2 hours ago", "1"),
        *("2026-13-01", "2026-11-31", "2026", "noon", "2 hours and ago", "1e3 days ago", "\0", "²days ago"),
        *("aday ago", "0001-01-01"),
    ],
)
def test_all_else_is_no_time(text: str) -> None:
    found = parse(text)
    # Whether the first year has seconds depends on the zone and the platform.
    assert found is None or text == "0001-01-01"


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert parse(text) is None or text


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_a_shown_moment_can_be_given_back(seconds: int) -> None:
    assert parse(format_moment(seconds)) == seconds


def test_moments_beyond_the_calendar_are_shown_as_numbers() -> None:
    assert format_moment(10**15) == "1000000000000000 seconds since 1970"
