"""Test_take_back: a first checkout that fails takes back what it wrote, and nothing that others put there."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest

from tests.mount.conftest import AUTHOR, Bench, listing
from vgit.errors import BackendUnavailableError, InvalidError
from vgit.files.entry_writer import EntryWriter
from vgit.mount import binding, working_directory
from vgit.mount import open as opening
from vgit.mount.checkout import Checkout
from vgit.runtime import worker_processes
from vgit.runtime.cancel import Cancelled

NAMES = ("f", "d/f", "d/e/f", "z/f")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 0)


def fill(bench: Bench) -> None:
    source = bench.mount("source")
    for name in NAMES:
        path = FilePath(source.path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"published {name}")
    (FilePath(source.path) / "empty").mkdir()
    (FilePath(source.path) / "z").chmod(0o555)
    source.commit(AUTHOR)


def put(root: FilePath, name: str, content: str = "mine") -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(content)


def before_the(number: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do ``act`` before that file of a checkout is made."""
    write = EntryWriter.write
    left = [number]

    def writing(self: EntryWriter, *args: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            act()
        return write(self, *args)

    monkeypatch.setattr(EntryWriter, "write", writing)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, OSError])
@pytest.mark.parametrize("existed", [True, False])
def test_only_what_the_checkout_wrote_goes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], existed: bool
) -> None:
    fill(bench)
    out = bench.base / "made" / "out"
    if existed:
        out.mkdir(parents=True)
        out.chmod(0o750)

    def act() -> None:
        put(out, "mine")
        put(out, "z/mine")
        put(out, "d/own/mine")
        raise error

    before_the(4, monkeypatch, act)
    with pytest.raises((error, BackendUnavailableError)):
        bench.mount("made/out")
    found = {name: what[3] for name, what in listing(out).items() if what[3] is not None}
    assert found == {"mine": b"mine", "d/own/mine": b"mine", "z/mine": b"mine"}
    assert sorted(os.listdir(out)) == ["d", "mine", "z"]
    assert sorted(os.listdir(out / "d")) == ["own"]
    if existed:
        assert stat.S_IMODE(out.stat().st_mode) == 0o750


@pytest.mark.parametrize("step", ["write", "syncfs", "set_base", "renew"])
@pytest.mark.parametrize("existed", [True, False])
def test_where_nobody_put_anything_nothing_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, existed: bool
) -> None:
    fill(bench)
    out = bench.base / "made" / "out"
    if existed:
        out.mkdir(parents=True)
        out.chmod(0o750)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    if step == "write":
        before_the(3, monkeypatch, fail)
    elif step == "syncfs":
        monkeypatch.setattr(working_directory, "syncfs", fail)
    elif step == "set_base":
        monkeypatch.setattr(working_directory.StatCache, "set_base", fail)
    else:
        monkeypatch.setattr(opening, "renew", fail)
    with pytest.raises(KeyboardInterrupt):
        bench.mount("made/out")
    if existed:
        assert os.listdir(out) == []
        assert stat.S_IMODE(out.stat().st_mode) == 0o750
    else:
        assert not out.parent.exists()


def test_what_was_changed_before_the_lease_failed_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench)
    out = bench.base / "out"

    def fail(*_: object) -> None:
        (out / "d/f").write_text("mine, over what was published")
        put(out, "d/mine")
        raise BackendUnavailableError("the store's disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(opening, "renew", fail)
        with pytest.raises(BackendUnavailableError):
            bench.mount("out")
    found = {name: what[3] for name, what in listing(out).items() if what[3] is not None}
    assert found == {"d/f": b"mine, over what was published", "d/mine": b"mine"}
    assert not (out / ".vgit").exists()


def test_read_only_directories_of_an_ordinary_user_go_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench)
    out = bench.base / "out"
    program = """
import os, sys
sys.path[:] = {path!r}
from tests.mount.test_checkout import again
from vgit.mount import open as opening
def fail(*_): raise KeyboardInterrupt
opening.renew = fail
try:
    again({base!r}, {volume!r}).mount("out")
except KeyboardInterrupt:
    sys.exit(3)
"""
    code = program.format(path=[os.getcwd(), *sys.path], base=str(bench.base), volume=bench.volume_id)
    command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", sys.executable, "-c", code]
    done = subprocess.run(command if os.getuid() == 0 else command[3:], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3, done.stderr.decode()
    assert not out.exists()


def test_a_mount_that_cannot_be_leaves_nothing_of_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = FilePath(bench.mount("a").path) / "new" / "inside"
    with pytest.raises(InvalidError, match="inside the mount"):
        bench.mount("a/new/inside")
    assert not inside.parent.exists()
    existed = bench.base / "existed"
    existed.mkdir()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(binding, "write_record", fail)
    with pytest.raises(BackendUnavailableError, match="No space left"):
        bench.mount("existed")
    assert os.listdir(existed) == []


@pytest.mark.parametrize("name", ["d/f", "d/e", "f"])
def test_what_somebody_put_in_the_way_is_a_local_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill(bench)
    out = bench.base / "out"
    run = Checkout.run

    def late(self: Checkout, *args: Any) -> None:
        put(out, name, "mine")
        run(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Checkout, "run", late)
        mount = bench.mount("out")
    assert (out / name).read_text() == "mine"
    missing = {"d/e/f"} if name == "d/e" else set()
    assert {one for one in NAMES if not (out / one).is_file()} == missing
    assert not mount.reload().written
    assert (out / name).read_text() == "mine"
    published = mount.commit(AUTHOR).published
    assert published is not None
    assert ["/".join(lost.path) for lost in published.overwrote] == ([name] if name != "d/e" else ["d/e/f"])
    (out / name).unlink()
    mount.commit(AUTHOR)


def test_what_stood_in_the_way_and_is_gone_again_is_brought_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench)
    out = bench.base / "out"
    run = Checkout.run

    def late(self: Checkout, *args: Any) -> None:
        put(out, "d", "mine")
        run(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Checkout, "run", late)
        mount = bench.mount("out")
    (out / "d").unlink()
    mount.reload()
    assert listing(out) == listing(bench.base / "source")
    assert mount.commit(AUTHOR).published is None


@pytest.mark.parametrize("again", [True, False])
def test_a_checkout_that_is_done_again_tells_its_own_files_from_those_of_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    fill(bench)
    big = FilePath(bench.base / "source" / "big")
    big.write_bytes(os.urandom(300_000))
    os.symlink("f", bench.base / "source" / "link")
    bench.mount_as_it_is("source").commit(AUTHOR)
    out = bench.base / "out"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(working_directory, "syncfs", die)
        patch.setattr(working_directory.WorkingDirectory, "take_back", die)  # as a death does not
        with pytest.raises(KeyboardInterrupt):
            bench.mount("out")
    if again:
        (out / "d/f").write_text("mine, and longer than what is published")
    (out / "f").write_text("publ")
    data = big.read_bytes()
    (out / "big").write_bytes(data[:4096] + bytes(8192) + data[4096 + 8192 : 100_000])
    mount = bench.mount("out")
    assert (out / "d/f").read_text().startswith("mine" if again else "published")
    assert set(mount.status().edits) == ({("d", "f")} if again else set())
    (out / "d/f").unlink()
    (bench.base / "source/d/f").unlink()
    assert {name: what[3] for name, what in listing(out).items()} == {
        name: what[3] for name, what in listing(bench.base / "source").items()
    }
