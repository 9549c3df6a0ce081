"""Test_fsync: a few files are synced by themselves, of many their file systems."""

import os
from pathlib import Path

import pytest

from vgit.localfs import fsync
from vgit.localfs.fsync import FEW, FsyncSet


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: made.append("fsync"))
    monkeypatch.setattr(fsync, "syncfs", lambda _: made.append("syncfs"))
    return made


def make(directory: int, name: str, mode: int = 0o600) -> str:
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, mode, dir_fd=directory))
    return name


def test_a_few_files_alone_and_many_by_their_file_system(tmp_path: Path, calls: list[str]) -> None:
    directory = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    before = len(os.listdir("/proc/self/fd"))
    with FsyncSet() as unsynced:
        for number in range(FEW):
            unsynced.add_new_file(directory, make(directory, f"{number}"))
        unsynced.sync()
        assert calls == ["fsync"] * FEW
        calls.clear()
        unsynced.add_new_file(directory, make(directory, "one more"))
        unsynced.sync()
        assert calls == ["syncfs"]
        calls.clear()
        unsynced.close()
        unsynced.sync()
        assert calls == []
        unsynced.add_file(directory, "one more")
        unsynced.add_file_system(directory)
        unsynced.sync()
        assert calls == ["syncfs"]
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(directory)
