"""Test_closed_directories: what their modes close to their owner, through every command, for an ordinary user.

Each tree here has closed directories in closed directories. What a command must
change, list or search is opened for that time, and has its mode again after it.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner

import vgit
from tests.ordinary_user import without_rights_of_root
from vgit.cli.main import program
from vgit.files import temporary_access
from vgit.localfs.root_directory import set_mode
from vgit.paths import MODES_NAME, parse_path
from vgit.repository.tree_view import TreeView
from vgit.transfer.download import download
from vgit.transfer.local_target import DownloadSource
from vgit.transfer.transfer_progress import NoProgress

MODES = [0o555, 0o000, 0o111, 0o333, 0o444, 0o600, 0o700, 0o750]
Found = dict[str, tuple[int, str | None]]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A directory that can be removed afterwards."""
    yield tmp_path
    for directory, _, _ in os.walk(tmp_path):
        os.chmod(directory, 0o700)


def volume_in(base: Path) -> vgit.Volume:
    client = vgit.Client(base / "store", author="Test <test@example.org>")
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


def fill(top: Path, mode: int, text: str = "1") -> None:
    """Make a tree with directories of ``mode`` in ``top``."""
    (top / "d" / "sub" / "deep").mkdir(parents=True)
    (top / "d" / "empty").mkdir()
    (top / "d" / "f").write_text(text)
    (top / "d" / "sub" / "g").write_text(text)
    (top / "d" / "sub" / "deep" / "h").write_text(text)
    close(top, mode)


def directories(top: Path) -> list[Path]:
    return [top / name for name in ("d/sub/deep", "d/sub", "d/empty", "d")]


def close(top: Path, mode: int) -> None:
    for path in directories(top):
        path.chmod(mode)


def open_all(top: Path) -> None:
    for path in reversed(directories(top)):
        path.chmod(0o755)


def look(top: Path) -> Found:
    """Return the mode and content of everything in ``top``, and leave it as it is."""
    found: Found = {}
    _look(top, "", found)
    return found


def _look(directory: Path, prefix: str, found: Found) -> None:
    for name in sorted(os.listdir(directory)):
        path, shown = directory / name, prefix + name
        if shown == ".vgit":
            continue
        mode = stat.S_IMODE(path.lstat().st_mode)
        if not path.is_dir():
            found[shown] = mode, path.read_text()
            continue
        found[shown] = mode, None
        path.chmod(0o700)
        try:
            _look(path, f"{shown}/", found)
        finally:
            path.chmod(mode)


def expected(mode: int, text: str = "1") -> Found:
    files = dict.fromkeys(("d/f", "d/sub/g", "d/sub/deep/h"), (420, text))
    return files | dict.fromkeys(("d", "d/sub", "d/sub/deep", "d/empty"), (mode, None))


def published(volume: vgit.Volume) -> Found:
    """Return the same of what the volume has."""
    found: Found = {}
    for entry in volume.iterdir("/", recursive=True):
        is_file = entry.type is vgit.FileEntryType.FILE
        content = b"".join(volume.read_file(entry.path)).decode() if is_file else None
        found[entry.path] = stat.S_IMODE(entry.mode), content
    return found


def publish(volume: vgit.Volume, base: Path, mode: int, text: str = "1") -> None:
    """Publish a tree by way of a mount."""
    with volume.mount(base / "by") as path:
        if (path / "d").exists():
            open_all(path)
            shutil.rmtree(path / "d")
        fill(path, mode, text)


def get(volume: vgit.Volume, path: str, destination: Path, progress: NoProgress | None = None) -> None:
    repository = volume.repository
    view = TreeView.at(repository, repository.head())
    source = DownloadSource(repository.head(), parse_path(path), view.expect(parse_path(path)))
    download(repository, source, str(destination), force=True, progress=progress)


class Killed(NoProgress):
    """Ends the process, as ``kill -9`` would, when so many files are made."""

    def __init__(self, files: int) -> None:
        self._left = files

    def advance(self, files: int, size_bytes: int) -> None:
        self._left -= files
        if self._left <= 0:
            os._exit(9)


