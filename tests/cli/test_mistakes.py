"""Test_mistakes: what a hurried person types or does to a command, and what they are told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Vgit
from vgit.volume import Volume

VGIT = [sys.executable, "-m", "vgit"]


@pytest.mark.parametrize("line", ["ls data", "list", "commit {work}", "cat data a.txt", "log data --json"])
def test_a_closed_standard_output_is_said(work: Path, line: str) -> None:
    command = " ".join([*VGIT, line.format(work=work)])
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: standard output is closed")


def test_a_closed_standard_input_is_no_terminal(data: Volume) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(VGIT)} delete data <&-"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "there is no terminal to ask on" in done.stderr


@pytest.mark.parametrize("module", ["click", "vgit.cli.table", "vgit.volume", "vgit.tree.directory_record"])
def test_an_interrupt_while_the_program_is_loaded_is_quiet(data: Volume, module: str) -> None:
    code = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["vgit", "ls", "data"]
from vgit.cli.start import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_command_is_the_one_that_can_be_interrupted() -> None:
    assert 'vgit = "vgit.cli.start:main"' in (ROOT / "pyproject.toml").read_text()
    assert "from vgit.cli.start import main" in (ROOT / "vgit/__main__.py").read_text()
    assert signal.SIGINT + 128 == 130


@pytest.mark.parametrize(
    "line",
    [
        ("mount", "data", ""),
        ("unmount", ""),
        ("status", ""),
        ("commit", ""),
        ("reload", ""),
        ("put", "data", "", "/x"),
        ("get", "data", "a.txt", ""),
        ("list", "-e", ""),
        ("-e", "", "list"),
        ("list", "--store", ""),
    ],
)
def test_what_is_empty_is_a_mistake_and_not_the_current_directory(
    vgit: Vgit, data: Volume, tmp_path: Path, line: tuple[str, ...]
) -> None:
    os.chdir(tmp_path)
    assert "is empty" in vgit(*line, code=2).stderr
    assert not os.path.exists(".vgit")


def test_nobody_is_asked_about_a_volume_that_is_not_there(vgit: Vgit, data: Volume) -> None:
    for line in (("delete", "nope"), ("rename", "nope", "other")):
        message = vgit(*line, code=1).stderr
        assert "Volume 'nope' not found" in message and "terminal" not in message
    assert "there is no volume nope" in vgit("delete", "--allow-missing", "nope").stderr
    assert "there is no terminal to ask on" in vgit("delete", "data", code=1, input="y\n").stderr


def test_a_log_of_nothing_that_ever_was(vgit: Vgit, data: Volume, work: Path) -> None:
    message = vgit("log", "data", "nopath", code=1).stderr
    assert "No commit has touched 'nopath'" in message
    assert vgit("log", "data", "a.txt", "--since", "2099-01-01").stdout == "", "it is there, only not lately"
    (work / "a.txt").unlink()
    vgit("commit", work)
    assert vgit("log", "data", "a.txt", "-n", 0).stdout == ""
    assert vgit("log", "data", "a.txt", "--until", "2000-01-01").stdout == "", "it was there once"
    assert len(vgit("log", "data", "a.txt", "--oneline").stdout.splitlines()) == 2


def test_advice_fits_the_command_line(vgit: Vgit, data: Volume, tmp_path: Path) -> None:
    assert "--allow-existing" in vgit("create", "data", code=1).stderr
    assert "`vgit create nope`" in vgit("ls", "nope", code=1).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full/one").touch()
    assert "it is not empty (one)" in vgit("mount", "data", tmp_path / "full", code=1).stderr
    (tmp_path / "full/two").touch()
    assert "it is not empty (one and 1 more)" in vgit("mount", "data", tmp_path / "full", code=1).stderr


def test_a_commit_of_directories_alone_is_not_told_in_zeros(vgit: Vgit, work: Path) -> None:
    (work / "new").mkdir()
    message = vgit("commit", work).stderr
    assert "0 added" not in message and "no file" in message
    assert "directories or modes changed" in vgit("log", "data", "-n", 1).stdout
    assert "0 added" not in vgit("log", "data").stdout


def test_what_cannot_be_read_is_named_once(vgit: Vgit, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vgit.localfs.root_directory import RootDirectory

    (work / "locked").mkdir()
    original = RootDirectory.open_directory

    def refuse(self: RootDirectory, path: tuple[str, ...]) -> int:
        if path == ("locked",):
            raise PermissionError(13, "Permission denied", "locked")
        return original(self, path)

    monkeypatch.setattr(RootDirectory, "open_directory", refuse)
    assert "stays: locked: Permission denied\n" in vgit("status", work).stderr


def test_damage_names_the_path_and_what_to_do(vgit: Vgit, data: Volume) -> None:
    for pack in Path(data.git_dir, "objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        os.truncate(pack, pack.stat().st_size - 30)
    message = vgit("ls", "data", code=1).stderr
    assert "?." not in message and ".." not in message
    assert "git fsck" in message


@pytest.mark.parametrize("line", ["--help", "--version", "log --help"])
def test_help_onto_a_full_disk_is_an_error_in_one_line(work: Path, line: str) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "vgit", *line.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1 and done.stderr == "Error: No space left on device\n"


def test_a_mount_whose_store_is_away_is_not_told_to_forget_it(vgit: Vgit, work: Path, store: Path) -> None:
    """On a disk that is not mounted nothing was deleted; when it is back, so is the mount."""
    (work / "new").write_text("x")
    moved = store.rename(store.with_name("moved"))
    for words in (["status"], ["commit"], ["unmount"]):
        said = vgit(*words, work, code=1).stderr
        assert f"{store}: there is no such directory" in said and "symbolic link" in said and ".vgit" not in said
    store.symlink_to(moved)
    assert "new" in vgit("status", work).stdout
