"""Test_contract: the sentences of ``protocol.py``, for every backend."""

import threading

import pytest

from vgit.backend import Backend
from vgit.errors import InvalidError, IsADirectoryConflict, NotADirectoryConflict, NotFoundError

PACK = "objects/pack/pack-1.pack"
BAD_KEYS = ["", "/a", "a/", "a//b", ".", "a/../b", "a/./b", "a\0b", "\ud800", "a.lock", "vgit.lock"]
TEMPORARY_KEYS = ["objects/pack/tmp_pack_1", "objects/ab/tmp_obj_1", "refs/.tmp_1"]


def keys(backend: Backend, prefix: str = "") -> list[str]:
    found = [listed.key for listed in backend.list(prefix)]
    assert sorted(backend.names(prefix)) == found
    return found


# get, get_into, view


@pytest.mark.parametrize("key", ["config", PACK])
def test_get_returns_ranges(backend: Backend, key: str) -> None:
    backend.put(key, b"0123456789")
    for _ in range(2):  # a kept descriptor the second time
        assert backend.get(key) == b"0123456789"
        assert backend.get(key, 3) == b"3456789"
        assert backend.get(key, 3, 4) == b"3456"
        assert backend.get(key, 3, 0) == b""
        assert backend.get(key, 8, 2**62) == b"89"
        assert backend.get(key, 99) == b""
        assert backend.get(key, 99, 5) == b""


@pytest.mark.parametrize("key", ["config", PACK])
def test_get_into_fills_in_order(backend: Backend, key: str) -> None:
    backend.put(key, b"0123456789")
    first, second = bytearray(3), bytearray(4)
    assert backend.get_into(key, 1, [first, memoryview(second)]) == 7
    assert (first, second) == (b"123", b"4567")
    assert backend.get_into(key, 5, [first, second]) == 5
    assert (first, second) == (b"567", b"8967")
    assert backend.get_into(key, 10, [first]) == 0
    assert backend.get_into(key, 50, [first]) == 0
    assert backend.get_into(key, 0, []) == 0
    assert (first, second) == (b"567", b"8967")


def test_get_into_takes_any_number_of_buffers(backend: Backend) -> None:
    data = bytes(range(256)) * 40
    backend.put(PACK, data)
    buffers = [bytearray(3) for _ in range(3000)]
    assert backend.get_into(PACK, 0, buffers) == 9000
    assert b"".join(buffers) == data[:9000]


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 300_001])
def test_view_is_whole_and_read_only(backend: Backend, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    backend.put("objects/pack/a.idx", data[:size])
    view = backend.view("objects/pack/a.idx")
    assert view == data[:size]
    assert view.readonly
    assert view.format == "B"
    assert len(view) == view.nbytes == size
    backend.delete("objects/pack/a.idx")
    assert bytes(view[size // 2 :]) == data[size // 2 : size]


def test_absent_keys_are_not_found(backend: Backend) -> None:
    backend.put("refs/heads/main", b"1")
    for key in ["nothing", "refs", "refs/heads", "refs/heads/main/below", "x" * 300, PACK]:
        with pytest.raises(NotFoundError):
            backend.get(key)
        with pytest.raises(NotFoundError):
            backend.get_into(key, 0, [bytearray(1)])
        with pytest.raises(NotFoundError):
            backend.view(key)
        with pytest.raises(NotFoundError):
            backend.touch(key)
        backend.delete(key)
    assert keys(backend) == ["refs/heads/main"]


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1), (-1, -1)])
def test_negative_ranges_are_refused(backend: Backend, start: int, length: int | None) -> None:
    backend.put("a", b"abc")
    with pytest.raises(InvalidError):
        backend.get("a", start, length)


def test_buffers_given_are_copied(backend: Backend) -> None:
    data = bytearray(b"abc")
    backend.put("a", data)
    assert backend.put_if("b", memoryview(data), None)
    with backend.stage() as staged:
        staged.write([data])
        staged.rename("c")
    data[:] = b"xyz"
    assert [backend.get(key) for key in "abc"] == [b"abc"] * 3


# keys


@pytest.mark.parametrize("key", BAD_KEYS + TEMPORARY_KEYS)
def test_bad_keys_are_refused(backend: Backend, key: str) -> None:
    for call in [
        backend.get,
        backend.view,
        backend.mark,
        backend.touch,
        backend.delete,
        lambda key: backend.put(key, b""),
        lambda key: backend.put_if(key, b"", None),
        lambda key: backend.get_into(key, 0, []),
    ]:
        with pytest.raises(InvalidError):
            call(key)
    with backend.stage() as staged, pytest.raises(InvalidError):
        staged.rename(key)
    assert keys(backend) == []


