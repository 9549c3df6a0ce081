"""Test_state_database: a mount's state that another version of vgit has made."""

import sqlite3
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench
from vgit.errors import NotMountedError


def test_a_newer_state_is_refused_and_stays_as_it_is(bench: Bench) -> None:
    mount = bench.mount("a")
    FilePath(mount.path, "f").write_text("one")
    mount.commit(AUTHOR)
    mount.close()
    state = FilePath(mount.path, ".vgit/state.db")
    set_version(state, 3)
    before = state.read_bytes()

    again = bench.mount_as_it_is("a")
    with pytest.raises(NotMountedError, match=r"has version 3; expected 2, or an older one"):
        again.commit(AUTHOR)
    assert state.read_bytes() == before
    again.close()

    set_version(state, 2)
    assert bench.mount_as_it_is("a").commit(AUTHOR).published is None


def set_version(state: FilePath, version: int) -> None:
    """Set the version and leave all in the database file itself, nothing in a log."""
    connection = sqlite3.connect(state)
    connection.execute(f"PRAGMA user_version={version}")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
