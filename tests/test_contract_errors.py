"""Test_contract_errors: each kind of error as a program meets it, and what a wrong argument is told.

A program catches the builtin or the class of vgit: an error is both. Its text
says what was seen and what to do.
"""

import io
import os
import pickle
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path as FilePath

import pytest

import vgit


@pytest.fixture
def client(tmp_path: FilePath) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"text"), "d/f")
    return volume


def told(builtin: type[BaseException], own: type[vgit.Error], call: Callable[[], object], *words: str) -> None:
    """Check that a call fails with an error that is both, and says these words."""
    with pytest.raises(builtin) as caught:
        call()
    assert isinstance(caught.value, own) and isinstance(caught.value, vgit.Error), repr(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---- the kinds


def test_not_found(volume: vgit.Volume, client: vgit.Client) -> None:
    error = (FileNotFoundError, vgit.NotFoundError)
    missing = vgit.Volume.from_name("nope", client=client)
    told(*error, missing.hydrate, "Volume 'nope' not found", "vgit create nope", "create_if_missing=True")
    told(*error, lambda: volume.listdir("gone"), "'gone'", "at ")
    told(*error, lambda: next(volume.read_file("gone")), "'gone'")
    told(*error, lambda: next(volume.iterdir("gone")), "'gone'")
    told(*error, lambda: volume.read_file_into_fileobj("gone", io.BytesIO()), "'gone'")
    told(*error, lambda: volume.remove_file("gone"), "gone")
    told(*error, lambda: volume.copy_files(["gone"], "there"), "gone")
    told(*error, lambda: volume.at("nonsense"), "No revision 'nonsense'", "Expected HEAD")
    told(*error, lambda: volume.diff("HEAD~9"), "HEAD~9")
    told(*error, lambda: volume.untag("v1"), "No tag 'v1'")
    told(*error, lambda: volume.restore("HEAD", ["gone"]), "'gone'")
    told(*error, lambda: next(volume.log("gone")), "No commit has touched 'gone'")


def test_not_found_in_a_batch(volume: vgit.Volume, tmp_path: FilePath) -> None:
    def upload() -> None:
        with volume.batch_upload() as batch:
            batch.put_file(tmp_path / "gone", "f")

    told(FileNotFoundError, vgit.NotFoundError, upload, "gone")


def test_already_exists(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    error = (FileExistsError, vgit.AlreadyExistsError)
    told(*error, lambda: vgit.Volume.objects.create("x", client=client), "'x' already exists", "allow_existing")
    vgit.Volume.objects.create("y", client=client)
    told(*error, lambda: vgit.Volume.rename("x", "y", client=client), "'y' already exists")
    volume.tag("v1", "HEAD")
    told(*error, lambda: volume.tag("v1", "HEAD~1"), "already names", "take it away first")

    def upload() -> None:
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"new"), "d/f")

    told(*error, upload, "d/f", "force")
    with volume.mount(tmp_path / "a"):
        told(*error, lambda: volume.mount(tmp_path / "b"), "mounted for writing", "close")
    other = vgit.Volume.from_name("y", client=client)
    told(*error, lambda: other.mount(tmp_path / "a"), "is a mount of volume x", "unmount")


def test_conflicts_are_the_builtins_of_directories_and_files(volume: vgit.Volume, tmp_path: FilePath) -> None:
    is_a_directory = (IsADirectoryError, vgit.ConflictError)
    not_a_directory = (NotADirectoryError, vgit.ConflictError)
    told(*is_a_directory, lambda: next(volume.read_file("d")), "'d'", "is a directory")
    told(*not_a_directory, lambda: volume.listdir("d/f/g"), "is a file")
    told(*not_a_directory, lambda: next(volume.read_file("d/f/g")), "is a file")
    (tmp_path / "file").touch()
    told(*not_a_directory, lambda: volume.mount(tmp_path / "file"), "it is a file")

    def upload() -> None:
        with volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(b"new"), "d")

    told(*is_a_directory, upload, "d")
    told(ValueError, vgit.InvalidError, upload)


