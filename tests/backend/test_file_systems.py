import io
import os
from pathlib import Path

import pytest

from vgit.backend import file_systems
from vgit.backend.file_systems import (
    MountPoint,
    is_memory_file_system,
    is_network_file_system,
    mount_point_of,
    read_mount_points,
)


def test_mount_points() -> None:
    fd = os.open("/proc", os.O_RDONLY)
    try:
        point = mount_point_of(fd)
        assert point is not None
        assert (point.point, point.kind) == (b"/proc", "proc")
        assert point in read_mount_points()
    finally:
        os.close(fd)


TABLE = rb"""22 27 0:21 / / rw,relatime - ext4 /dev/a rw
23 22 0:22 /a\040b /with\040space\134\011 rw shared:1 master:2 - fuse.sshfs host:/ rw
"""


def test_the_table_is_parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(TABLE)
    monkeypatch.setattr("builtins.open", lambda *_, **__: io.FileIO(table))
    assert read_mount_points()[1] == (23, b"0:22", b"/a b", b"/with space\\\t", "fuse.sshfs")


@pytest.mark.parametrize(
    "kinds, expected",
    [(("nfs4", "fuse.sshfs", "fuse", "9p"), True), (("ext4", "fuseblk", "tmpfs", "overlay"), False)],
)
def test_network_file_systems(kinds: tuple[str, ...], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in kinds:
        point = MountPoint(1, b"0:1", b"/", b"/", kind)
        monkeypatch.setattr(file_systems, "mount_point_of", lambda _, point=point: point)
        assert is_network_file_system(0) is expected


def test_what_is_not_known_may_be_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "mount_point_of", lambda _: None)
    assert is_network_file_system(0)


def test_the_temporary_directory_is_local(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        point = mount_point_of(fd)
        assert point is not None
        if point.kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay"):
            assert not is_network_file_system(fd)
            assert is_memory_file_system(fd) is (point.kind == "tmpfs")
    finally:
        os.close(fd)
