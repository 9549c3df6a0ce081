"""Test_reading_threads: a few seconds of tests/reading_threads.py, which runs as a program for as long as one likes."""

from pathlib import Path

import pytest

from tests import reading_threads


@pytest.mark.parametrize("way", sorted(reading_threads.WAYS))
def test_no_read_ever_fails_beside_writers_and_roll_ups(tmp_path: Path, way: str) -> None:
    judge = reading_threads.run(tmp_path, 2, way)
    assert judge.errors == []
    assert all(judge.counts[kind] for kind in ("newest", "snapshot", "log", "listing"))


def test_the_judge_can_condemn() -> None:
    judge = reading_threads.Judge()
    reader = reading_threads.Reader(judge, 0, 1)
    reader.judge("newest", 0, b"2")
    reader.judge("newest", 0, b"2")
    assert judge.errors == []
    reader.judge("newest", 0, b"1")
    reader.failed("log", ValueError("x"))
    assert judge.errors == ["newest: w0/number went from 2 to 1", "log: ValueError: x"]
