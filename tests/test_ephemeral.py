"""Test_ephemeral: volumes without a name live as long as the process that made them, and leave nothing."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vgit
from tests.faults import Crash, FaultBackend, Script, Strike
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.catalog import StoreRoot, create_ephemeral, reap_ephemerals
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import BackendUnavailableError
from vgit.localfs import liveness

ROOT = Path(__file__).parent.parent
AUTHOR = "Test <t@x>"


@pytest.fixture
def client(tmp_path: Path) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author=AUTHOR)


HOLDER = """
import os, pickle, sys
import vgit
client = vgit.Client(sys.argv[1])
with vgit.Volume.ephemeral(client=client) as volume:
    with volume.mount(f"{sys.argv[1]}.{os.getpid()}") as path:
        (path / "f").write_bytes(b"x" * 100000)
    print(pickle.dumps(volume).hex(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(client: vgit.Client) -> Iterator[tuple["subprocess.Popen[bytes]", vgit.Volume]]:
    """Another process inside the block of an ephemeral volume, and its handle."""
    command = [sys.executable, "-c", HOLDER, client.store]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process, pickle.loads(bytes.fromhex(process.stdout.readline().decode()))
        finally:
            process.stdin.close()


def left(client: vgit.Client) -> tuple[list[str], list[str], int]:
    """Return the repositories of volumes, the keys of living ones, and how many records there are."""
    repositories = sorted(os.listdir(os.path.join(client.store, "volumes")))
    return repositories, os.listdir(os.path.join(client.store, "ephemeral")), len(client.root.catalog().ephemeral())


def test_nothing_is_left_at_the_end(client: vgit.Client, tmp_path: Path) -> None:
    with vgit.Volume.ephemeral(client=client) as volume:
        assert volume.object_id in str(left(client))
        with volume.mount(tmp_path / "m") as path:
            (path / "f").write_bytes(os.urandom(5_000_000))
    assert left(client) == ([], [], 0)
    with pytest.raises(vgit.NotFoundError, match="deleted"):
        volume.listdir("/")


def test_an_exception_passes_and_nothing_is_left(client: vgit.Client) -> None:
    with pytest.raises(KeyError), vgit.Volume.ephemeral(client=client):
        raise KeyError
    assert left(client) == ([], [], 0)


def test_a_handle_works_elsewhere_while_its_maker_lives(client: vgit.Client) -> None:
    with holder(client) as (_, volume):
        for _ in range(2):  # others come and go, and leave it alone
            with vgit.Volume.ephemeral(client=client):
                assert b"".join(volume.read_file("f")) == b"x" * 100_000
    assert left(client) == ([], [], 0)


def test_the_next_one_removes_what_a_killed_process_left(client: vgit.Client) -> None:
    with holder(client) as (living, volume), holder_that_is_killed(client) as id:
        assert id in str(left(client))
        with vgit.Volume.ephemeral(client=client) as third:
            assert left(client)[0] == sorted(f"{one.object_id}.git" for one in (volume, third))
        assert living.poll() is None
        assert volume.listdir("/")[0].path == "f"
        with pytest.raises(vgit.NotFoundError):
            vgit.Volume.from_id(id, client=client).hydrate()
    assert left(client) == ([], [], 0)


@contextmanager
def holder_that_is_killed(client: vgit.Client) -> Iterator[str]:
    with holder(client) as (process, volume):
        process.send_signal(signal.SIGKILL)
        process.wait()
        yield volume.object_id


def test_what_another_kernel_may_hold_is_left_alone(client: vgit.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network file system flock may not reach the machine that holds the key."""
    monkeypatch.setattr(liveness, "is_network_file_system", lambda _: True)
    with holder_that_is_killed(client) as id:
        monkeypatch.setattr(liveness, "_boot_id", lambda: "another")
        assert reap_ephemerals(client.root, AUTHOR) == 0
        monkeypatch.setattr(liveness, "_boot_id", lambda: "")
        assert reap_ephemerals(client.root, AUTHOR) == 0
        monkeypatch.undo()
        Path(client.store, "ephemeral", id).write_text("")  # its holder could not write the note
        monkeypatch.setattr(liveness, "is_network_file_system", lambda _: True)
        assert reap_ephemerals(client.root, AUTHOR) == 0
        assert vgit.Volume.from_id(id, client=client).listdir("/")
        monkeypatch.undo()
        assert reap_ephemerals(client.root, AUTHOR) == 1
    assert left(client) == ([], [], 0)


def test_on_a_network_the_dead_of_this_kernel_are_removed(client: vgit.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "is_network_file_system", lambda _: True)
    with holder_that_is_killed(client):
        assert reap_ephemerals(client.root, AUTHOR) == 1
    assert left(client) == ([], [], 0)


def test_a_forked_child_neither_holds_nor_removes(client: vgit.Client) -> None:
    ours, theirs = os.pipe()
    with vgit.Volume.ephemeral(client=client) as volume:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            assert volume.listdir("/") == []
            grandchild = os.fork()
            if not grandchild:
                os.close(theirs)
                os.read(ours, 1)  # lives on while its parent's volume goes
                os._exit(0)
    if not child:
        os._exit(0)  # it left the block
    assert left(client) == ([], [], 0)
    os.close(theirs)
    os.close(ours)
    os.waitpid(grandchild, 0)


def test_there_may_be_no_store(tmp_path: Path) -> None:
    client = vgit.Client(tmp_path / "none")
    assert reap_ephemerals(client.root, AUTHOR) == 0
    assert not (tmp_path / "none").exists()


def test_a_key_that_is_not_ours_is_left(client: vgit.Client) -> None:
    with vgit.Volume.ephemeral(client=client):
        Path(client.store, "ephemeral", "README").write_text("mine")
    with vgit.Volume.ephemeral(client=client):
        pass
    assert left(client) == ([], ["README"], 0)


def test_a_lost_catalog_is_told(client: vgit.Client) -> None:
    with vgit.Volume.ephemeral(client=client):
        os.rename(os.path.join(client.store, "catalog.git"), os.path.join(client.store, "..", "catalog.git"))
        try:
            with pytest.raises(vgit.CorruptVolumeError, match="backup"):
                assert vgit.Client(client.store).root.exists
        finally:
            os.rename(os.path.join(client.store, "..", "catalog.git"), os.path.join(client.store, "catalog.git"))


# --- Deaths


def die_everywhere(work: object, strike: Strike) -> Iterator[tuple[MemoryBackend, Script]]:
    step = 0
    while True:
        backend = MemoryBackend()
        StoreRoot(backend, SYSTEM_CLOCK, "memory").create_volume("main", "named", AUTHOR)
        script = Script(step, strike)
        try:
            work(StoreRoot(FaultBackend(backend, script), SYSTEM_CLOCK, "memory"))  # type: ignore[operator]
        except (Crash, BackendUnavailableError):
            pass
        if not script.struck:
            assert step > 10, "nothing was tried"
            return
        yield backend, script
        step += 1


def live_and_end(store: StoreRoot) -> None:
    made = create_ephemeral(store, "main", AUTHOR)
    made.remove(AUTHOR)


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
def test_a_death_at_any_step_is_cleaned_up_after(strike: Strike, power: bool) -> None:
    for backend, script in die_everywhere(live_and_end, strike):
        backend.release_all()  # the kernel does
        if power:
            backend.lose_unsynced()
        store = StoreRoot(backend, SYSTEM_CLOCK, "memory")
        reap_ephemerals(store, AUTHOR)
        keys = [listed.key for listed in backend.list("") if not listed.key.startswith("catalog.git/")]
        (named,) = store.catalog().named("main")
        assert all(key.startswith(f"volumes/{named.id}.git/") for key in keys), (script.calls[-1], keys)
        assert store.catalog().ephemeral() == [], script.calls[-1]
        assert reap_ephemerals(store, AUTHOR) == 0


def test_readers_see_a_whole_volume_or_none() -> None:
    """The record goes first: what is being removed cannot be found any more."""
    for backend, script in die_everywhere(live_and_end, Strike.CRASH_AFTER):
        store = StoreRoot(backend, SYSTEM_CLOCK, "memory")
        for record in store.catalog().ephemeral():
            with store.open_volume(record.id) as repository:
                assert repository.head(), script.calls[-1]


def test_a_removal_that_fails_is_done_later(tmp_path: Path) -> None:
    script = Script()
    store = StoreRoot(FaultBackend(LocalBackend(str(tmp_path / "s")), script), SYSTEM_CLOCK, "s")
    made = create_ephemeral(store, "main", AUTHOR)
    script.strike, script.step = Strike.FAIL, len(script.calls)
    with pytest.raises(BackendUnavailableError):
        made.remove(AUTHOR)
    assert reap_ephemerals(store, AUTHOR) == 1
    assert os.listdir(tmp_path / "s" / "volumes") == os.listdir(tmp_path / "s" / "ephemeral") == []
