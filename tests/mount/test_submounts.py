"""Test_submounts: another file system, or a part of the same one, that is mounted inside a mount."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench, listing
from tests.mount.mounting import can_mount, mounted
from vgit.files.left_out import LeftOutKind
from vgit.mount import submounts
from vgit.mount.open import unbind
from vgit.mount.plan import Step
from vgit.mount.plan_execution import PlanExecution
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory

pytestmark = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a file system")


@pytest.fixture(params=["tmpfs", "bind"])
def pair(request: pytest.FixtureRequest, bench: Bench) -> Iterator[tuple[WorkingDirectory, WorkingDirectory]]:
    """Two mounts with files in ``x/cache``; that of the second is mounted there."""
    a, b = bench.mount("a"), bench.mount("b")
    cache = FilePath(b.path, "x/cache")
    cache.mkdir(parents=True)
    cache.chmod(0o755)
    with mounted(cache, request.param, bench.base / "elsewhere"):
        for name in ("old", "same", "gone", "mode", "d/in"):
            put(a, f"x/cache/{name}", "old")
        put(a, "beside", "old")
        a.commit(AUTHOR)
        b.reload()
        yield a, b
        b.close()


def put(mount: WorkingDirectory, name: str, content: str) -> FilePath:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def change(a: WorkingDirectory) -> None:
    cache = FilePath(a.path, "x/cache")
    put(a, "x/cache/old", "new content")
    put(a, "x/cache/d/added", "new")
    put(a, "x/cache/e/f", "new")
    put(a, "beside", "new")
    (cache / "gone").unlink()
    (cache / "mode").chmod(0o600)
    (cache / "d").chmod(0o700)
    os.symlink("old", cache / "link")
    a.commit(AUTHOR)


def without_top(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Return a listing without what is mounted itself, whose mode is not ours alone."""
    return {path: what for path, what in found.items() if path != "x/cache"}


