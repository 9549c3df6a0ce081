"""Meddler: a backend in which others are always a moment faster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults import FaultBackend, Script
from vgit.backend import Backend


class Meddler(FaultBackend):
    """Does what ``inner`` does, but right before ``exclusive`` is taken others act: one of ``acts`` each time."""

    def __init__(self, inner: Backend, acts: list[Callable[[], object]]) -> None:
        super().__init__(inner, Script())
        self._acts = acts
        self._depth = 0

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        if self._acts and not self._depth:
            self._acts.pop(0)()
        self._depth += 1
        try:
            with super().exclusive():
                yield
        finally:
            self._depth -= 1
