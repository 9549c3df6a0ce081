"""Awaited: every call of the API awaited; never run, read by mypy (test_typing.py)."""

import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import assert_type

import vgit
from vgit import Change, CommitInfo, FileEntry, MountStatus, ReloadInfo, VolumeInfo


async def volumes() -> None:
    volume = await vgit.Volume.from_name("x").hydrate.aio()
    assert_type(volume, vgit.Volume)
    assert_type(await volume.info.aio(), VolumeInfo)
    async with vgit.Volume.ephemeral() as scratch:
        assert_type(scratch, vgit.Volume)


async def namespace() -> None:
    await vgit.Volume.objects.create.aio("x", allow_existing=True)
    assert_type(await vgit.Volume.objects.list.aio(max_objects=3), list[vgit.Volume])
    assert_type(await vgit.Volume.objects.undelete.aio("x"), vgit.Volume)
    await vgit.Volume.objects.delete.aio("x", allow_missing=True)
    await vgit.Volume.rename.aio("x", "y")


async def reading(volume: vgit.Volume) -> None:
    assert_type(await volume.listdir.aio("/", recursive=True), list[FileEntry])
    assert_type(volume.iterdir.aio("/"), AsyncGenerator[FileEntry, None])
    async for entry in volume.iterdir.aio("/", recursive=False):
        assert_type(entry, FileEntry)
    async with aclosing(volume.read_file.aio("f", offset=1)) as pieces:
        async for piece in pieces:
            assert_type(piece, bytes)
    assert_type(await volume.read_file_into_fileobj.aio("f", io.BytesIO()), int)


async def writing(volume: vgit.Volume) -> None:
    async with volume.batch_upload() as batch:
        assert_type(batch, vgit.Batch)
        batch.put_file("local", "remote")
    assert_type(await volume.copy_files.aio(["a"], "b"), CommitInfo | None)
    assert_type(await volume.remove_file.aio("a"), CommitInfo | None)


async def mounting(volume: vgit.Volume) -> None:
    mount = await volume.mount.aio("data", sub_path="d")
    assert_type(mount, vgit.Mount)
    async with mount as path:
        assert_type(path, Path)
        assert_type(await volume.commit.aio("m"), CommitInfo | None)
        assert_type(await volume.reload.aio(), ReloadInfo)
        assert_type(await mount.status.aio(), MountStatus)
        assert_type(await mount.commit.aio(), CommitInfo | None)
        assert_type(await mount.reload.aio(discard=True), ReloadInfo)
    async with volume.mount("data") as path:
        assert_type(path, Path)
    assert_type(await mount.close.aio(commit=False), CommitInfo | None)


async def history(volume: vgit.Volume) -> None:
    assert_type(volume.log.aio("f", limit=3), AsyncGenerator[CommitInfo, None])
    assert_type(await volume.diff.aio("HEAD~2"), list[Change])
    assert_type(await volume.restore.aio("HEAD~1"), CommitInfo | None)
    snapshot = await volume.at.aio("v1")
    assert_type(snapshot, vgit.Snapshot)
    assert_type(await snapshot.listdir.aio("/"), list[FileEntry])
    assert_type([entry.path async for entry in snapshot.iterdir.aio("/")], list[str])
    assert_type(await snapshot.mount.aio("old"), vgit.Mount)
    await volume.tag.aio("v1", "HEAD")
    assert_type(await volume.tags.aio(), dict[str, str])
    await volume.untag.aio("v1")
