import shutil
from pathlib import Path

import pytest

from tests.ordinary_user import mark
from vgit.errors import NotMountedError
from vgit.mount.root import MountRoot


def test_check_unmoved(root: MountRoot, top: Path) -> None:
    root.check_unmoved()
    (top / ".vgit").rename(top / "gone")
    with pytest.raises(NotMountedError, match="is gone: No such file"):
        root.check_unmoved()
    (top / ".vgit").symlink_to("gone")
    with pytest.raises(NotMountedError, match="is not a directory"):
        root.check_unmoved()
    (top / ".vgit").unlink()
    (top / "gone").rename(top / ".vgit")
    root.check_unmoved()
    root.mark_as("unmounted")
    root.check_unmoved()
    (top / ".vgit/unmounted").unlink()
    with pytest.raises(NotMountedError, match="is gone: No such file"):
        root.check_unmoved()


def test_check_unmoved_after_the_directory_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mount"
    mark(path)
    with MountRoot(str(path)) as root:
        path.rename(tmp_path / "moved")
        with pytest.raises(NotMountedError, match="Mount the volume again"):
            root.check_unmoved()
        mark(path)
        with pytest.raises(NotMountedError, match="another directory stands there now"):
            root.check_unmoved()


def test_check_unmoved_after_the_directory_was_made_again(tmp_path: Path) -> None:
    path = tmp_path / "mount"
    mark(path)
    with MountRoot(str(path)) as root:
        shutil.rmtree(path)
        mark(path)
        with pytest.raises(NotMountedError):
            root.check_unmoved()


def test_the_root_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(tmp_path / "mount")
    (tmp_path / "link").symlink_to("mount")
    monkeypatch.chdir(tmp_path)
    with MountRoot("link") as root:  # the way to a mount may have links
        monkeypatch.chdir("/")
        root.check_unmoved()
    root.close()
    for missing in ("no", "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(NotMountedError):
            MountRoot(str(tmp_path / missing))