def dies(action: Callable[[], object]) -> bool:
    """Run ``action`` in a child; say whether it died on the way."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def case_get_again(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    get(volume, "/", base / "out")
    assert look(base / "out") == expected(mode)
    publish(volume, base, mode, "2")
    get(volume, "/", base / "out")
    assert look(base / "out") == expected(mode, "2")
    get(volume, "d", base / "out")
    assert look(base / "out") == expected(mode, "2")


def case_get_over_other_modes(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, 0o755)
    fill(base / "out", mode, "mine")
    get(volume, "d", base / "out")
    assert look(base / "out") == expected(mode), "a directory that existed keeps its mode"


def case_get_killed(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, 0o755)
    fill(base / "out", mode, "mine")
    for files in (1, 2, 3):
        assert dies(lambda files=files: get(volume, "/", base / "out", Killed(files)))  # type: ignore[misc]
        is_closed = mode & 0o700 != 0o700
        assert (base / "out" / MODES_NAME).exists() == is_closed
    get(volume, "/", base / "out")
    left = {name: one for name, one in look(base / "out").items() if ".vgit-" not in name.replace(MODES_NAME, "")}
    assert left == expected(mode)


def case_get_into_a_closed_one(volume: vgit.Volume, base: Path, mode: int) -> None:
    with volume.mount(base / "by") as path:
        (path / "f").write_text("1")
    out = base / "out"
    out.mkdir()
    (out / "f").write_text("mine")
    out.chmod(mode)
    assert dies(lambda: get(volume, "/", out, Killed(1)))
    assert stat.S_IMODE(out.stat().st_mode) == mode | 0o700
    get(volume, "/", out)
    assert stat.S_IMODE(out.stat().st_mode) == mode
    out.chmod(0o700)
    assert [name for name in os.listdir(out) if ".vgit-" not in name] == ["f"]
    assert (out / "f").read_text() == "1"
    assert sorted(os.listdir(base)) == ["by", "out", "store"]


def case_mount(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    for _ in range(2):
        with volume.mount(base / "work") as path:
            assert look(path) == expected(mode)
    with volume.mount(base / "read", read_only=True) as path:
        assert look(path) == {name: (bits & ~0o222, text) for name, (bits, text) in expected(mode).items()}
    assert published(volume) == expected(mode)


def case_reload(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    mount = volume.mount(base / "work")
    assert not dies(lambda: publish(volume_in(base), base, mode, "2"))  # a process may have one mount for writing
    mount.reload()
    assert look(mount.path) == expected(mode, "2")
    assert mount.commit() is None
    volume.remove_file("d/sub", recursive=True)
    mount.reload()
    kept = {name: one for name, one in expected(mode, "2").items() if not name.startswith("d/sub")}
    assert look(mount.path) == kept
    mount.close()


def case_commit(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    mount = volume.mount(base / "work")
    assert not mount.status().changes
    open_all(mount.path)
    (mount.path / "d" / "sub" / "g").write_text("2")
    (mount.path / "d" / "sub" / "new").write_text("2")
    (mount.path / "d" / "f").unlink()
    close(mount.path, mode)
    assert len(mount.status().changes) == 3
    mount.commit()
    wanted = expected(mode) | {"d/sub/g": (0o644, "2"), "d/sub/new": (0o644, "2")}
    del wanted["d/f"]
    assert published(volume) == look(mount.path) == wanted
    mount.close()


def case_unmount(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    with volume.mount(base / "work"):
        pass
    vgit_command(base, "unmount", str(base / "work"))
    assert os.listdir(base / "work") == []
    with volume.mount(base / "work"):
        pass
    vgit_command(base, "unmount", str(base / "work"), "--keep-files")
    assert look(base / "work") == expected(mode)


def case_mount_of_a_closed_root(volume: vgit.Volume, base: Path, mode: int) -> None:
    """A mount's root may be closed to changes; that it can be listed is what vgit needs of it."""
    publish(volume, base, 0o755)
    by = volume.mount(base / "by")
    by.path.chmod(mode | 0o500)
    assert by.commit() is not None
    by.close()
    mount = volume.mount(base / "work")
    assert stat.S_IMODE(mount.path.stat().st_mode) == mode | 0o500
    volume.remove_file("d", recursive=True)
    mount.reload()
    assert look(mount.path) == {}
    mount.close()
    vgit_command(base, "unmount", str(base / "work"))


