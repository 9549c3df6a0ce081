"""Test_failures: every failure is one line and an exit code, through processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.cli.main import program
from vgit.volume import Volume

VGIT = [sys.executable, "-m", "vgit"]


def run(*args: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [*VGIT, *(str(arg) for arg in args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


def test_an_error_is_one_line_without_a_traceback(store: Path) -> None:
    done = run("ls", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Volume 'nope' not found") and done.stderr.count("\n") == 1


def test_debug_shows_where_it_came_from(store: Path) -> None:
    done = run("ls", "nope", VGIT_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and done.stderr.splitlines()[-1].startswith("Error: Volume 'nope' not found")


def test_usage_errors_exit_2(store: Path) -> None:
    done = run("ls")
    assert done.returncode == 2 and "Usage: vgit ls" in done.stderr


def test_a_store_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    for store in ("file", "full"):
        done = run("create", "a", "--store", tmp_path / store)
        assert done.returncode == 1 and "is not a vgit store" in done.stderr, done.stderr
    assert "local directories only" in run("list", "--store", "s3://bucket").stderr


def test_whoever_reads_may_leave(data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "m") as path:
        (path / "large").write_bytes(bytes(4 << 20))
    with subprocess.Popen([*VGIT, "cat", "data", "large"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("line", [("ls", "data"), ("ls", "data", "--json"), ("cat", "data", "a.txt")])
def test_output_that_cannot_be_written_is_an_error(data: Volume, line: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*VGIT, *line], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device\n"


def test_interrupted_from_the_keyboard(data: Volume) -> None:
    """A child that is known to be inside of a command gets the signal."""
    code = (
        "import sys, time; from vgit.cli import main; from vgit.volume import Volume\n"
        "def wait(self): print('there', flush=True); time.sleep(60)\n"
        "Volume._info = wait; Volume.info = property(lambda self: lambda: wait(self))\n"
        "sys.argv = ['vgit', 'info', 'data']; main.main()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == ""
    assert process.returncode == 130


def test_what_nobody_expected_is_still_one_line(vgit: Vgit, data: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Volume) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(Volume, "info", property(lambda self: lambda: fail(self)))
    message = vgit("info", "data", code=1).stderr
    assert message.startswith("Error: ZeroDivisionError: surprise.") and "VGIT_DEBUG=1" in message


def test_an_error_of_the_system_names_its_file(vgit: Vgit, data: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Volume) -> None:
        raise PermissionError(13, "Permission denied", "/some/\x1bfile")

    monkeypatch.setattr(Volume, "info", property(lambda self: lambda: fail(self)))
    assert vgit("info", "data", code=1).stderr == "Error: /some/\\x1bfile: Permission denied\n"


def test_a_damaged_volume_is_named(vgit: Vgit, data: Volume) -> None:
    Path(data.git_dir, "refs", "heads", "main").write_text("nonsense\n")
    done = run("ls", "data")
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.startswith("Error: ")


def test_the_program_is_the_entry_point(vgit: Vgit) -> None:
    assert program.name == "program"
    assert run("--version").stdout.startswith("vgit")


def test_an_interrupt_after_a_commit_was_published(
    vgit: Vgit, data: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vgit.maintenance.upkeep.after_commit", stop)
    (tmp_path / "new").write_text("new")
    said = vgit("put", "data", tmp_path / "new", "new")  # it ends at once anyway, with its answer
    assert data.info().head.startswith(said.stdout.strip())
    said = vgit("restore", "data", "HEAD~1", code=130)
    assert f"commit {data.info().head[:12]} is published" in said.stderr