@pytest.mark.parametrize("prefix", ["/", "a//b", "../a", "a/../", "a/./b"])
def test_bad_prefixes_are_refused(backend: Backend, prefix: str) -> None:
    with pytest.raises(InvalidError):
        list(backend.list(prefix))
    with pytest.raises(InvalidError):
        list(backend.names(prefix))
    with pytest.raises(InvalidError):
        backend.sync(prefix)


@pytest.mark.parametrize("key", ["refs/tags/tmp_1", "refs/tags/ü", "refs/tags/\udcff", "a b/\n", "HEAD", "x.lock.y"])
def test_unusual_keys_are_kept(backend: Backend, key: str) -> None:
    backend.put(key, b"1")
    assert backend.put_if(key, b"2", b"1")
    assert backend.get(key) == b"2"
    assert keys(backend) == [key]


def test_a_value_and_a_directory_exclude_each_other(backend: Backend) -> None:
    backend.put("refs/a", b"1")
    for write in (
        backend.mark,
        lambda key: backend.put(key, b""),
        lambda key: backend.put_if(key, b"", None),
    ):
        with pytest.raises(NotADirectoryConflict):
            write("refs/a/b")
        with pytest.raises(IsADirectoryConflict):
            write("refs")
    assert not backend.put_if("refs/a/b", b"2", b"1")
    assert not backend.put_if("refs", b"2", b"1")
    assert keys(backend) == ["refs/a"]


def test_directories_of_deleted_values_are_not_in_the_way(backend: Backend) -> None:
    for write in (
        backend.mark,
        lambda key: backend.put(key, b""),
        lambda key: backend.put_if(key, b"", None),
    ):
        backend.put("refs/tags/v1/x/y", b"1")
        backend.delete("refs/tags/v1/x/y")
        write("refs/tags/v1")
        assert keys(backend) == ["refs/tags/v1"]
        backend.delete("refs/tags/v1")


# list


def test_list_is_in_order_of_key(backend: Backend) -> None:
    names = ["a", "a-b", "a.c/d", "ab", "b/c", "b/c-d", "b/c0", "b/d/e", "b0", "é"]
    for name in reversed(names):
        backend.put(name, b"")
    assert keys(backend) == sorted(names) == names


def test_list_by_prefix(backend: Backend) -> None:
    for name in ["refs/heads/a", "refs/heads/b", "refs/headsman", "refs/tags/a", "HEAD"]:
        backend.put(name, b"xy")
    assert keys(backend, "refs/heads/") == ["refs/heads/a", "refs/heads/b"]
    assert keys(backend, "refs/heads") == ["refs/heads/a", "refs/heads/b", "refs/headsman"]
    assert keys(backend, "refs/heads/a") == ["refs/heads/a"]
    assert keys(backend, "refs/heads/a/") == []
    assert keys(backend, "nothing/at/all") == []
    assert keys(backend, "HE") == ["HEAD"]


def test_list_gives_size_and_mtime(backend: Backend) -> None:
    backend.put("a", b"abc")
    (before,) = backend.list("")
    assert before.size_bytes == 3
    backend.touch("a")
    (after,) = backend.list("")
    assert after.mtime_ns >= before.mtime_ns > 10**18
    assert backend.get("a") == b"abc"


def test_list_shows_no_staged_or_lock_files(backend: Backend) -> None:
    with backend.exclusive(), backend.stage() as staged:
        staged.write([b"a"])
        assert keys(backend) == []


def test_list_stands_changes_between_its_steps(backend: Backend) -> None:
    for name in ["a/1", "b/1", "c/1"]:
        backend.put(name, b"")
    seen = []
    for listed in backend.list(""):
        seen.append(listed.key)
        backend.delete("b/1")
    assert seen[0] == "a/1"
    assert seen[-1] == "c/1"


# put, put_if, mark, delete


def test_put_replaces(backend: Backend) -> None:
    for value in (b"a" * 10, b"", b"b"):
        backend.put("refs/x", value)
        backend.put("objects/pack/x.idx", value)
        assert backend.get("refs/x") == backend.get("objects/pack/x.idx") == value


