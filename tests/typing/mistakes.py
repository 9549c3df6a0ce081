"""Mistakes: programs that are wrong, each line with what mypy must say of it; never run (test_typing.py)."""

import io

import vgit


def blocking(volume: vgit.Volume) -> None:
    vgit.Volume.from_name(3)  # arg-type
    vgit.Volume.from_name("x", "dev")  # call-arg
    vgit.Volume.from_name("x", create="yes")  # call-arg
    vgit.Client(3)  # arg-type
    volume.listdir()  # call-arg
    volume.listdir(3)  # arg-type
    volume.listdir("/", recurse=True)  # call-arg
    print(volume.listdir("/").path)  # attr-defined
    volume.read_file("f", 3)  # call-arg
    volume.read_file("f") + b"x"  # operator
    volume.read_file_into_fileobj("f", io.StringIO())  # arg-type
    volume.copy_files([3], "x")  # list-item
    volume.log(since=3)  # arg-type
    volume.restore("HEAD", "path")  # arg-type
    volume.tag(None)  # arg-type
    volume.commit(3)  # arg-type
    volume.comit()  # attr-defined
    volume.mount(3)  # arg-type
    print(volume.commit().id)  # union-attr
    vgit.Volume.listdir("/")  # call-arg
    print(vgit.volumne)  # attr-defined
    for _ in volume.iterdir.aio("/"):  # attr-defined
        pass
    with volume.batch_upload() as batch:
        batch.put_file(3, "x")  # arg-type
        batch.put_files("x", "y")  # attr-defined
    with volume.mount("data") as path:
        path.commit()  # attr-defined


async def awaited(volume: vgit.Volume) -> None:
    volume.listdir.aio("/")  # unused-coroutine
    await volume.listdir("/")  # misc
    await volume.listdir.aio(3)  # arg-type
    print((await volume.listdir.aio("/")).path)  # attr-defined
    await volume.iterdir.aio("/")  # misc
    async for _ in volume.iterdir("/"):  # attr-defined
        pass
    await volume.from_name.aio("x")  # attr-defined
    await volume.mount.aio()  # call-arg
    async with volume.mount.aio("data"):  # attr-defined
        pass
