"""Test_half_made: what takes a file's place between two looks is not taken for the beginning of one."""

import os
import socket
from pathlib import Path

import pytest

from tests.ordinary_user import open_descriptors
from tests.volumes import create
from vgit.backend.memory import MemoryBackend
from vgit.mount.half_made import _is_beginning
from vgit.objects.git_mode import FILE_MODE
from vgit.tree.entry import Entry


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "socket"])
def test_what_took_a_files_place(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "x")  # has no writer: an ordinary open would hang
    elif kind == "link":
        (tmp_path / "file").write_text("content")
        (tmp_path / "x").symlink_to("file")
    elif kind == "directory":
        (tmp_path / "x").mkdir()
    else:
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("x")
    directory = os.open(tmp_path, os.O_RDONLY)
    before = open_descriptors()
    assert not _is_beginning(
        create(MemoryBackend()).objects, directory, "x", Entry(0o100644, FILE_MODE, None, 7, 0, None)
    )
    assert open_descriptors() == before
    os.close(directory)
