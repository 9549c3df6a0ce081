"""Conftest: what is kept for the tests of a module goes with it."""

from collections.abc import Iterator

import pytest

from tests.content.contents import forget_stored


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_stored()
