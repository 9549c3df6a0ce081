"""Conftest: the command line run inside the test's process, in a store of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from vgit.api.client import Client
from vgit.cli.main import program
from vgit.volume import Volume

ROOT = Path(__file__).parent.parent.parent


class Vgit(Protocol):
    """Runs a command line and checks its exit code."""

    def __call__(self, *args: object, code: int = 0, input: str | None = None) -> Result: ...


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new store, which the environment variables name. A command may change the directory: it is changed back."""
    for name in ("VGIT_ENVIRONMENT", "VGIT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VGIT_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("VGIT_AUTHOR", "Ada <ada@host>")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for processes that tests start, wherever
    before = os.getcwd()
    yield tmp_path / "store"
    os.chdir(before)


@pytest.fixture
def vgit() -> Vgit:
    def run(*args: object, code: int = 0, input: str | None = None) -> Result:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        result = CliRunner().invoke(program, [str(arg) for arg in args], prog_name="vgit", input=input)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)  # `vgit run` keeps some blocked to its process's end
        assert result.exit_code == code, (args, result.exit_code, result.output, result.exception)
        return result

    return run


@pytest.fixture
def data(vgit: Vgit, tmp_path: Path) -> Volume:
    """A volume `data` with a few files, and no mount."""
    volume = Volume.from_name("data", create_if_missing=True, client=Client.from_env())
    with volume.mount(tmp_path / "first") as path:
        (path / "a.txt").write_text("one\ntwo\n")
        (path / "sub").mkdir()
        (path / "sub" / "b.bin").write_bytes(b"\0\1" * 1000)
        (path / "link").symlink_to("a.txt")
    return volume


@pytest.fixture
def work(vgit: Vgit, data: Volume, tmp_path: Path) -> Path:
    """A mount of `data` that the command line made."""
    path = tmp_path / "work"
    vgit("mount", "data", path)
    return path
