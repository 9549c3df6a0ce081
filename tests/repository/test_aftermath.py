"""Test_aftermath: nothing that happens after the ref has moved makes a published commit look as if it had failed."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

import vgit
from tests.faults import FaultBackend, Script, Strike
from tests.gitjudge import fsck
from vgit.backend.local import LocalBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import BackendUnavailableError
from vgit.ids import SHA1
from vgit.mount.mount_commit import MountCommit
from vgit.objects.object_writer import ObjectWriter
from vgit.objects.pack_join import join_packs
from vgit.repository.refs import MAIN, Refs
from vgit.repository.repository import Repository
from vgit.types import CommitInfo

AUTHOR = "Test <test@example.org>"


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    volume = vgit.Volume.from_name("v", create_if_missing=True, client=vgit.Client(tmp_path / "store"))
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"one"), "f")
    return volume


def upload(volume: vgit.Volume, tmp_path: Path) -> CommitInfo | None:
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(b"two"), "f")
    return batch.commit


def commit_a_mount(volume: vgit.Volume, tmp_path: Path) -> CommitInfo | None:
    mount = volume.mount(tmp_path / "m")
    try:
        (mount.path / "f").write_text("two")
        return mount.commit()
    finally:
        mount.release()


def commit_the_volume(volume: vgit.Volume, tmp_path: Path) -> CommitInfo | None:
    mount = volume.mount(tmp_path / "m")
    try:
        (mount.path / "f").write_text("two")
        return volume.commit()
    finally:
        mount.release()


def close_a_mount(volume: vgit.Volume, tmp_path: Path) -> CommitInfo | None:
    mount = volume.mount(tmp_path / "m")
    (mount.path / "f").write_text("two")
    return mount.close()


ROADS: dict[str, Callable[[vgit.Volume, Path], CommitInfo | None]] = {
    "upload": upload,
    "commit of a mount": commit_a_mount,
    "commit of the volume": commit_the_volume,
    "close": close_a_mount,
    "copy": lambda volume, _: volume.copy_files(["f"], "g"),
    "remove": lambda volume, _: volume.remove_file("f"),
    "restore": lambda volume, _: volume.restore("HEAD~1"),
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BackendUnavailableError("full"), KeyError()])
def test_what_fails_after_the_swap_changes_no_answer(
    volume: vgit.Volume, tmp_path: Path, road: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    called = []

    def fail(repository: Repository) -> None:
        called.append(repository)
        raise error

    volume.repository.upkeep = fail
    info = ROADS[road](volume, tmp_path)
    assert called and info is not None and volume.info().head == info.id
    (record,) = caplog.records
    assert record.getMessage().startswith(f"commit {info.id[:12]} is published, but ")


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_after_the_swap_comes_when_all_is_done(
    volume: vgit.Volume, tmp_path: Path, road: str, interrupt: type[BaseException]
) -> None:
    before = volume.info().head

    def stop(repository: Repository) -> None:
        repository.upkeep = None
        raise interrupt

    volume.repository.upkeep = stop
    with pytest.raises(interrupt) as raised:
        ROADS[road](volume, tmp_path)
    head = volume.info().head
    assert head != before
    assert raised.value.__notes__ == [f"commit {head[:12]} is published; this came afterwards."]
    if (tmp_path / "m").exists():
        with volume.mount(tmp_path / "m") as path:
            assert (path / "f").read_text() == "two"
        assert volume.info().head == head, "the mount took what was published for a change"


def test_an_interrupted_batch_has_its_receipt(volume: vgit.Volume) -> None:
    def stop(repository: Repository) -> None:
        raise KeyboardInterrupt

    volume.repository.upkeep = stop
    batch = volume.batch_upload(force=True)
    with pytest.raises(KeyboardInterrupt), batch:
        batch.put_file(io.BytesIO(b"two"), "f")
    assert batch.commit is not None and batch.commit.id == volume.info().head


def test_every_repository_that_a_client_opens_is_kept_in_shape(volume: vgit.Volume, tmp_path: Path) -> None:
    for number in range(90):
        with volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(b"%d" % number), "f")
    assert len(volume.repository.objects.pack_sizes()) < 70
    client = vgit.Client(tmp_path / "store")
    for number in range(90):
        vgit.Volume.objects.create(f"v{number}", client=client)
    assert len(client.root.catalog()._repository.objects.pack_sizes()) < 70


def test_marks_that_cannot_be_removed(volume: vgit.Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: LocalBackend, key: str) -> None:
        raise BackendUnavailableError(f"could not delete {key}")

    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, "delete", refuse)
        with volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(bytes(9 << 20)), "large")  # a pack for the file, and one for the trees
            batch.put_file(io.BytesIO(b"two"), "f")
    assert batch.commit is not None and batch.commit.id == volume.info().head
    fsck(volume.git_dir)


def test_the_mounts_bookkeeping_is_done_by_the_next_command(
    volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise BackendUnavailableError("the disk is full")

    with volume.mount(tmp_path / "m") as path:
        (path / "f").write_text("two")
        with monkeypatch.context() as patched:
            patched.setattr(MountCommit, "_finish", fail)
            info = volume.commit()
        assert info is not None and volume.info().head == info.id and "the disk is full" in caplog.text
        assert volume.commit() is None
        (path / "f").write_text("three")
        assert volume.commit() is not None
        assert [len(one.overwrote) for one in volume.log()] == [0, 0, 0, 0]


def test_a_mount_whose_sweep_and_a_reload_whose_lease_fails(
    volume: vgit.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise BackendUnavailableError("read-only file system")

    monkeypatch.setattr("vgit.maintenance.upkeep.after_mount", fail)
    with volume.mount(tmp_path / "m") as path:
        upload(volume, tmp_path)
        monkeypatch.setattr("vgit.api.mount.renew", fail)
        assert volume.reload().changed == 1
        assert (path / "f").read_text() == "two"
    assert [" is mounted, but " in one.getMessage() for one in caplog.records] == [True, False]
    assert " is reloaded, but " in caplog.records[1].getMessage()


class Unsure(LocalBackend):
    """Moves the ref, and says that it failed; then syncs so many times in vain."""

    failing_syncs = 0

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:  # type: ignore[override]
        assert super().put_if(key, data, expected)
        raise BackendUnavailableError("input/output error")

    def sync(self, prefix: str) -> None:
        if self.failing_syncs:
            raise BackendUnavailableError("input/output error again")
        super().sync(prefix)


def test_a_swap_of_which_only_the_end_failed(volume: vgit.Volume) -> None:
    head = volume.repository.head()
    other = volume.repository.commit(head).parents[0]
    backend = Unsure(volume.git_dir)
    assert Refs(backend, SHA1).advance(MAIN, other, head)
    backend.failing_syncs = 1
    with pytest.raises(BackendUnavailableError, match="everybody sees"):
        Refs(backend, SHA1).advance(MAIN, head, other)
    assert volume.repository.head() == head


def test_a_join_that_fails_at_any_step_leaves_nothing_behind(tmp_path: Path) -> None:
    step = 0
    while True:
        git_dir = tmp_path / f"{step}.git"
        repository = Repository.create(LocalBackend(str(git_dir)), SYSTEM_CLOCK, AUTHOR)
        for number in range(3):
            with repository.objects.writer() as writer:
                writer.write_blob(b"%d" % number)
                writer.sync()
        directory = git_dir / "objects/pack"
        keys = [f"objects/pack/{path.name}" for path in directory.glob("*.pack")]
        script = Script(step, Strike.FAIL)
        try:
            join_packs(FaultBackend(LocalBackend(str(git_dir)), script), SHA1, keys)
        except BackendUnavailableError:
            pass
        assert not list(directory.glob("tmp_*"))
        for mark in directory.glob("*.keep"):  # the pack has its name and no index: sweeping takes both
            assert script.calls[-2].startswith("rename") or script.calls[-1] == f"delete objects/pack/{mark.name}"
            assert mark.with_suffix(".pack").exists()
        fsck(git_dir)
        if not script.struck:
            break
        step += 1
    assert step > 10, "the steps were not seen: the test would prove nothing"


def test_a_commit_that_fails_leaves_no_mark_of_a_pack_that_is_not_there(tmp_path: Path) -> None:
    backend = LocalBackend(str(tmp_path / "a.git"))
    repository = Repository.create(backend, SYSTEM_CLOCK, AUTHOR)

    def write(writer: ObjectWriter) -> None:
        with writer:
            writer.write_blob(b"x")
            writer.sync()

    calls = Script()
    write(Repository.open(FaultBackend(backend, calls), SYSTEM_CLOCK).objects.writer())
    at = next(at for at, call in enumerate(calls.calls) if call.startswith("rename") and call.endswith(".pack"))
    for path in (tmp_path / "a.git/objects/pack").glob("*"):
        path.unlink()
    with pytest.raises(BackendUnavailableError):
        script = Script(at, Strike.FAIL)
        write(Repository.open(FaultBackend(backend, script), SYSTEM_CLOCK).objects.writer())
    assert not list((tmp_path / "a.git/objects/pack").glob("*"))
    repository.close()
