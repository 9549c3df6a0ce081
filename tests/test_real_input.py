"""Test_real_input: a round trip of what people really have: a library, an environment with its links, large files."""

import os
import random
import shutil
import sys
import sysconfig
from pathlib import Path as FilePath

import pytest

import vgit
from tests.gitjudge import fsck
from tests.mount.conftest import listing

MIB = 1 << 20


@pytest.fixture
def volume(tmp_path: FilePath) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=vgit.Client(tmp_path / "store"))


def copy(source: FilePath, destination: FilePath, *skipped: str) -> None:
    shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns(*skipped))


def round_trip(volume: vgit.Volume, tmp_path: FilePath, name: str) -> None:
    with volume.mount(tmp_path / "a") as path:
        expected = listing(path)
    with volume.mount(tmp_path / "b", read_only=False) as path:
        assert listing(path) == expected
        assert volume.commit() is None
    found = {entry.path: entry for entry in volume.iterdir("/")}
    assert found.keys() == expected.keys()
    fsck(volume.git_dir)


def test_the_standard_library(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        copy(FilePath(sysconfig.get_path("stdlib")), path / "lib", "site-packages", "test", "dist-packages", "config-*")
    round_trip(volume, tmp_path, "lib")


def test_an_environment_with_its_links(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path:
        copy(FilePath(sys.prefix), path / "environment", "torch*", "nvidia*", "node_modules", "lib-dynload")
    assert any(entry.type is vgit.FileEntryType.SYMLINK for entry in volume.iterdir("/"))
    round_trip(volume, tmp_path, "environment")


def store_size(volume: vgit.Volume) -> int:
    """Return the bytes that the volume's repository takes."""
    return sum(
        os.lstat(os.path.join(directory, name)).st_size
        for directory, _, names in os.walk(volume.git_dir)
        for name in names
    )


def test_an_edit_of_a_large_file_adds_little_more_than_what_changed(volume: vgit.Volume, tmp_path: FilePath) -> None:
    chance = random.Random(5)
    data = chance.randbytes(96 * MIB)
    with volume.mount(tmp_path / "a") as path:
        (path / "w").write_bytes(data)
        volume.commit()
        middle = data[: 48 * MIB] + chance.randbytes(MIB) + data[49 * MIB :]
        inserted = middle[:1000] + chance.randbytes(1024) + middle[1000:]
        appended = inserted + chance.randbytes(10 * MIB)
        for content, changed in ((middle, MIB), (inserted, 1024), (appended, 10 * MIB)):
            before = store_size(volume)
            (path / "w").write_bytes(content)
            info = volume.commit()
            assert info is not None
            added = store_size(volume) - before
            assert added < changed + 4 * MIB
    for back, content in ((0, appended), (1, inserted), (2, middle), (3, data)):
        assert b"".join(volume.at(f"HEAD~{back}").read_file("w")) == content
    with volume.mount(tmp_path / "b") as path:
        assert (path / "w").read_bytes() == appended
    fsck(volume.git_dir)
