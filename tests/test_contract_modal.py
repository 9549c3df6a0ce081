"""Test_contract_modal: programs as people write them for Modal's volumes, with vgit in the place of modal.

Each program runs in a process of its own, on a store that the environment
names. What such a program gets from Modal's machines, a mounted directory, it
gets here from ``vol.mount``, or from ``vgit run``.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path as FilePath

import pytest

ROOT = FilePath(__file__).parent.parent


def run(tmp_path: FilePath, program: str, *args: object) -> str:
    """Run a program and return what it prints."""
    variables = {**os.environ, "VGIT_STORE": str(tmp_path / "store"), "VGIT_AUTHOR": "T <t@x>", "PYTHONPATH": str(ROOT)}
    for name in ("VGIT_ENVIRONMENT", "VGIT_MOUNTS"):
        variables.pop(name, None)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_documentation(tmp_path: FilePath) -> None:
    writer = """
        import vgit

        volume = vgit.Volume.from_name("my-persisted-volume", create_if_missing=True)

        def f():
            with open("root/foo/bar.txt", "w") as f:
                f.write("hello")
            volume.commit()  # Persist changes

        with volume.mount("root/foo"):
            f()
    """
    reader = """
        import vgit

        volume = vgit.Volume.from_name("my-persisted-volume")

        def g():
            volume.reload()  # Fetch latest changes
            with open("other/foo/bar.txt") as f:
                print(f.read())

        with volume.mount("other/foo"):
            g()
    """
    run(tmp_path, writer)
    assert run(tmp_path, reader) == "hello\n"


def test_an_ephemeral_volume(tmp_path: FilePath) -> None:
    program = """
        import asyncio
        import vgit

        with vgit.Volume.ephemeral() as vol:
            assert vol.listdir("/") == []

        async def main():
            async with vgit.Volume.ephemeral() as vol:
                assert await vol.listdir.aio("/") == []

        asyncio.run(main())
        print(vgit.Volume.objects.list())
    """
    assert run(tmp_path, program) == "[]\n"


def test_uploading_and_reading_back(tmp_path: FilePath) -> None:
    (tmp_path / "local-dir/below").mkdir(parents=True)
    (tmp_path / "local-dir/one.txt").write_text("one")
    (tmp_path / "local-dir/below/two.txt").write_text("two")
    (tmp_path / "local-path.txt").write_text("local")
    program = """
        import io
        import vgit

        vol = vgit.Volume.from_name("uploads", create_if_missing=True, version=2)
        with vol.batch_upload() as batch:
            batch.put_file("local-path.txt", "/remote-path.txt")
            batch.put_directory("local-dir", "/remote-directory")
            batch.put_file(io.BytesIO(b"some data"), "/foobar")

        for entry in vol.iterdir("/", recursive=True):
            print(entry.path, entry.type.name, entry.size)

        data = b""
        for chunk in vol.read_file("remote-directory/below/two.txt"):
            data += chunk
        assert data == b"two"

        seen = []
        with open("copy", "wb") as f:
            count = vol.read_file_into_fileobj("foobar", f, progress_cb=lambda advance: seen.append(advance))
        assert count == sum(seen) == len(b"some data") and open("copy", "rb").read() == b"some data"

        vol.copy_files(["foobar"], "copied")
        vol.remove_file("/remote-directory", recursive=True)
        print([entry.path for entry in vol.listdir("/")])
        try:
            with vol.batch_upload() as batch:
                batch.put_file("local-path.txt", "/remote-path.txt")
        except FileExistsError:
            print("exists")
        with vol.batch_upload(force=True) as batch:
            batch.put_file("local-path.txt", "/remote-path.txt")
    """
    assert run(tmp_path, program).splitlines() == [
        "foobar FILE 9",
        "remote-directory DIRECTORY 0",
        "remote-path.txt FILE 5",
        "remote-directory/below DIRECTORY 0",
        "remote-directory/one.txt FILE 3",
        "remote-directory/below/two.txt FILE 3",
        "['copied', 'foobar', 'remote-path.txt']",
        "exists",
    ]


def test_the_same_awaited(tmp_path: FilePath) -> None:
    program = """
        import asyncio, io
        import vgit

        async def main():
            vol = await vgit.Volume.from_name("v", create_if_missing=True).hydrate.aio()
            async with vol.batch_upload() as batch:
                batch.put_file(io.BytesIO(b"data"), "d/f")
            async for entry in vol.iterdir.aio("/"):
                print(entry.path)
            print(b"".join([chunk async for chunk in vol.read_file.aio("d/f")]))
            await vol.copy_files.aio(["d/f"], "g")
            await vol.remove_file.aio("d", recursive=True)
            print([entry.path for entry in await vol.listdir.aio("/")])
            info = await vol.info.aio()
            print(info.name)
            await vgit.Volume.rename.aio("v", "w")
            print([one.name for one in await vgit.Volume.objects.list.aio()])
            await vgit.Volume.objects.delete.aio("w")

        asyncio.run(main())
    """
    assert run(tmp_path, program).splitlines() == ["d", "d/f", "b'data'", "['g']", "v", "['w']"]


@pytest.mark.parametrize(
    "imports",
    [
        "import vgit\nNotFoundError = vgit.exception.NotFoundError",
        "from vgit.exception import NotFoundError",
        "import vgit.exception\nNotFoundError = vgit.exception.NotFoundError",
        "from vgit import exception\nNotFoundError = exception.NotFoundError",
    ],
)
def test_errors_under_modals_names(tmp_path: FilePath, imports: str) -> None:
    program = """
        import vgit
        try:
            vgit.Volume.from_name("nope").hydrate()
        except NotFoundError as error:
            print(type(error).__name__)
    """
    assert run(tmp_path, imports + textwrap.dedent(program)) == "NotFoundError\n"


def test_every_error_that_modals_volumes_raise_can_be_caught(tmp_path: FilePath) -> None:
    program = """
        import vgit
        from vgit import Error
        from vgit.exception import (
            AlreadyExistsError, ConflictError, ConnectionError, DataLossError, Error as Root, ExecutionError,
            InvalidError, NotFoundError, PermissionDeniedError, ServiceError, TimeoutError, VolumeUploadTimeoutError,
        )
        assert Root is Error and issubclass(NotFoundError, Error) and issubclass(VolumeUploadTimeoutError, TimeoutError)
        vgit.Volume.objects.create("a")
        for call, kinds in (
            (lambda: vgit.Volume.objects.create("a"), (AlreadyExistsError,)),
            (lambda: vgit.Volume.from_name("no/slash"), (InvalidError,)),
            (lambda: vgit.Volume.objects.list(max_objects=-1), (InvalidError,)),
            (lambda: list(vgit.Volume.from_name("a").read_file("gone")), (NotFoundError, FileNotFoundError)),
            (lambda: vgit.Volume.from_name("a").commit(), (RuntimeError,)),
            (lambda: vgit.Volume.from_name("a").read_only().remove_file("x"), (InvalidError, PermissionDeniedError)),
        ):
            for kind in kinds:
                try:
                    call()
                except kind:
                    continue
                raise AssertionError(kind)
    """
    run(tmp_path, program)


def test_types_under_modals_names(tmp_path: FilePath) -> None:
    program = """
        import vgit
        from vgit.types import FileEntry as A
        from vgit.volume import FileEntry, FileEntryType, Volume
        assert vgit.volume.FileEntry is FileEntry is vgit.FileEntry is A and Volume is vgit.Volume
        assert [(one.name, int(one)) for one in FileEntryType] == [
            ("UNSPECIFIED", 0), ("FILE", 1), ("DIRECTORY", 2), ("SYMLINK", 3), ("FIFO", 4), ("SOCKET", 5)
        ]
        entry = FileEntry("a/b", FileEntryType.FILE, 1700000000, 12)
        assert (entry.path, entry.type, entry.mtime, entry.size) == ("a/b", 1, 1700000000, 12)
        try:
            entry.size = 3
        except AttributeError:
            print("frozen")
    """
    assert run(tmp_path, program) == "frozen\n"


def test_managing_volumes(tmp_path: FilePath) -> None:
    program = """
        import vgit

        vgit.Volume.objects.create("my-volume")
        vgit.Volume.objects.create("my-volume", allow_existing=True)
        vgit.Volume.objects.create("other", environment_name="dev")
        volumes = vgit.Volume.objects.list()
        print([v.name for v in volumes], len(vgit.Volume.objects.list(max_objects=10, created_before="2025-01-01")))
        vgit.Volume.rename("my-volume", "my-new-volume")
        volume = vgit.Volume.from_name("my-new-volume")
        same = vgit.Volume.from_id(volume.object_id)
        print(same.hydrate().name, volume, same.info().created_at.tzinfo)
        vgit.Volume.objects.delete("my-new-volume")
        vgit.Volume.objects.delete("my-new-volume", allow_missing=True)
    """
    assert run(tmp_path, program).splitlines() == [
        "['my-volume'] 0",
        "my-new-volume vgit.Volume.from_name('my-new-volume') UTC",
    ]


def test_a_cache_of_models_with_links_and_swaps(tmp_path: FilePath) -> None:
    program = """
        import os, shutil
        from pathlib import Path
        import vgit

        cache = vgit.Volume.from_name("hf-hub-cache", create_if_missing=True)
        with cache.mount("cache") as path:
            blobs, snapshots = path / "models--m/blobs", path / "models--m/snapshots/abc"
            blobs.mkdir(parents=True), snapshots.mkdir(parents=True)
            (blobs / "123.incomplete").write_bytes(b"weights")
            os.rename(blobs / "123.incomplete", blobs / "123")
            os.symlink("../../blobs/123", snapshots / "model.bin")
            cache.commit()
            Path("new").mkdir()
            Path("new/index").write_text("2")
            shutil.rmtree(path / "index", ignore_errors=True)
            shutil.move("new", path / "index")
            cache.commit()
            assert (snapshots / "model.bin").read_bytes() == b"weights"
            for entry in cache.listdir("/", recursive=True):
                assert os.path.lexists(f"{path}/{entry.path}")
        print(b"".join(cache.read_file("models--m/blobs/123")), b"".join(cache.read_file("index/index")))
    """
    assert run(tmp_path, program) == "b'weights' b'2'\n"


def test_a_loop_that_reloads_until_a_file_appears(tmp_path: FilePath) -> None:
    program = """
        import os, subprocess, sys, time
        import vgit

        writer = '''
        import time, vgit
        with vgit.Volume.from_name("v").mount("writer") as path:
            time.sleep(0.2)
            (path / "done").write_text("done")
        '''
        volume = vgit.Volume.from_name("v", create_if_missing=True).hydrate()
        with volume.mount("reader") as path:
            import textwrap
            other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(writer)])
            while not os.path.exists(path / "done"):
                time.sleep(0.05)
                volume.reload()
            print((path / "done").read_text())
            assert other.wait() == 0
    """
    assert run(tmp_path, program) == "done\n"


def test_open_files_are_a_runtime_error_with_modals_text(tmp_path: FilePath) -> None:
    program = """
        import vgit

        volume = vgit.Volume.from_name("v", create_if_missing=True)
        with volume.mount("m") as path:
            (path / "f").write_text("x")
            volume.commit()
            with open(path / "f"):
                try:
                    volume.reload()
                except RuntimeError as error:
                    assert "there are open files preventing the operation" in str(error)
                    print("refused")
            volume.reload()
    """
    assert run(tmp_path, program) == "refused\n"


def test_parts_and_read_only_views_of_a_volume(tmp_path: FilePath) -> None:
    program = """
        import os
        import vgit

        volume = vgit.Volume.from_name("users", create_if_missing=True)
        with volume.with_mount_options(sub_path="/users/my_user").mount("user_data") as path:
            (path / "f").write_text("mine")
        print([entry.path for entry in volume.iterdir("/")])
        with volume.with_mount_options(read_only=True, sub_path="users").mount("look") as path:
            print(os.listdir(path / "my_user"))
        with volume.read_only().mount("all") as path:
            try:
                volume.read_only().remove_file("users/my_user/f")
            except vgit.exception.InvalidError as error:
                print(error)
    """
    assert run(tmp_path, program).splitlines() == [
        "['users', 'users/my_user', 'users/my_user/f']",
        "['f']",
        "Read-only Volume can not be written to",
    ]


def test_handles_in_a_pool_of_processes(tmp_path: FilePath) -> None:
    program = """
        import io, multiprocessing
        import vgit

        def size(volume_and_path):
            volume, path = volume_and_path
            return sum(map(len, volume.read_file(path)))

        if __name__ == "__main__":
            volume = vgit.Volume.from_name("v", create_if_missing=True)
            with volume.batch_upload() as batch:
                for number in range(5):
                    batch.put_file(io.BytesIO(bytes(number)), f"f{number}")
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(size, [(volume, f"f{number}") for number in range(5)]))
                print([len(one) for one in pool.map(volume.listdir, ["/", "f1"])])
    """
    assert run(tmp_path, program).splitlines() == ["[0, 1, 2, 3, 4]", "[5, 1]"]