def case_put_directory(volume: vgit.Volume, base: Path, mode: int) -> None:
    fill(base / "in", mode)
    with volume.batch_upload(force=True) as batch:
        batch.put_directory(base / "in", "/")
        batch.put_directory(base / "in", "/copy")
    assert look(base / "in") == expected(mode)
    copies = {f"copy/{name}": one for name, one in expected(mode).items()}
    found = published(volume)
    assert found.pop("copy")[1] is None
    assert found == expected(mode) | copies


def case_put_and_get_on_the_command_line(volume: vgit.Volume, base: Path, mode: int) -> None:
    """What is named is closed itself."""
    fill(base / "in", mode)
    vgit_command(base, "put", "x", "in/d")
    for _ in range(2):
        vgit_command(base, "get", "--force", "x", "/", "in")
    vgit_command(base, "get", "--force", "x", "d", "in")
    assert look(base / "in") == expected(mode) == published(volume)


def case_put_killed(volume: vgit.Volume, base: Path, mode: int) -> None:
    fill(base / "in", mode)

    def put() -> None:
        with volume.batch_upload(progress=Killed(1)) as batch:
            batch.put_directory(base / "in", "/")

    assert dies(put)
    with volume.batch_upload() as batch:
        batch.put_directory(base / "in", "/")
    assert look(base / "in") == expected(mode) == published(volume)


def case_restore(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    first = next(iter(volume.log())).id
    publish(volume, base, 0o755, "2")
    mount = volume.mount(base / "work")
    volume.restore(first)
    mount.reload()
    assert look(mount.path) == expected(mode) == published(volume)
    mount.close()


def case_run(volume: vgit.Volume, base: Path, mode: int) -> None:
    publish(volume, base, mode)
    script = "cd work; chmod 700 d d/sub; echo -n 2 > d/sub/g; chmod $0 d/sub d"
    vgit_command(base, "run", "-v", f"x:{base}/work", "--", "sh", "-c", script, f"{mode:o}")
    assert published(volume) == expected(mode) | {"d/sub/g": (0o644, "2")}


def vgit_command(base: Path, *arguments: str) -> None:
    environment = {"VGIT_STORE": f"{base}/store", "VGIT_AUTHOR": "Test <test@example.org>"}
    result = CliRunner().invoke(program, arguments, prog_name="vgit", env=environment)
    assert result.exit_code == 0, result.output


CASES = [value for name, value in list(globals().items()) if name.startswith("case_")]


@pytest.mark.parametrize("mode", MODES, ids=oct)
@pytest.mark.parametrize("case", CASES, ids=[case.__name__.removeprefix("case_") for case in CASES])
def test_a_closed_directory(base: Path, case: Callable[[vgit.Volume, Path, int], None], mode: int) -> None:
    def run() -> None:
        os.chdir(base)
        volume = volume_in(base)
        assert published(volume) == {}
        case(volume, base, mode)

    without_rights_of_root(run)


def test_a_reload_that_is_not_let_in_somewhere_stops_nothing_else(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory may be immutable, or somebody else's; what the reload had noted must not stop each later command."""

    def run() -> None:
        volume = volume_in(base)
        mount = volume.mount(base / "work")
        fill(mount.path, 0o555)
        mount.commit()
        with volume.batch_upload(force=True) as batch:
            batch.put_file(BytesIO(b"2"), "d/f")
            batch.put_file(BytesIO(b"2"), "d/sub/g")
        monkeypatch.setattr(temporary_access, "set_mode", refuse_sub)
        with pytest.raises(PermissionError, match="d/sub"):
            mount.reload()
        assert look(mount.path) == expected(0o555)
        (mount.path / "new").write_text("new")
        assert [change.path for change in mount.status().changes] == ["new"]
        assert mount.commit() is not None and "new" in published(volume)
        monkeypatch.undo()
        mount.reload()
        assert (mount.path / "d/sub/g").read_text() == "2" and not mount.status().changes
        mount.close()

    without_rights_of_root(run)


def refuse_sub(descriptor: int, mode: int) -> None:
    """Set a mode, but of one directory."""
    if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/d/sub"):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    set_mode(descriptor, mode)