def test_read_only(volume: vgit.Volume, tmp_path: FilePath) -> None:
    error = (PermissionError, vgit.ReadOnlyError)
    reader = volume.read_only()
    for write in (
        lambda: reader.restore("HEAD~1"),
        lambda: reader.tag("v"),
        lambda: reader.untag("v"),
        lambda: reader.remove_file("d/f"),
        lambda: reader.copy_files(["d/f"], "g"),
        reader.batch_upload,
        reader.commit,
    ):
        told(*error, write, "Read-only Volume can not be written to")
        told(ValueError, vgit.InvalidError, write)
    with volume.mount(tmp_path / "r", read_only=True):
        mount = reader.mount(tmp_path / "r2")
        told(*error, mount.commit, "read-only mount")
        mount.close()


def test_files_open(volume: vgit.Volume, tmp_path: FilePath) -> None:
    with volume.mount(tmp_path / "a") as path, open(path / "d/f"):
        told(
            RuntimeError,
            vgit.FilesOpenError,
            volume.reload,
            "there are open files preventing the operation",
            "path d/f is open",
        )


def test_not_mounted(volume: vgit.Volume) -> None:
    told(RuntimeError, vgit.NotMountedError, volume.commit, "not mounted by this process", "vol.mount(path)")
    told(RuntimeError, vgit.NotMountedError, volume.reload, "not mounted by this process", "vol.mount(path)")


def test_locked(volume: vgit.Volume, client: vgit.Client, tmp_path: FilePath) -> None:
    mount = volume.mount(tmp_path / "a", read_only=True)
    again = vgit.Volume.from_name("x", client=client)
    told(
        RuntimeError,
        vgit.LockedError,
        lambda: again.mount(tmp_path / "a", read_only=True),
        "already mounted",
        "another directory",
    )
    mount.close()


def test_corrupt(volume: vgit.Volume) -> None:
    shutil.rmtree(FilePath(volume.git_dir, "objects/pack"))
    os.mkdir(FilePath(volume.git_dir, "objects/pack"))
    again = vgit.Volume.from_id(volume.object_id, client=volume._client)
    told(vgit.Error, vgit.CorruptObjectError, lambda: again.listdir("/"), "is missing")
    os.unlink(FilePath(volume.git_dir, "refs/heads/main"))
    told(vgit.CorruptObjectError, vgit.CorruptVolumeError, lambda: again.listdir("/"), "refs/heads/main", "restore")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_backend_unavailable_where_permission_is_missing(volume: vgit.Volume, client: vgit.Client) -> None:
    os.chmod(client.store, 0)
    try:
        again = vgit.Volume.from_name("x", client=vgit.Client(client.store))
        told(ConnectionError, vgit.BackendUnavailableError, again.hydrate, client.store)
    finally:
        os.chmod(client.store, 0o755)


