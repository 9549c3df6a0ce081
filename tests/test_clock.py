"""Test_clock: a clock is what it was given, and nothing else."""

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgit.clock import SYSTEM_CLOCK, Clock


def clock_of(random: bytes) -> Clock:
    """Return a clock that stands at 0 and whose randomness is ``random`` again and again."""
    return Clock(lambda: 0, lambda: 0.0, lambda seconds: None, lambda size: (random * size)[:size])


@given(st.binary(min_size=4, max_size=4), st.floats(min_value=1e-9, max_value=1e9))
def test_jitter_is_below_its_limit(random: bytes, limit_seconds: float) -> None:
    assert 0 <= clock_of(random).jitter(limit_seconds) < limit_seconds


def test_jitter_goes_from_end_to_end() -> None:
    assert clock_of(b"\0").jitter(8) == 0
    assert clock_of(b"\0\0\0\x80").jitter(8) == 4
    assert clock_of(b"\xff").jitter(8) == pytest.approx(8)


def test_jitter_of_nothing_is_nothing() -> None:
    assert clock_of(b"\xff").jitter(0) == 0


def test_the_same_randomness_gives_the_same_jitter() -> None:
    assert clock_of(b"seed").jitter(1) == clock_of(b"seed").jitter(1)


def test_a_clock_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SYSTEM_CLOCK.now_ns = lambda: 0  # type: ignore[misc]


def test_the_system_clock_is_the_system() -> None:
    before = time.time_ns()
    assert SYSTEM_CLOCK.now_ns() >= before
    assert SYSTEM_CLOCK.monotonic() <= SYSTEM_CLOCK.monotonic()
    assert len(SYSTEM_CLOCK.random_bytes(33)) == 33
    assert SYSTEM_CLOCK.random_bytes(16) != SYSTEM_CLOCK.random_bytes(16)
    SYSTEM_CLOCK.sleep(0)
