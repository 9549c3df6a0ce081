import errno
import mmap
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vgit.errors import FilesOpenError
from vgit.localfs.open_for_writing import OpenForWriting, shared_writable_maps
from vgit.localfs.shared_maps import Mapped, shared_writable
from vgit.mount.open_files import check_no_open_files

PREFIX = "there are open files preventing the operation: "


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "mount"
    (path / "sub").mkdir(parents=True)
    (path / ".vgit").mkdir()
    (path / "sub" / "file").write_bytes(b"content" * 1000)
    return path


@contextmanager
def other_process(code: str, *arguments: object, wrapper: tuple[str, ...] = (), **options: object) -> Iterator[int]:
    """Run code in another process and keep it alive at its end."""
    script = f"import mmap, os, sys\n{code}\nprint(flush=True)\nsys.stdin.read()"
    command = [*wrapper, sys.executable, "-c", script, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, **options) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"\n"
        try:
            yield process.pid
        finally:
            process.stdin.close()


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(FilesOpenError) as caught:
        check_no_open_files(str(root), **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_nothing_open(root: Path) -> None:
    check_no_open_files(str(root))


def test_own_file_in_modals_words(root: Path) -> None:
    with open(root / "sub" / "file"):
        assert refusal(root) == PREFIX + "path sub/file is open. Close it, then try again."
    check_no_open_files(str(root))


def test_own_descriptors_are_not_counted_but_others_are(root: Path) -> None:
    fd = os.open(root / "sub", os.O_RDONLY)
    try:
        assert "path sub is open" in refusal(root)
        check_no_open_files(str(root), own={fd})
        # The same number in another process is that process's.
        with other_process("os.dup2(os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2]))", root / "sub", fd):
            assert "path sub is open from" in refusal(root, own={fd})
    finally:
        os.close(fd)


def test_root_descriptor_and_state_directory_are_ours(root: Path) -> None:
    fd = os.open(root, os.O_RDONLY)
    try:
        with open(root / ".vgit" / "lock", "w"):
            check_no_open_files(str(root))
    finally:
        os.close(fd)


def test_names_that_begin_like_the_state_directory_count(root: Path) -> None:
    with open(root / ".vgitx", "w"):
        assert "path .vgitx is open" in refusal(root)


def test_state_directory_of_a_sibling_name_does_not_count(root: Path) -> None:
    with open(f"{root}-other", "w"):
        check_no_open_files(str(root))


def test_own_working_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for inside in (root, root / "sub"):
        monkeypatch.chdir(inside)
        assert refusal(root).startswith(PREFIX + "cwd is inside volume. ")


def test_file_of_another_process(root: Path) -> None:
    with other_process("file = open(sys.argv[1])", root / "sub" / "file") as pid:
        message = refusal(root)
        assert message.startswith(f"{PREFIX}path sub/file is open from '{sys.executable} -c import mmap")
        assert message.endswith(f" Close it in process {pid}, then try again.")
    check_no_open_files(str(root))


def test_working_directory_of_another_process(root: Path) -> None:
    with other_process("", cwd=root / "sub") as pid:
        assert re.search(rf"cwd of '.*' is inside volume\. .* in process {pid},", refusal(root), re.DOTALL)


# By libc: CPython's own map keeps a descriptor open.
MAP = """
import ctypes
fd = os.open(sys.argv[1], os.O_RDWR)
libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.mmap.restype = ctypes.c_ssize_t
assert libc.mmap(None, 4096, {1}, {0}, fd, 0) != -1
os.close(fd)
"""
PRIVATE = MAP.format("mmap.MAP_PRIVATE", "mmap.PROT_READ")
SHARED = MAP.format("mmap.MAP_SHARED", "mmap.PROT_READ")
SHARED_WRITABLE = MAP.format("mmap.MAP_SHARED", "mmap.PROT_READ | mmap.PROT_WRITE")
WRITE_ONLY = MAP.format("mmap.MAP_SHARED", "mmap.PROT_WRITE")
PRIVATE_WRITABLE = MAP.format("mmap.MAP_PRIVATE", "mmap.PROT_READ | mmap.PROT_WRITE")


@pytest.mark.parametrize("code", [PRIVATE, SHARED, SHARED_WRITABLE])
@pytest.mark.parametrize("name", ["file", " two  spaces ", "line\nbreak", "back\\012slash", "é (deleted)"])
def test_mapped_by_another_process(root: Path, code: str, name: str) -> None:
    (root / name).write_bytes(bytes(8192))
    with other_process(code, root / name):
        shown = name.replace("\\012", "\n")  # as the kernel writes both
        assert f"path {shown} is mapped from '" in refusal(root)
    check_no_open_files(str(root))


def test_mapped_by_ourselves(root: Path) -> None:
    with open(root / "sub" / "file", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    # CPython keeps a descriptor of what it maps.
    assert re.match(PREFIX + r"path sub/file is (open|mapped)\. Close it, then try again\.", refusal(root))
    mapped.close()
    check_no_open_files(str(root))


def test_deleted_files_do_not_count(root: Path) -> None:
    victim = root / "victim"
    victim.write_bytes(bytes(8192))
    with open(victim), other_process(SHARED_WRITABLE, victim):
        victim.unlink()
        check_no_open_files(str(root))


def test_a_file_may_be_named_like_a_deleted_one(root: Path) -> None:
    with open(root / "x (deleted)", "w"):
        assert "path x (deleted) is open" in refusal(root)


def test_names_that_are_not_utf8(root: Path) -> None:
    with open(os.fsencode(root) + b"/a\xff", "w"):
        assert r"path a\xff is open" in refusal(root)


def test_other_spellings_of_the_root(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    monkeypatch.chdir(tmp_path)
    with open(link / "sub" / "file"):
        assert "path sub/file is open" in refusal(link)
        assert "path sub/file is open" in refusal(Path("mount"))
        assert "path sub/file is open" in refusal(Path(f"{root}//sub/.."))


def test_a_root_with_odd_characters(tmp_path: Path) -> None:
    root = tmp_path / "a b\tc\nd\\e#é"
    root.mkdir()
    (root / "file").write_bytes(bytes(8192))
    with open(root / "file"):
        assert "path file is open" in refusal(root)
    with other_process(PRIVATE, root / "file"):
        assert "path file is mapped" in refusal(root)


def test_pipes_sockets_and_ended_processes_are_passed_over(root: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: no descriptors, no maps
    read_fd, write_fd = os.pipe()
    try:
        check_no_open_files(str(root))
    finally:
        process.wait()
        os.close(read_fd)
        os.close(write_fd)


def test_processes_of_others_are_passed_over(root: Path, as_nobody: Callable[[str, Path], str]) -> None:
    code = "from vgit.mount.open_files import check_no_open_files as c; c(sys.argv[1]); print('nothing seen')"
    shutil.chown(root, 65534)
    with open(root / "sub" / "file"):
        assert as_nobody(code, root) == "nothing seen"


@pytest.fixture
def as_nobody() -> Callable[[str, Path], str]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")

    def run(code: str, root: Path) -> str:
        for parent in (root, *root.parents):
            parent.chmod(parent.stat().st_mode | 0o755)
        imports = f"import os, sys\nsys.path[:] = {sys.path!r}\nimport vgit.mount.open_files"
        script = f"{imports}\nos.setuid(65534)\n{code}"
        ran = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, check=True)
        return ran.stdout.decode().strip()

    return run


def can_unshare() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    )


needs_namespaces = pytest.mark.skipif(not can_unshare(), reason="may not make mount namespaces")


def in_namespace(setup: str) -> tuple[str, ...]:
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{setup}; exec "$@"', "sh")


@needs_namespaces
@pytest.mark.parametrize("bound, opened", [("", "sub/file"), ("sub", "file")])
def test_a_container_that_sees_the_mount_elsewhere(root: Path, tmp_path: Path, bound: str, opened: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wrapper = in_namespace(f"mount --bind {root / bound} {elsewhere}")
    with other_process("file = open(sys.argv[1])", elsewhere / opened, wrapper=wrapper):
        assert "path sub/file is open from" in refusal(root)
    with other_process(SHARED_WRITABLE, elsewhere / opened, wrapper=wrapper):
        assert "path sub/file is mapped from" in refusal(root)
        status = (root / "sub" / "file").stat()
        assert (status.st_dev, status.st_ino) in shared_writable_maps(str(root))
    with other_process("os.chdir(sys.argv[1])", elsewhere, wrapper=wrapper):
        assert "is inside volume" in refusal(root)


@needs_namespaces
def test_a_container_with_something_else_under_the_same_path(root: Path) -> None:
    wrapper = in_namespace(f"mount -t tmpfs none {root}; touch {root}/private")
    with other_process("os.chdir(sys.argv[1]); file = open('private')", root, wrapper=wrapper):
        check_no_open_files(str(root))


@needs_namespaces
def test_a_container_with_another_root_directory(root: Path, tmp_path: Path) -> None:
    new_root = tmp_path / "newroot"
    new_root.mkdir()
    setup = f"mount --rbind / {new_root}; mkdir -p {new_root}/data; cd {new_root}"
    wrapper = (*in_namespace(setup), "chroot", str(new_root))
    with other_process("file = open(sys.argv[1])", root / "sub" / "file", wrapper=wrapper):
        assert "path sub/file is open from" in refusal(root)


def test_shared_writable_maps(root: Path) -> None:
    found = {}
    for name, code in [
        ("shared", SHARED),
        ("private", PRIVATE_WRITABLE),
        ("writable", SHARED_WRITABLE),
        ("write-only", WRITE_ONLY),
    ]:
        path = root / name
        path.write_bytes(bytes(8192))
        status = path.stat()
        with other_process(code, path):
            found[name] = (status.st_dev, status.st_ino) in shared_writable_maps(str(root))
        assert (status.st_dev, status.st_ino) not in shared_writable_maps(str(root))
    assert found == {"shared": False, "private": False, "writable": True, "write-only": True}


def test_every_shared_writable_map_of_a_process(root: Path) -> None:
    paths = [root / name for name in ("one", "new\nline", "ünï")]
    for path in paths:
        path.write_bytes(bytes(8192))
    code = "maps = [mmap.mmap(os.open(path, os.O_RDWR), 0) for path in sys.argv[1:]]"
    with other_process(code, *paths) as pid:
        expected = {(path.stat().st_dev, path.stat().st_ino, os.fsencode(path)) for path in paths}
        assert set(shared_writable(b"%d" % pid)) == expected
        assert {(device, inode) for device, inode, _ in expected} <= shared_writable_maps(str(root))


def test_shared_writable_maps_where_the_kernel_only_shows_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, "no such request")

    monkeypatch.setattr("vgit.localfs.shared_maps.fcntl.ioctl", refuse)
    test_shared_writable_maps(root)
    test_every_shared_writable_map_of_a_process(root)


def test_maps_of_other_devices_count_by_their_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on btrfs, where maps show a device that stat does not."""

    def on_another_device(process: bytes) -> list[Mapped]:
        return [file._replace(device=file.device + 1) for file in shared_writable(process)]

    monkeypatch.setattr("vgit.localfs.open_for_writing.shared_writable", on_another_device)
    test_shared_writable_maps(root)


def test_shared_writable_map_of_our_own_and_through_another_name(root: Path, tmp_path: Path) -> None:
    path = root / "file"
    path.write_bytes(bytes(8192))
    os.link(path, tmp_path / "outside")
    status = path.stat()
    with open(tmp_path / "outside", "r+b") as file, mmap.mmap(file.fileno(), 0):
        assert (status.st_dev, status.st_ino) in shared_writable_maps(str(root))


FAR_DOWN = """
for _ in range(18):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
file = open("f", "w+b")
file.write(bytes(8192))
file.flush()
view = mmap.mmap(file.fileno(), 0)
"""


@pytest.mark.parametrize("then", ["", "os.chdir('/')"])
def test_a_path_longer_than_any_stops_nobody(root: Path, tmp_path: Path, then: str) -> None:
    """The kernel does not tell it: ENAMETOOLONG. What else the process has open is seen all the same."""
    far = tmp_path / "far"
    far.mkdir()
    code = f"os.chdir(sys.argv[1])\n{FAR_DOWN}{then}\nother = open(sys.argv[2]) if sys.argv[2:] else None"
    with other_process(code, far):
        check_no_open_files(str(root))
        assert isinstance(shared_writable_maps(str(root)), set)
        OpenForWriting()
    shutil.rmtree(far)
    far.mkdir()
    with other_process(code, far, root / "sub" / "file"):
        assert "path sub/file is open from" in refusal(root)
    shutil.rmtree(far)


def test_whatever_cannot_be_looked_at_of_others_stops_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_longer(path: bytes | str, *_: object, **__: object) -> object:
        if os.fsencode(path).startswith((b"/proc/self", b"/proc/%d" % os.getpid())):
            return readlink(path)
        raise OSError(errno.EIO, "Input/output error")

    readlink = os.readlink
    monkeypatch.setattr(os, "readlink", no_longer)
    with open(root / "sub" / "file"):
        assert "path sub/file is open" in refusal(root)
    check_no_open_files(str(root))
    monkeypatch.undo()
    monkeypatch.setattr("vgit.localfs.open_for_writing.shared_writable", no_longer)
    assert shared_writable_maps(str(root)) == set()


def test_where_there_is_no_proc_nothing_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: bytes) -> bytes:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    monkeypatch.setattr(os, "readlink", missing)
    with open(root / "sub" / "file", "r+b") as file, mmap.mmap(file.fileno(), 0):
        check_no_open_files(str(root))
        assert shared_writable_maps(str(root)) == set()
        status = os.fstat(file.fileno())
        assert OpenForWriting().is_direct((status.st_dev, status.st_ino)) is None


def test_what_we_cannot_do_is_not_taken_for_a_process_that_hides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> list[Mapped]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("vgit.localfs.open_for_writing.shared_writable", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        shared_writable_maps(str(root))