def test_put_if_swaps_only_what_was_expected(backend: Backend) -> None:
    assert not backend.put_if("r", b"1", b"0")
    assert not backend.put_if("r", b"1", b"")
    assert keys(backend) == []
    assert backend.put_if("r", b"1", None)
    assert not backend.put_if("r", b"2", None)
    assert not backend.put_if("r", b"2", b"")
    assert not backend.put_if("r", b"2", b"1\n")
    assert backend.get("r") == b"1"
    assert backend.put_if("r", b"", b"1")
    assert not backend.put_if("r", b"2", None)
    assert backend.put_if("r", b"2", b"")
    assert backend.get("r") == b"2"


def test_put_if_inside_exclusive(backend: Backend) -> None:
    with backend.exclusive(), backend.exclusive():
        assert backend.put_if("r", b"1", None)
    assert backend.put_if("r", b"2", b"1")


def test_mark_makes_an_empty_value_once(backend: Backend) -> None:
    backend.mark("objects/pack/a.keep")
    backend.mark("objects/pack/a.keep")
    assert backend.get("objects/pack/a.keep") == b""
    backend.put("full", b"x")
    backend.mark("full")
    assert backend.get("full") == b"x"


def test_the_last_of_several_removes_a_mark(backend: Backend) -> None:
    first, second = backend.mark("a.keep"), backend.mark("a.keep")
    first.remove()
    first.remove()
    assert keys(backend) == ["a.keep"]
    second.remove()
    assert keys(backend) == []
    person = backend.mark("b.keep")
    backend.put("b.keep", b"a person's reason")
    person.remove()
    assert keys(backend) == ["b.keep"]


def test_unmark_leaves_what_somebody_holds(backend: Backend) -> None:
    mark = backend.mark("a.keep")
    backend.put("a.pack", b"1")
    assert not backend.unmark("a.keep", also=["a.pack"])
    assert keys(backend) == ["a.keep", "a.pack"]
    mark.remove()
    assert not backend.unmark("a.keep", also=["a.pack"])
    assert keys(backend) == ["a.pack"]


def test_now_is_what_a_new_key_would_have(backend: Backend) -> None:
    before = backend.now_ns()
    backend.put("a", b"1")
    (listed,) = backend.list("")
    assert before <= listed.mtime_ns <= backend.now_ns()
    assert keys(backend) == ["a"]


def test_delete_is_idempotent(backend: Backend) -> None:
    backend.put(PACK, b"1")
    assert backend.get(PACK) == b"1"
    backend.delete(PACK)
    backend.delete(PACK)
    with pytest.raises(NotFoundError):
        backend.get(PACK)


def test_sync_takes_any_directory(backend: Backend) -> None:
    backend.put("refs/heads/main", b"1")
    for prefix in ["", "refs", "refs/", "refs/heads", "nothing/there", "refs/heads/main"]:
        backend.sync(prefix)


# stage


def test_staged_bytes_get_a_name(backend: Backend) -> None:
    with backend.stage() as staged:
        staged.write([b"0123", memoryview(b"45"), bytearray(b"")])
        staged.write([])
        staged.write([b"6789"])
        assert staged.size_bytes == 10
        staged.patch(2, b"xyz")
        assert staged.size_bytes == 10
        assert staged.read(1, 5) == b"1xyz5"
        assert staged.read(8, 99) == b"89"
        assert staged.read(99, 1) == b""
        assert keys(backend) == []
        staged.rename(PACK)
        assert backend.get(PACK) == b"01xyz56789"
        staged.discard()
    backend.sync("objects/pack")
    assert backend.get(PACK) == b"01xyz56789"


def test_staged_takes_any_number_of_parts(backend: Backend) -> None:
    parts = [bytes([n % 256]) * 3 for n in range(5000)]
    with backend.stage() as staged:
        staged.write(parts)
        assert staged.size_bytes == 15000
        staged.rename(PACK)
    assert backend.get(PACK) == b"".join(parts)


def test_rename_replaces_and_makes_directories(backend: Backend) -> None:
    for value in (b"1", b"22"):
        with backend.stage() as staged:
            staged.write([value])
            staged.rename("some/new/place.pack")
        assert backend.get("some/new/place.pack") == value


def test_what_was_not_renamed_is_gone(backend: Backend) -> None:
    with pytest.raises(ZeroDivisionError), backend.stage() as staged:
        staged.write([b"a"])
        raise ZeroDivisionError
    staged.discard()
    assert keys(backend) == []


@pytest.mark.parametrize("end", ["rename", "discard"])
def test_staged_is_of_no_use_after_its_end(backend: Backend, end: str) -> None:
    staged = backend.stage()
    staged.write([b"abc"])
    if end == "rename":
        staged.rename("a")
    else:
        staged.discard()
    for use in (
        lambda: staged.write([b"a"]),
        lambda: staged.patch(0, b"a"),
        lambda: staged.read(0, 1),
        lambda: staged.rename("b"),
    ):
        with pytest.raises(InvalidError):
            use()
    staged.discard()


