"""Conftest: the backends that must pass the conformance suite, and time that is not real."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK, Clock


def _child_of_memory(path: Path) -> Backend:
    return MemoryBackend().child("volumes/a.git")


def _child_of_local(path: Path) -> Backend:
    return LocalBackend(str(path)).child("volumes/a.git")


BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "memory": lambda path: MemoryBackend(),
    "memory-child": _child_of_memory,
    "local": lambda path: LocalBackend(str(path / "store")),
    "local-child": _child_of_local,
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path)


class FakeTime:
    """A clock whose waiting takes no time; ``on_sleep`` is called at each sleep."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_sleep: Callable[[], None] = lambda: None
        self.clock: Clock = replace(SYSTEM_CLOCK, monotonic=lambda: self.seconds, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.on_sleep()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()
