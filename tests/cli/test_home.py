"""Test_home: `~` means home in every path of this machine, also where no shell saw it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.api.client import Client, default_store
from vgit.errors import InvalidError
from vgit.paths import expand_home
from vgit.volume import Volume


@pytest.fixture
def home(tmp_path: Path, data: Volume, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory; the current directory is another one, and nothing may be made in it."""
    for name in ("home", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def nothing_is_named_so(home: Path) -> Iterator[None]:
    yield
    os.chdir(home.parent / "elsewhere")
    assert not os.path.lexists("~")


def test_every_command_that_takes_a_mount(vgit: Vgit, home: Path) -> None:
    assert vgit("mount", "data", "~/tree").stdout == f"{home}/tree\n"
    (home / "tree" / "new").write_text("x\n")
    assert vgit("status", "~/tree").stdout == vgit("diff", "~/tree").stdout == "A\tnew\n"
    assert vgit("status", "~/tree", "--store", str(Client.from_env().store)).stdout == "A\tnew\n"
    vgit("commit", "~/tree/sub")
    vgit("reload", "~/tree")
    vgit("unmount", "~/tree")
    assert os.listdir(home / "tree") == []


def test_run_mounts_behind_a_colon(vgit: Vgit, home: Path) -> None:
    words = ["-v", "data:~/tree", "--create", "-v", "other:~/out:ro", "--", "sh", "-c", "echo x > ~/tree/new"]
    subprocess.run([sys.executable, "-m", "vgit", "run", *words], check=True)
    assert vgit("cat", "data", "new").stdout == "x\n"
    assert (home / "out" / ".vgit").is_dir()


def test_files_that_are_got_and_put(vgit: Vgit, home: Path) -> None:
    (home / "f").write_text("from home")
    vgit("put", "data", "~/f")
    vgit("get", "data", "f", "~/got")
    assert (home / "got").read_text() == "from home"


def test_a_file_that_is_named_so_is_put_and_not_home(vgit: Vgit, home: Path, tmp_path: Path) -> None:
    (home / "secret").touch()
    os.mkdir("~")
    Path("~", "f").write_text("x")
    vgit("put", "data", "~", "/put")
    assert vgit("ls", "data", "put").stdout == "put/f\n"
    vgit("mount", "data", "./~/tree")
    assert os.path.isdir("./~/tree/.vgit")
    os.rename("~", tmp_path / "away")


@pytest.mark.parametrize("where", ["before", "behind", "equals", "variable", "data home", "client"])
def test_the_store(vgit: Vgit, home: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "client":
        Volume.objects.create("v", client=Client("~/store"))
        assert Client(Path("~/store")).store == f"{home}/store"
    elif where in ("variable", "data home"):
        monkeypatch.setenv("VGIT_STORE", "~/store" if where == "variable" else "")
        monkeypatch.setenv("XDG_DATA_HOME", "~/data")
        vgit("create", "v")
    else:
        words = ["--store=~/store"] if where == "equals" else ["--store", "~/store"]
        vgit(*words, "create", "v") if where == "before" else vgit("create", "v", *words)
    assert (home / ("data/vgit" if where == "data home" else "store") / "catalog.git").is_dir()


def test_mounts_of_the_api(home: Path, data: Volume) -> None:
    with data.mount("~/one") as path:
        assert path == home / "one" and (path / "a.txt").exists()
    with data.at("HEAD").mount(Path("~/two")) as path:
        assert path == home / "two"


def test_another_users_home_and_names_of_nobody(home: Path) -> None:
    assert expand_home("~root/x") == os.path.expanduser("~root") + "/x" != "~root/x"
    assert expand_home("~no-such-user/x") == "~no-such-user/x"
    assert expand_home("a/~/b") == "a/~/b" and expand_home("./~") == "./~"


def test_without_a_home_nothing_is_guessed(vgit: Vgit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as of a number without an entry in passwd
    for words in (("mount", "data", "~/x"), ("run", "-v", "data:~/x", "--", "true")):
        assert "no home directory" in vgit(*words, code=2).stderr
    assert "no home directory" in vgit("list", "--store", "~/x", code=1).stderr
    monkeypatch.delenv("VGIT_STORE")
    with pytest.raises(InvalidError, match="no home directory"):
        default_store()
