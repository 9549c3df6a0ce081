"""Test_file_systems_inside: another file system mounted inside a mount has a clock of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench
from vgit.localfs import filesystem_clock
from vgit.localfs.file_systems import FileSystem
from vgit.mount import entry_reader
from vgit.mount.policy import UnstableFiles
from vgit.mount.working_directory import WorkingDirectory


def run(*command: object) -> None:
    done = subprocess.run([os.fspath(str(one)) for one in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command}: {done.stderr}")


class Inside:
    """A mount with another file system mounted in it."""

    def __init__(self, bench: Bench) -> None:
        self.mount: WorkingDirectory = bench.mount("a")
        self.path = FilePath(self.mount.path, "inside")
        self.path.mkdir()


@pytest.fixture
def inside(bench: Bench, tmp_path: FilePath) -> Iterator[Inside]:
    """One with times of whole seconds: an ext4 of small inodes, on a loop device."""
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root, and mkfs.ext4")
    one = Inside(bench)
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    run("mkfs.ext4", "-q", "-I", "128", "-O", "^has_journal", image)
    try:
        run("mount", "-o", "loop", image, one.path)
    except OSError as error:
        pytest.skip(f"no loop devices here: {error}")
    try:
        (one.path / "lost+found").rmdir()
        yield one
    finally:
        run("umount", one.path)


def test_a_rewrite_in_the_same_second_is_seen(bench: Bench, inside: Inside) -> None:
    (inside.path / "f").write_bytes(b"00000000")
    inside.mount.commit(AUTHOR)
    assert (inside.path / "f").stat().st_ctime_ns % 1_000_000_000 == 0
    for number in range(1, 6):
        inside.mount._clock.sleep(0.03)  # longer than the mount's own clock needs
        inside.mount.commit(AUTHOR)
        (inside.path / "f").write_bytes(b"%08d" % number)
        assert inside.mount.commit(AUTHOR).published is not None, f"rewrite {number} was not seen"
        assert ("inside", "f") not in inside.mount.status().edits


def test_a_new_directory_there_is_not_made_whole_by_the_mounts_clock(bench: Bench, inside: Inside) -> None:
    (inside.path / "new").mkdir()
    for name in "abc":
        (inside.path / "new" / name).write_bytes(b"1")
        os.symlink("1", inside.path / "new" / f"link {name}")
    inside.mount._clock.sleep(0.05)
    inside.mount.commit(AUTHOR)
    for name in "abc":
        (inside.path / "new" / name).write_bytes(b"2")
        (inside.path / "new" / f"link {name}").unlink()
        os.symlink("2", inside.path / "new" / f"link {name}")
    assert len(inside.mount.status().edits) == 6


def test_a_commit_in_the_background_waits_for_the_clock_there(bench: Bench, inside: Inside) -> None:
    (inside.path / "f").write_bytes(b"1")
    FilePath(inside.mount.path, "g").write_bytes(b"1")
    inside.mount.commit(AUTHOR, when_unstable=UnstableFiles.HOLD_BACK)
    assert "g" in bench.published() and "inside/f" not in bench.published()
    inside.mount.commit(AUTHOR)
    assert "inside/f" in bench.published()


@pytest.mark.parametrize("is_network", [False, True])
def test_a_network_inside_is_not_trusted_as_a_disk_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_network: bool
) -> None:
    """Where nothing can be mounted: one file is said to be on another device."""
    a = bench.mount("a")
    path = FilePath(a.path, "f")
    path.write_bytes(b"1")
    kind = FileSystem(may_be_exact=False, is_network=is_network, is_memory=False, shows_maps=True)
    monkeypatch.setattr(filesystem_clock, "file_system_of", lambda _: kind)
    inode, fstat = path.stat().st_ino, os.fstat

    def elsewhere(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if found.st_ino != inode:
            return found
        times = {name: getattr(found, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]), times)

    monkeypatch.setattr(os, "fstat", elsewhere)
    a._clock.sleep(0.05)
    read: list[str] = []
    open_to_read = entry_reader.open_to_read
    monkeypatch.setattr(entry_reader, "open_to_read", lambda name, at: read.append(name) or open_to_read(name, at))
    for _ in range(3):
        a.commit(AUTHOR)
    assert read.count("f") == (3 if is_network else 1)
