import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vgit.localfs import file_systems
from vgit.localfs.file_systems import (
    MountPoint,
    file_system_of,
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
    monkeypatch.setattr(file_systems, "_number_of", lambda _: 0)
    assert is_network_file_system(0)


def test_the_temporary_directory_is_local(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        point = mount_point_of(fd)
        assert point is not None
        if point.kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay"):
            assert not is_network_file_system(fd)
            assert file_system_of(fd).is_memory is (point.kind == "tmpfs")
    finally:
        os.close(fd)


def test_where_the_table_does_not_tell_statfs_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = [place for place in (tmp_path, Path("/dev/shm"), Path("/proc")) if place.is_dir()]
    descriptors = [os.open(place, os.O_RDONLY) for place in places]
    try:
        told = [file_systems.kind_of(fd) for fd in descriptors]
        monkeypatch.setattr(file_systems, "mount_point_of", lambda _: None)
        known = set(file_systems._KINDS_BY_NUMBER.values())
        assert [file_systems.kind_of(fd) for fd in descriptors] == [kind if kind in known else None for kind in told]
    finally:
        for fd in descriptors:
            os.close(fd)
    assert file_systems.kind_of(descriptors[0]) is None, "a closed descriptor is on no file system"


@pytest.mark.parametrize(
    "number, network, memory",
    [
        (0xEF53, False, False),
        (0x01021994, False, True),
        (0x6969, True, False),
        (0xFF534D42, True, False),
        (1, True, False),
    ],
)
def test_kinds_by_their_number(monkeypatch: pytest.MonkeyPatch, number: int, network: bool, memory: bool) -> None:
    monkeypatch.setattr(file_systems, "mount_point_of", lambda _: None)
    monkeypatch.setattr(file_systems, "_number_of", lambda _: number)
    assert (is_network_file_system(0), file_system_of(0).is_memory) == (network, memory)


IN_CHROOT = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.chdir("/vgit-chroot")
import vgit
from vgit.localfs.file_systems import file_system_of, mount_point_of
from vgit.mount.policy import UnstableFiles
root = os.open("/vgit-chroot", os.O_RDONLY)
assert mount_point_of(root) is None, "not what is to be tried"
assert not file_system_of(root).is_network
volume = vgit.Volume.from_name("v", create_if_missing=True, client=vgit.Client("/vgit-chroot/store"))
with volume.mount("/vgit-chroot/m") as path:
    (path / "f").write_text("new")
    mount = vgit.api.open_mounts.mounts_of(volume.object_id)[0]
    assert mount.commit_in_detail(when_unstable=UnstableFiles.HOLD_BACK).published is not None
print("good")
"""
SETUP = """
for name in /*; do
    case $name in /tmp | /proc | /sys | /dev | /run) continue ;; esac
    if [ -L "$name" ]; then cp -a "$name" "$1/"; continue; fi
    if [ -d "$name" ]; then mkdir -p "$1$name" && mount --rbind "$name" "$1$name"; fi
done
mkdir -p "$1/tmp" "$1/vgit-chroot" "$1/dev" "$1/proc" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"
exec chroot "$@"
"""


def test_a_chroot_whose_root_is_no_mount_point(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("may not make mount namespaces")
    if any(str(Path(place).resolve()).startswith("/tmp/") for place in (sys.prefix, os.getcwd())):
        pytest.skip("what is to be tried is in /tmp, which the chroot has anew")
    command = [*unshare, "sh", "-c", SETUP, "sh", root, sys.executable, "-c", IN_CHROOT, os.getcwd()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "good\n", done.stderr
