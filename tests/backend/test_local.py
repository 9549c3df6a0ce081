"""Test_local: what only a file system can do to a backend."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backend.conftest import FakeTime
from vgit.backend import directories
from vgit.backend.descriptor_cache import DescriptorCache
from vgit.backend.local import LocalBackend
from vgit.errors import BackendUnavailableError, LockedError, NotFoundError
from vgit.localfs import write_hints


@pytest.fixture
def local(tmp_path: Path) -> LocalBackend:
    return LocalBackend(str(tmp_path))


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# descriptors


def test_descriptors_are_bounded(tmp_path: Path) -> None:
    descriptors = DescriptorCache()
    local = LocalBackend(str(tmp_path), descriptors=descriptors)
    names = [f"objects/pack/{n}.pack" for n in range(200)]
    for name in names:
        local.put(name, name.encode())
    before = open_descriptors()
    for backend, prefix in [
        (local, ""),
        (LocalBackend("/", descriptors=descriptors), str(tmp_path)[1:] + "/"),
    ]:
        for name in names:
            assert backend.get(prefix + name) == name.encode()
    assert 0 < open_descriptors() - before <= 64
    descriptors.check()
    local.close()
    assert open_descriptors() == before
    assert local.get(names[0]) == names[0].encode()
    del local, backend, descriptors
    assert open_descriptors() == before


def test_small_files_that_change_are_not_kept_open(local: LocalBackend) -> None:
    local.put("refs/a", b"1")
    before = open_descriptors()
    for _ in range(10):
        local.get("refs/a")
        with pytest.raises(NotFoundError):
            local.get("refs")
    assert open_descriptors() == before


def test_views_keep_no_descriptor(local: LocalBackend) -> None:
    data = os.urandom(100_000)
    local.put("objects/pack/a.idx", data)
    before = open_descriptors()
    views = [local.view("objects/pack/a.idx") for _ in range(100)]
    assert open_descriptors() <= before + 1
    assert all(view == data for view in views)
    with pytest.raises(TypeError):
        views[0][0] = 1
    part = views[0][1000:2000]
    del views
    assert part == data[1000:2000]


def test_a_descriptor_is_not_closed_under_a_reader(tmp_path: Path) -> None:
    local = LocalBackend(str(tmp_path), descriptors=DescriptorCache(limit=2))
    names = [f"{n}.pack" for n in range(10)]
    for n, name in enumerate(names):
        local.put(name, bytes([n]) * 100_000)
    failures: list[object] = []

    def read() -> None:
        try:
            for turn in range(300):
                n = turn * 7 % 10
                assert local.get(names[n]) == bytes([n]) * 100_000
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_replaced_pack_is_read_anew(local: LocalBackend) -> None:
    for value in (b"1", b"22"):
        with local.stage() as staged:
            staged.write([value])
            staged.rename("a.pack")
        assert local.get("a.pack") == value
        local.put("a.pack", value + b"!")
        assert local.get("a.pack") == value + b"!"


# pieces


def test_the_kernel_may_work_in_pieces(local: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, preadv, pwritev = os.pread, os.preadv, os.pwritev

    def first_bytes(buffers: list[memoryview]) -> list[memoryview]:
        return [memoryview(buffer)[:7] for buffer in buffers if len(buffer)][:1]

    monkeypatch.setattr(os, "pread", lambda fd, length, start: pread(fd, min(length, 7), start))
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, start: preadv(fd, first_bytes(buffers), start))
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, start: pwritev(fd, first_bytes(buffers), start))
    data = bytes(range(100))
    local.put("a", data)
    assert local.get("a") == data
    assert local.get("a", 20, 30) == data[20:50]
    with local.stage() as staged:
        staged.write([data[:3], b"", data[3:40], data[40:]])
        staged.patch(50, b"0123456789")
        staged.rename("b")
    changed = data[:50] + b"0123456789" + data[60:]
    buffers = [bytearray(9), bytearray(0), bytearray(60), bytearray(60)]
    assert local.get_into("b", 0, buffers) == 100
    assert b"".join(buffers)[:100] == changed


@pytest.mark.parametrize("known", [True, False])
def test_room_that_was_asked_for_is_given_back(
    local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if not known:
        monkeypatch.setattr(write_hints, "_fallocate", None)
        monkeypatch.setattr(write_hints, "_sync_file_range", None)
    with local.stage() as staged:
        for _ in range(70):
            staged.write([bytes(1 << 20)])
        staged.rename("a")
    status = (tmp_path / "a").stat()
    assert status.st_size == 70 << 20
    assert status.st_blocks * 512 <= 71 << 20


# files


def test_modes_are_gits(local: LocalBackend, tmp_path: Path) -> None:
    local.put("objects/pack/a.idx", b"")
    local.put("config", b"")
    local.put_if("refs/heads/main", b"", None)
    with local.stage() as staged:
        staged.rename("objects/pack/a.pack")

    def writable(name: str) -> bool:
        return bool(stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o222)

    assert [writable(name) for name in ("objects/pack/a.idx", "objects/pack/a.pack")] == [False, False]
    assert writable("config")
    assert not writable("refs/heads/main")  # the mark of our locks


def test_temporaries_have_names_that_git_sweeps(local: LocalBackend, tmp_path: Path) -> None:
    staged = local.stage()
    (name,) = os.listdir(tmp_path / "objects/pack")
    assert name.startswith("tmp_pack_")
    staged.discard()
    assert os.listdir(tmp_path / "objects/pack") == []


def test_sweep_removes_old_temporaries_only(local: LocalBackend, tmp_path: Path) -> None:
    names = ["objects/pack/tmp_pack_1", "objects/ab/tmp_obj_1", ".tmp_1", "refs/heads/.tmp_1"]
    kept = ["refs/tags/tmp_1", "objects/pack/a.pack", "refs/heads/main.lock"]
    for name in names + kept:
        for path in (tmp_path / name, tmp_path / (name + "new")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        os.utime(tmp_path / name, (0, 0))
    assert local.sweep(86400) == 4
    assert [name for name in names + kept if (tmp_path / name).exists()] == kept
    assert all((tmp_path / (name + "new")).exists() for name in names + kept)


def test_a_symlinked_directory_is_followed(local: LocalBackend, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects/pack").symlink_to(tmp_path / "elsewhere")
    local.put("objects/pack/a.pack", b"1")
    with local.stage() as staged:
        staged.rename("objects/pack/b.pack")
    assert [listed.key for listed in local.list("objects/")] == ["objects/pack/a.pack", "objects/pack/b.pack"]


def test_list_leaves_out_what_vanishes(local: LocalBackend, tmp_path: Path) -> None:
    for name in ("a", "b", "c/d"):
        local.put(name, b"")
    (tmp_path / "dangling").symlink_to("nothing")
    listing = local.list("")
    assert next(listing).key == "a"
    (tmp_path / "b").unlink()
    (tmp_path / "c/d").unlink()
    (tmp_path / "c").rmdir()
    assert list(listing) == []


def test_directories_that_git_removes_meanwhile(local: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    make = directories.make_directory
    removals = iter(range(3))

    def make_in_vain(path: str) -> None:
        make(path)
        if next(removals, None) is not None:
            os.rmdir(path)

    monkeypatch.setattr(directories, "make_directory", make_in_vain)
    assert local.put_if("refs/heads/topic/one", b"1", None)
    assert local.get("refs/heads/topic/one") == b"1"


# what is synced, and when


def record_calls(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def name(path: str) -> str:
        relative = os.path.relpath(path, root)
        head, _, tail = relative.rpartition("/")
        return f"{head}/tmp" if "tmp_" in tail else relative

    def recording_fsync(fd: int) -> None:
        calls.append("fsync " + name(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def recording_rename(source: str, target: str) -> None:
        calls.append(f"rename {name(source)} {name(target)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", recording_rename)
    return calls


def test_put_is_durable(local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = record_calls(monkeypatch, tmp_path)
    local.put("objects/pack/a.idx", b"1")
    assert calls == [
        "fsync .",
        "fsync objects",
        "fsync objects/pack/tmp",
        "rename objects/pack/tmp objects/pack/a.idx",
        "fsync objects/pack",
    ]


def test_put_if_is_durable(local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local.put_if("refs/main", b"1", None)
    calls = record_calls(monkeypatch, tmp_path)
    local.put_if("refs/main", b"2", b"1")
    assert calls == ["fsync refs/main.lock", "rename refs/main.lock refs/main", "fsync refs"]


def test_rename_then_sync_is_durable(local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with local.stage() as staged:
        calls = record_calls(monkeypatch, tmp_path)
        staged.rename("objects/pack/a.pack")
        local.sync("objects/pack")
    assert calls == [
        "fsync objects/pack/tmp",
        "rename objects/pack/tmp objects/pack/a.pack",
        "fsync objects/pack",
    ]


# locks


def test_a_lock_of_stock_git_is_waited_for(tmp_path: Path, time: FakeTime) -> None:
    local = LocalBackend(str(tmp_path), clock=time.clock)
    lock = tmp_path / "refs/heads/main.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()

    def release() -> None:
        if time.seconds > 2:
            lock.unlink(missing_ok=True)

    time.on_sleep = release
    assert local.put_if("refs/heads/main", b"1", None)
    assert 2 < time.seconds < 5


def test_a_lock_of_stock_git_is_never_broken(tmp_path: Path, time: FakeTime) -> None:
    local = LocalBackend(str(tmp_path), clock=time.clock)
    lock = tmp_path / "refs/heads/main.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    hour_ago = time.clock.now_ns() - 3600 * 10**9
    os.utime(lock, ns=(hour_ago, hour_ago))
    for _ in range(2):
        with pytest.raises(LockedError, match=r"main\.lock is in the way.* 36\d\d s old.*remove that file"):
            local.put_if("refs/heads/main", b"1", None)
    assert lock.exists()
    assert 10 <= time.seconds < 11
    assert (tmp_path / "vgit.lock").read_bytes() == b""


def test_a_lock_held_too_long_is_an_error(tmp_path: Path, time: FakeTime) -> None:
    holder = LocalBackend(str(tmp_path))
    waiter = LocalBackend(str(tmp_path), clock=time.clock)
    with holder.exclusive(), pytest.raises(LockedError, match=r"vgit\.lock was held by others for 60 s"):
        waiter.put_if("a", b"1", None)
    assert 60 <= time.seconds < 61
    assert waiter.put_if("a", b"1", None)


def test_a_waiter_takes_the_file_that_has_the_name(tmp_path: Path, time: FakeTime) -> None:
    one, two = LocalBackend(str(tmp_path)), LocalBackend(str(tmp_path), clock=time.clock)
    held = one.exclusive()
    held.__enter__()

    def delete_and_leave() -> None:
        time.on_sleep = lambda: None
        (tmp_path / "vgit.lock").unlink()
        held.__exit__()

    time.on_sleep = delete_and_leave
    with two.exclusive():
        descriptor = os.open(tmp_path / "vgit.lock", os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)


def test_a_file_system_without_flock_is_refused(local: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    with pytest.raises(BackendUnavailableError, match="given to two at once"), local.exclusive():
        pass
    monkeypatch.undo()
    with local.exclusive():
        pass


def test_a_file_system_that_knows_no_flock_is_refused(local: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(fd: int, operation: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(BackendUnavailableError, match="could not lock"), local.exclusive():
        pass


def test_turns_are_taken_one_after_the_other(tmp_path: Path, time: FakeTime) -> None:
    one, two = LocalBackend(str(tmp_path)), LocalBackend(str(tmp_path), clock=time.clock)
    with one.turn(5):
        with two.turn(5):
            assert 5 <= time.seconds < 6  # in vain, and went on
        with two.exclusive():
            pass
    waited = time.seconds
    with two.turn(5):
        assert time.seconds == waited


# errors


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "dmesg"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOTRECOVERABLE, "ENOTRECOVERABLE"),
    ],
)
@pytest.mark.parametrize("call", ["open", "fsync", "rename", "pwritev"])
def test_what_the_world_does_is_unavailable(
    local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str, call: str
) -> None:
    local.put_if("ref", b"old", None)

    def fail(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    writes: list[Callable[[], object]] = [
        lambda: local.put("ref", b"new"),
        lambda: local.put_if("ref", b"new", b"old"),
        lambda: stage(local),
    ]
    for write in writes:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(BackendUnavailableError, match=advice) as caught:
                write()
        assert str(tmp_path) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
    assert local.get("ref") == b"old"
    left = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert sorted(left) == ["ref", "vgit.lock"]
    assert local.put_if("ref", b"new", b"old")


def stage(local: LocalBackend) -> None:
    with local.stage() as staged:
        staged.write([b"1"])
        staged.rename("a.pack")


def test_a_failed_directory_sync_after_the_swap_is_an_error(
    local: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put_if("refs/a", b"old", None)
    fsync = os.fsync
    lock = tmp_path / "refs/a.lock"

    def fail_on_directories(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            lock.touch()  # Stock git comes by at once.
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail_on_directories)
    with pytest.raises(BackendUnavailableError, match="EIO"):
        local.put_if("refs/a", b"new", b"old")
    assert local.get("refs/a") == b"new"
    assert lock.exists()


def test_a_read_error_is_not_an_absent_key(local: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    local.put("ref", b"old")
    opened = os.open

    def no_more(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", no_more)
    with pytest.raises(BackendUnavailableError, match="EMFILE"):
        local.get("ref")
    with pytest.raises(BackendUnavailableError, match="EMFILE"):
        local.put_if("ref", b"new", None)
