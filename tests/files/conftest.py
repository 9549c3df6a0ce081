"""Conftest: a directory that is no mount, open as one whose entries are reached by its descriptor."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ordinary_user import reachable_directory
from vgit.localfs.root_directory import RootDirectory


@pytest.fixture
def top() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture
def root(top: Path) -> Iterator[RootDirectory]:
    with RootDirectory(str(top)) as opened:
        yield opened
