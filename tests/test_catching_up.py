"""Test_catching_up: whatever brings an existing mount up to date takes no file from under who has it open."""

import io
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vgit

ROOT = Path(__file__).parent.parent


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    """A volume whose mount ``m`` is behind: ``log`` and ``new`` were published by another since."""
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.mount(tmp_path / "m") as path:
        (path / "log").write_text("line\n")
        (path / "d").mkdir()
    with volume.mount(tmp_path / "other") as path:
        (path / "log").write_text("theirs\n")
        (path / "new").write_text("theirs\n")
    return volume


def by_program(volume: vgit.Volume, path: Path) -> str:
    with pytest.raises(vgit.FilesOpenError) as caught:
        volume.mount(path)
    return str(caught.value)


def by_command(*words: str) -> Callable[[vgit.Volume, Path], str]:
    def run(volume: vgit.Volume, path: Path) -> str:
        command = [word.replace("PATH", str(path)) for word in words]
        environment = os.environ | {"VGIT_STORE": volume._client.store, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "vgit", *command], env=environment, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 1 and done.stdout == "", done
        return done.stderr

    return run


ROADS = {
    "program": by_program,
    "mount": by_command("mount", "x", "PATH"),
    "run": by_command("run", "-v", "x:PATH", "--", "echo", "ran"),
}


@contextmanager
def opened(path: Path) -> Iterator[None]:
    with open(path / "log", "a"):
        yield


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    fd = os.open(path / "log", os.O_RDWR)
    with mmap.mmap(fd, 0):
        os.close(fd)
        yield


@contextmanager
def worked_in(path: Path) -> Iterator[None]:
    with subprocess.Popen(["cat"], cwd=path / "d", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL):
        yield


@pytest.mark.parametrize("use", [opened, mapped, worked_in])
@pytest.mark.parametrize("road", ROADS)
def test_it_is_refused_and_told(
    volume: vgit.Volume, tmp_path: Path, road: str, use: Callable[[Path], Iterator[None]]
) -> None:
    path = tmp_path / "m"
    with use(path):  # type: ignore[attr-defined]
        said = ROADS[road](volume, path)
        assert "open files preventing the operation" in said and "then try again" in said
        assert (path / "log").read_text() == "line\n" and not (path / "new").exists()
    with volume.mount(path):
        assert (path / "log").read_text() == "theirs\n"


def publish(volume: vgit.Volume, log: str) -> None:
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(log.encode()), "log")


def test_after_a_reload_that_was_cut_off_too(
    volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = volume.mount(tmp_path / "third")
    publish(volume, "newer\n")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vgit.mount.plan_execution.PlanExecution._settle", killed)
        with pytest.raises(KeyboardInterrupt):
            mount.reload()
    mount.release()
    publish(volume, "newest\n")
    with open(tmp_path / "third/log") as file:
        with pytest.raises(vgit.FilesOpenError):
            volume.mount(tmp_path / "third")
        assert file.read() == "newer\n"


def test_a_mount_that_is_up_to_date_is_taken_up_over_open_files(volume: vgit.Volume, tmp_path: Path) -> None:
    with volume.mount(tmp_path / "m") as path:
        pass
    with open(path / "log", "a") as log, volume.mount(path):
        log.write("more\n")
    assert (path / "log").read_text() == "theirs\nmore\n"


def test_who_waits_for_the_command_may_work_in_the_mount(volume: vgit.Volume, tmp_path: Path) -> None:
    environment = os.environ | {"VGIT_STORE": volume._client.store, "PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m vgit run -v x:. -- cat log; exit $?"
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, cwd=tmp_path / "m", check=True
    )
    assert done.stdout == "theirs\n"


SLOW_WITNESS = """
import os, time
os.register_at_fork(after_in_child=lambda: time.sleep(0.5))
from vgit.cli.start import main
main()
"""


def test_what_watches_signals_for_the_command_is_not_taken_for_one_who_uses_the_mount(
    volume: vgit.Volume, tmp_path: Path
) -> None:
    environment = os.environ | {"VGIT_STORE": volume._client.store, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SLOW_WITNESS, "run", "-v", "x:.", "--", "cat", "log"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path / "m", check=False)
    assert (done.stdout, done.stderr) == ("theirs\n", "")
