"""Blocking: every call of the API as a program writes it; never run, read by mypy (test_typing.py)."""

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import assert_type

import vgit
import vgit.exception
from vgit import Change, CommitInfo, FileEntry, MountStatus, ReloadInfo, VolumeInfo


def volumes() -> None:
    client = vgit.Client("store", "dev", author="Ada <ada@host>")
    assert_type(client, vgit.Client)
    volume = vgit.Volume.from_name("x", environment_name="dev", create_if_missing=True, version=2, client=client)
    assert_type(volume, vgit.Volume)
    assert_type(vgit.Volume.from_id("vo-0123456789012345678901", client=client), vgit.Volume)
    assert_type(volume.hydrate(), vgit.Volume)
    assert_type(volume.name, str | None)
    assert_type(volume.object_id, str)
    assert_type(volume.info(), VolumeInfo)
    assert_type(volume.info().created_at, datetime)
    assert_type(volume.read_only(), vgit.Volume)
    assert_type(volume.with_mount_options(read_only=True, sub_path="d"), vgit.Volume)
    with vgit.Volume.ephemeral() as scratch:
        assert_type(scratch, vgit.Volume)


def namespace() -> None:
    vgit.Volume.objects.create("x", allow_existing=True)
    assert_type(vgit.Volume.objects.list(max_objects=3, created_before=datetime.now()), list[vgit.Volume])
    assert_type(vgit.Volume.objects.list(created_before="2026-11-01"), list[vgit.Volume])
    assert_type(vgit.Volume.objects.undelete("x"), vgit.Volume)
    vgit.Volume.objects.delete("x", allow_missing=True)
    vgit.Volume.rename("x", "y", environment_name="dev")


def reading(volume: vgit.Volume) -> None:
    assert_type(volume.listdir("/", recursive=True), list[FileEntry])
    assert_type(volume.iterdir("/", recursive=False), Iterator[FileEntry])
    assert_type([entry.path for entry in volume.iterdir("/")], list[str])
    assert_type(volume.listdir("/")[0].type, vgit.FileEntryType)
    assert_type(volume.listdir("/")[0].hash, str | None)
    assert_type(volume.read_file("f", offset=1, length=2), Iterator[bytes])
    assert_type(b"".join(volume.read_file("f")), bytes)
    with open("f", "wb") as file:
        assert_type(volume.read_file_into_fileobj("f", file, progress_cb=print), int)


def writing(volume: vgit.Volume) -> None:
    with volume.batch_upload(force=True, message="m") as batch:
        assert_type(batch, vgit.Batch)
        batch.put_file("local", "remote")
        batch.put_file(Path("local"), Path("remote"), mode=0o600)
        batch.put_file(io.BytesIO(b"x"), "remote")
        batch.put_directory("local", "remote", recursive=False)
    assert_type(batch.commit, CommitInfo | None)
    assert_type(volume.copy_files(["a", "b"], "c", recursive=True), CommitInfo | None)
    assert_type(volume.remove_file("a", recursive=True), CommitInfo | None)


def mounting(volume: vgit.Volume) -> None:
    with volume.mount("data") as path:
        assert_type(path, Path)
        assert_type(volume.commit("m"), CommitInfo | None)
        assert_type(volume.reload(), ReloadInfo)
    mount = volume.mount(Path("data"), read_only=False, sub_path="d", commit_every=5.0, adopt=True)
    assert_type(mount, vgit.Mount)
    assert_type(mount.path, Path)
    assert_type(mount.status(), MountStatus)
    assert_type(mount.commit(), CommitInfo | None)
    assert_type(mount.reload(discard=True), ReloadInfo)
    assert_type(mount.close(commit=False), CommitInfo | None)
    volume.mount("old", at="HEAD~1").close()


def history(volume: vgit.Volume) -> None:
    assert_type(volume.log("f", since="2 hours ago", until=datetime.now(), limit=3), Iterator[CommitInfo])
    assert_type([info.overwrote for info in volume.log()], list[tuple[str, ...]])
    assert_type(volume.diff("HEAD~2", "HEAD", "d"), list[Change])
    assert_type(volume.diff()[0].kind, vgit.ChangeKind)
    assert_type(volume.restore("HEAD~1", ["a"], message="back"), CommitInfo | None)
    snapshot = volume.at("@{yesterday}")
    assert_type(snapshot, vgit.Snapshot)
    assert_type(snapshot.id, str)
    assert_type(snapshot.time, datetime)
    assert_type(snapshot.listdir("/"), list[FileEntry])
    assert_type(snapshot.read_file("f"), Iterator[bytes])
    assert_type(snapshot.read_file_into_fileobj("f", io.BytesIO()), int)
    with snapshot.mount("old") as path:
        assert_type(path, Path)
    volume.tag("v1", "HEAD")
    assert_type(volume.tags(), dict[str, str])
    volume.untag("v1")


def names_of_modal() -> None:
    entry: vgit.volume.FileEntry = vgit.FileEntry("a", vgit.volume.FileEntryType.FILE, 1, 2)
    assert_type(entry, FileEntry)
    try:
        vgit.Volume.from_name("x").hydrate()
    except vgit.exception.NotFoundError as error:
        assert_type(error, vgit.NotFoundError)
    except vgit.Error as error:
        assert_type(str(error), str)


def unbound(volume: vgit.Volume) -> None:
    assert_type(vgit.Volume.listdir(volume, "/"), list[FileEntry])
    assert_type(list(map(vgit.Volume.info, [volume])), list[VolumeInfo])