@pytest.mark.parametrize(("offset", "size"), [(0, 4), (2, 2), (3, 1), (-1, 1)])
def test_patch_stays_within_what_was_written(backend: Backend, offset: int, size: int) -> None:
    with backend.stage() as staged:
        staged.write([b"abc"])
        with pytest.raises(InvalidError):
            staged.patch(offset, b"x" * size)
        assert staged.read(0, 9) == b"abc"
        assert staged.size_bytes == 3


# threads, children


def run_threads(count: int, work: object) -> None:
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_swaps_by_threads_lose_nothing(backend: Backend) -> None:
    backend.put("n", b"0")

    def count_up() -> None:
        done = 0
        while done < 20:
            value = backend.get("n")
            done += backend.put_if("n", b"%d" % (int(value) + 1), value)

    run_threads(5, count_up)
    assert backend.get("n") == b"100"


def test_exclusive_excludes_threads(backend: Backend) -> None:
    inside = []
    most = []

    def enter() -> None:
        for _ in range(10):
            with backend.exclusive(), backend.exclusive():
                inside.append(1)
                most.append(len(inside))
                backend.get("n")
                inside.pop()

    backend.put("n", b"")
    run_threads(4, enter)
    assert set(most) == {1}
    assert len(most) == 40


def test_a_turn_is_not_waited_for_longer_than_asked(backend: Backend) -> None:
    with backend.turn(5), backend.exclusive(), backend.turn(0), backend.turn(0.01):
        assert backend.put_if("n", b"1", None)
    with pytest.raises(ZeroDivisionError), backend.turn(5):
        raise ZeroDivisionError
    assert keys(backend) == ["n"]


def test_readers_see_whole_values(backend: Backend) -> None:
    values = [bytes([65 + n]) * 5000 for n in range(4)]
    backend.put("v", values[0])
    stop = threading.Event()
    seen = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(backend.get("v"))

    def write() -> None:
        try:
            for n in range(30):
                backend.put("v", values[n % 4])
        finally:
            stop.set()

    turns = iter([write, read, read])
    run_threads(3, lambda: next(turns)())
    assert seen <= set(values)


def test_children_have_keys_and_locks_of_their_own(backend: Backend) -> None:
    one, two = backend.child("volumes/1"), backend.child("volumes/2/")
    one.put("config", b"1")
    assert two.put_if("config", b"2", None)
    assert keys(backend) == ["volumes/1/config", "volumes/2/config"]
    assert keys(two) == ["config"]
    assert backend.get("volumes/2/config") == b"2"
    entered = threading.Event()

    def enter() -> None:
        with two.exclusive():
            entered.set()

    with one.exclusive(), backend.exclusive():
        run_threads(1, enter)
    assert entered.is_set()


def test_two_children_of_one_prefix_share_the_lock(backend: Backend) -> None:
    left = threading.Event()
    order = []

    def enter() -> None:
        with backend.child("v").exclusive():
            order.append(left.is_set())

    with backend.child("v").exclusive():
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.05)
        left.set()
    thread.join()
    assert order == [True]


# hold, clear


def test_a_key_has_one_holder(backend: Backend) -> None:
    held = backend.hold("alive/a")
    assert held is not None and held.is_held
    assert keys(backend, "alive/") == ["alive/a"]
    assert backend.hold("alive/a") is None
    other = backend.hold("alive/b")
    assert other is not None
    held.release()
    held.release()
    assert not held.is_held
    again = backend.hold("alive/a")
    assert again is not None
    backend.delete("alive/a")
    backend.sync("alive/")
    again.release()
    other.release()
    assert keys(backend, "alive/") == ["alive/b"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_only_keys_are_held(backend: Backend, key: str) -> None:
    with pytest.raises(InvalidError):
        backend.hold(key)


def test_clear_leaves_nothing(backend: Backend) -> None:
    child, beside = backend.child("volumes/b.git"), backend.child("volumes/b.gitx")
    child.clear()  # of what is not there
    child.put("config", b"1")
    child.put(PACK, b"2")
    beside.put("config", b"3")
    assert child.get(PACK) == b"2"
    with child.exclusive():
        child.clear()
    assert keys(child) == []
    with pytest.raises(NotFoundError):
        child.get(PACK)
    assert beside.get("config") == b"3"
    child.put("config", b"4")
    assert child.get("config") == b"4"