def test_what_others_publish_comes_there_too(
    bench: Bench, pair: tuple[WorkingDirectory, WorkingDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    change(a)
    reloaded = b.reload()
    assert not reloaded.kept and not reloaded.left_out
    assert without_top(listing(b.path)) == without_top(listing(a.path))
    assert ".vgit-beside" not in os.listdir(FilePath(b.path, "x/cache"))
    assert not b.status().edits
    assert b.commit(AUTHOR).published is None
    put(b, "x/cache/old", "of b")
    b.commit(AUTHOR)
    a.reload()
    assert FilePath(a.path, "x/cache/old").read_text() == "of b"


def test_a_change_that_slips_in_there_stays(
    pair: tuple[WorkingDirectory, WorkingDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    change(a)
    plan = PlanExecution.run

    def late(self: PlanExecution, steps: list[Step]) -> None:
        for name in ("old", "gone", "d/added"):
            put(b, f"x/cache/{name}", "MINE")
        plan(self, steps)

    with monkeypatch.context() as patch:
        patch.setattr(PlanExecution, "run", late)
        assert {path[2:] for path in b.reload().kept} == {("old",), ("gone",), ("d", "added")}
    assert all(FilePath(b.path, "x/cache", name).read_text() == "MINE" for name in ("old", "gone", "d/added"))
    b.reload(LocalChanges.DISCARD)
    assert without_top(listing(b.path)) == without_top(listing(a.path))


def test_an_unmount_takes_the_files_there_as_well(pair: tuple[WorkingDirectory, WorkingDirectory]) -> None:
    _, b = pair
    unbind(b, remove_files=True)
    assert [path for path in listing(b.path) if not path.startswith("x")] == []
    assert os.listdir(FilePath(b.path, "x/cache")) == []


def test_what_is_mounted_read_only_is_left_out_and_says_so(
    bench: Bench, pair: tuple[WorkingDirectory, WorkingDirectory]
) -> None:
    a, b = pair
    cache = FilePath(b.path, "x/cache")
    change(a)
    head = bench.published()
    subprocess.run(["mount", "-o", "remount,ro,bind", cache], check=True)
    reloaded = b.reload()
    assert [(one.path, one.kind) for one in reloaded.left_out] == [(("x", "cache"), LeftOutKind.MOUNTED)]
    assert not reloaded.kept
    assert FilePath(b.path, "beside").read_text() == "new"
    assert (cache / "old").read_text() == "old"
    assert [one.kind for one in b.status().left_out] == [LeftOutKind.MOUNTED]
    assert b.commit(AUTHOR).published is None
    assert bench.published() == head
    b.reload(LocalChanges.DISCARD)
    subprocess.run(["mount", "-o", "remount,rw,bind", cache], check=True)
    assert not b.reload().left_out
    assert without_top(listing(b.path)) == without_top(listing(a.path))
    assert not b.status().left_out


def test_a_file_at_which_another_is_mounted(bench: Bench) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    for name in ("f", "gone"):
        put(a, name, "old")
    a.commit(AUTHOR)
    b.reload()
    put(a, "f", "new content")
    put(a, "g", "new")
    a.commit(AUTHOR)
    with mounted(FilePath(b.path, "f"), "file", bench.base / "elsewhere"):
        for _ in range(2):
            reloaded = b.reload(LocalChanges.DISCARD)
            assert [(one.path, one.kind) for one in reloaded.left_out] == [(("f",), LeftOutKind.MOUNTED)]
        assert FilePath(b.path, "g").read_text() == "new"
    b.reload()
    b.reload(LocalChanges.DISCARD)
    assert listing(b.path) == listing(a.path)


def test_without_a_mount_table_nothing_is_lost(
    pair: tuple[WorkingDirectory, WorkingDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    change(a)
    with monkeypatch.context() as patch:
        patch.setattr(submounts, "mounted_below", lambda root: [])
        assert ("x", "cache", "old") in b.reload().kept
    assert FilePath(b.path, "x/cache/old").read_text() == "old"
    b.reload()
    assert without_top(listing(b.path)) == without_top(listing(a.path))


def test_a_place_that_a_death_left_is_tidied_and_never_published(
    bench: Bench, pair: tuple[WorkingDirectory, WorkingDirectory]
) -> None:
    a, b = pair
    place = FilePath(b.path, "x/cache/.vgit-beside")
    place.mkdir()
    (place / "12345678-1").write_text("half")
    assert b.commit(AUTHOR).published is None
    change(a)
    b.reload()
    assert not place.exists()
    assert not any("beside/" in path or ".vgit" in path for path in bench.published())


def test_a_directory_around_it_is_not_removed_with_it(
    bench: Bench, pair: tuple[WorkingDirectory, WorkingDirectory]
) -> None:
    a, b = pair
    shutil.rmtree(FilePath(a.path, "x"))
    a.commit(AUTHOR)
    b.reload()
    assert os.listdir(FilePath(b.path, "x/cache")) == []
    assert b.reload().kept in ((), (("x",), ("x", "cache")))


@pytest.mark.parametrize("again", ["nothing", "another"])
def test_what_is_not_mounted_any_more_is_no_removal(bench: Bench, monkeypatch: pytest.MonkeyPatch, again: str) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    cache = FilePath(b.path, "cache")
    cache.mkdir()
    put(a, "cache/d/f", "of a")
    put(a, "cache/g", "of a")
    a.commit(AUTHOR)
    with mounted(cache, "tmpfs", bench.base):
        b.reload()
        assert (cache / "d/f").read_text() == "of a"
        assert b.commit(AUTHOR).published is None
    with mounted(cache if again == "another" else bench.base / "a" / "cache", "tmpfs", bench.base):
        head = bench.published()
        put(b, "beside", "x")
        put(b, "cache/new", "x")
        for _ in range(2):
            committed = b.commit(AUTHOR)
            b.reload()
            assert [(one.path, one.kind) for one in committed.left_out] == [(("cache",), LeftOutKind.UNREADABLE)]
            assert "`vgit reload --discard`" in committed.left_out[0].reason
        assert set(bench.published()) == {*head, "beside", "cache/new"}
        b.reload(LocalChanges.DISCARD)
        assert (cache / "d/f").read_text() == "of a"
        assert not b.status().left_out
        shutil.rmtree(cache / "d")
        b.commit(AUTHOR)
        assert "cache/d" not in bench.published()


def test_what_is_mounted_over_files_removes_none_and_sets_no_mode(bench: Bench) -> None:
    a = bench.mount("a")
    put(a, "x/f", "old")
    a.commit(AUTHOR)
    x = FilePath(a.path, "x")
    head = bench.published()
    with mounted(x, "tmpfs", bench.base / "elsewhere"):
        x.chmod(0o1777)
        put(a, "x/new", "new")
        committed = a.commit(AUTHOR)
        assert [(one.path, one.kind) for one in committed.left_out] == [(("x",), LeftOutKind.UNREADABLE)]
        assert a.reload().kept == ()
        a.commit(AUTHOR)
        after = bench.published()
        assert after.keys() - head.keys() == {"x/new"} and after["x/f"] == head["x/f"]
        assert after["x"].mode == head["x"].mode
        put(a, "x/f", "again")
        a.commit(AUTHOR)
        (x / "f").unlink()
        assert not a.commit(AUTHOR).left_out
        assert "x/f" not in bench.published(), "what was removed in it counts as removed from then on"
    a.close()


def test_what_is_removed_where_adopting_found_something_mounted_is_removed(bench: Bench) -> None:
    a = bench.mount("a")
    put(a, "x/f", "old")
    a.commit(AUTHOR)
    x = bench.base / "b" / "x"
    x.mkdir(parents=True)
    with mounted(x, "tmpfs", bench.base / "elsewhere"):
        b = bench.mount("b", adopt=True)
        assert (x / "f").read_text() == "old"
        (x / "f").unlink()
        assert not b.commit(AUTHOR).left_out
        assert "x/f" not in bench.published()
        b.close()