def test_backend_unavailable_where_writing_fails(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with volume.mount(tmp_path / "a") as path:
        (path / "new").write_text("x")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            told(ConnectionError, vgit.BackendUnavailableError, volume.commit, "No space left on device")


# ---- wrong arguments


WRONG: dict[str, Callable[[vgit.Volume], object]] = {
    "Client(3)": lambda volume: vgit.Client(3),  # type: ignore[arg-type]
    "Client(author=3)": lambda volume: vgit.Client(author=3),  # type: ignore[arg-type]
    "Client('')": lambda volume: vgit.Client(""),
    "Client('s3://')": lambda volume: vgit.Client("s3://bucket"),
    "from_name(client=3)": lambda volume: vgit.Volume.from_name("x", client=3),  # type: ignore[arg-type]
    "objects.list(client='x')": lambda volume: vgit.Volume.objects.list(client="x"),  # type: ignore[arg-type]
    "listdir(3)": lambda volume: volume.listdir(3),  # type: ignore[arg-type]
    "listdir(None)": lambda volume: volume.listdir(None),  # type: ignore[arg-type]
    "listdir('..')": lambda volume: volume.listdir("../x"),
    "listdir(NUL)": lambda volume: volume.listdir("a\0"),
    "listdir('*')": lambda volume: volume.listdir("d/*"),
    "iterdir(3)": lambda volume: next(volume.iterdir(3)),  # type: ignore[arg-type]
    "read_file(3)": lambda volume: next(volume.read_file(3)),  # type: ignore[arg-type]
    "read_file(offset=-1)": lambda volume: next(volume.read_file("d/f", offset=-1)),
    "read_file(offset='1')": lambda volume: next(volume.read_file("d/f", offset="1")),  # type: ignore[arg-type]
    "read_file(length='1')": lambda volume: next(volume.read_file("d/f", length="1")),  # type: ignore[arg-type]
    "read_file_into_fileobj(None)": lambda volume: volume.read_file_into_fileobj("d/f", None),  # type: ignore[arg-type]
    "remove_file(3)": lambda volume: volume.remove_file(3),  # type: ignore[arg-type]
    "remove_file('/')": lambda volume: volume.remove_file("/", recursive=True),
    "remove_file(directory)": lambda volume: volume.remove_file("d"),
    "copy_files('text')": lambda volume: volume.copy_files("d/f", "g"),
    "copy_files(3)": lambda volume: volume.copy_files([3], "g"),  # type: ignore[list-item]
    "copy_files(to 3)": lambda volume: volume.copy_files(["d/f"], 3),  # type: ignore[arg-type]
    "copy_files(directory)": lambda volume: volume.copy_files(["d"], "e"),
    "copy_files([])": lambda volume: volume.copy_files([], "e"),
    "with_mount_options(sub_path=3)": lambda volume: volume.with_mount_options(sub_path=3),  # type: ignore[arg-type]
    "with_mount_options after read_only": lambda volume: volume.read_only().with_mount_options(read_only=False),
    "read_only after with_mount_options": lambda volume: volume.with_mount_options(sub_path="d").read_only(),
    "mount(3)": lambda volume: volume.mount(3),  # type: ignore[arg-type]
    "mount('')": lambda volume: volume.mount(""),
    "mount(None)": lambda volume: volume.mount(None),  # type: ignore[arg-type]
    "mount(at=3)": lambda volume: volume.mount("m", at=3),  # type: ignore[arg-type]
    "mount(commit_every='5')": lambda volume: volume.mount("m", commit_every="5"),  # type: ignore[arg-type]
    "mount(commit_every=0)": lambda volume: volume.mount("m", commit_every=0),
    "log(3)": lambda volume: next(volume.log(3)),  # type: ignore[arg-type]
    "log(since='soon')": lambda volume: next(volume.log(since="soon")),
    "log(since=3)": lambda volume: next(volume.log(since=3)),  # type: ignore[arg-type]
    "log(until=[])": lambda volume: next(volume.log(until=[])),  # type: ignore[arg-type]
    "log(limit=-1)": lambda volume: next(volume.log(limit=-1)),
    "log(limit='1')": lambda volume: next(volume.log(limit="1")),  # type: ignore[arg-type]
    "diff(3)": lambda volume: volume.diff(3),  # type: ignore[arg-type]
    "diff(path=3)": lambda volume: volume.diff(path=3),  # type: ignore[arg-type]
    "restore(5)": lambda volume: volume.restore(5),  # type: ignore[arg-type]
    "restore('text')": lambda volume: volume.restore("HEAD", "d"),  # type: ignore[arg-type]
    "restore(3)": lambda volume: volume.restore("HEAD", 3),  # type: ignore[arg-type]
    "restore([3])": lambda volume: volume.restore("HEAD", [3]),  # type: ignore[list-item]
    "at(None)": lambda volume: volume.at(None),  # type: ignore[arg-type]
    "tag(None)": lambda volume: volume.tag(None),  # type: ignore[arg-type]
    "tag('a b')": lambda volume: volume.tag("a b"),
    "tag(revision=3)": lambda volume: volume.tag("v", 3),  # type: ignore[arg-type]
    "untag(None)": lambda volume: volume.untag(None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_an_invalid_error(
    volume: vgit.Volume, call: Callable[[vgit.Volume], object], tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vgit.InvalidError) as caught:
        call(volume)
    assert len(str(caught.value)) > 20, "it says what was seen and expected"
    assert sorted(os.listdir(tmp_path)) == ["store"], "and nothing was made"


WRONG_PUTS: dict[str, Callable[[vgit.Batch], object]] = {
    "put_file(3)": lambda batch: batch.put_file(3, "f"),  # type: ignore[arg-type]
    "put_file(None)": lambda batch: batch.put_file(None, "f"),  # type: ignore[arg-type]
    "put_file(to 3)": lambda batch: batch.put_file(io.BytesIO(), 3),  # type: ignore[arg-type]
    "put_file(to a directory)": lambda batch: batch.put_file(io.BytesIO(), "f/"),
    "put_file(to ..)": lambda batch: batch.put_file(io.BytesIO(), "../f"),
    "put_file(text file)": lambda batch: batch.put_file(io.StringIO("x"), "f"),  # type: ignore[arg-type]
    "put_file(mode='x')": lambda batch: batch.put_file(io.BytesIO(), "f", mode="x"),  # type: ignore[arg-type]
    "put_directory(3)": lambda batch: batch.put_directory(3, "d"),  # type: ignore[arg-type]
    "put_directory(to 3)": lambda batch: batch.put_directory(".", 3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("put", WRONG_PUTS.values(), ids=WRONG_PUTS)
def test_a_wrong_argument_of_a_batch_uploads_nothing(volume: vgit.Volume, put: Callable[[vgit.Batch], object]) -> None:
    before = volume.info().commits
    with pytest.raises(vgit.InvalidError), volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"x"), "good")
        put(batch)
    assert volume.info().commits == before


def test_paths_of_pathlib_are_paths(volume: vgit.Volume, tmp_path: FilePath) -> None:
    assert [one.path for one in volume.listdir(FilePath("/d"))] == ["d/f"]  # type: ignore[arg-type]
    with volume.mount(os.fsencode(tmp_path / "a")) as path:  # type: ignore[arg-type]
        assert (path / "d/f").exists()


def test_times_of_a_log_are_datetimes_or_text(volume: vgit.Volume) -> None:
    assert len(list(volume.log(since="1 hour ago"))) == 2
    assert list(volume.log(until="2020-01-01")) == []
    assert list(volume.log(until=datetime(2020, 1, 1))) == []
    assert list(volume.log(since=datetime(2099, 1, 1, tzinfo=UTC))) == []
    assert len(list(volume.log(since=datetime(2020, 1, 1, tzinfo=UTC), until="now"))) == 2


# ---- what travels to another process


def test_handles_clients_and_snapshots_are_picklable(volume: vgit.Volume) -> None:
    snapshot = volume.at("HEAD")
    for handle in (volume, volume.read_only(), volume.with_mount_options(sub_path="d"), snapshot):
        again = pickle.loads(pickle.dumps(handle))
        assert repr(again) == repr(handle)
        assert [entry.path for entry in again.iterdir("/")] == ["d", "d/f"]
    client = pickle.loads(pickle.dumps(volume._client))
    assert (client.store, client.author) == (volume._client.store, volume._client.author)
    assert pickle.loads(pickle.dumps(volume.listdir))("d")[0].path == "d/f", "as multiprocessing's map sends it"
    with pytest.raises(vgit.ReadOnlyError):
        pickle.loads(pickle.dumps(volume.read_only())).tag("v")


def test_a_mount_is_not_and_says_what_to_send_instead(volume: vgit.Volume, tmp_path: FilePath) -> None:
    mount = volume.mount(tmp_path / "a")
    with pytest.raises(TypeError, match=r"cannot be sent to another process.*Send its path"):
        pickle.dumps(mount)
    mount.close()
