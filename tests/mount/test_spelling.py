"""Test_spelling: where a file system takes two names for one, nothing of either is lost or taken for removed."""

import os
from pathlib import Path as FilePath

import pytest

from tests.folding import fold
from tests.mount.conftest import AUTHOR, Bench
from vgit.mount.open import unbind
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory

PAIRS = [("A", "a"), ("caf\u00e9", "cafe\u0301"), ("d/Stra\u00dfe", "d/STRASSE")]


def put(mount: WorkingDirectory, name: str, content: str) -> FilePath:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(mount: WorkingDirectory) -> list[str]:
    top = FilePath(mount.path)
    found = (str(path.relative_to(top)) for path in top.rglob("*") if ".vgit" not in path.parts)
    return sorted(found)


def text(mount: WorkingDirectory, name: str) -> str:
    return FilePath(mount.path, name).read_text()


def check_only_one_is_here(bench: Bench, mount: WorkingDirectory, pair: tuple[str, str]) -> None:
    """The first is here, the other is told of, and a commit publishes no removal of it, nor of what is in it."""
    head = bench.published()
    here = names(mount)
    assert any(name == pair[0] or name.startswith(pair[0] + "/") for name in here)
    assert not any(name == pair[1] or name.startswith(pair[1] + "/") for name in here)
    status = mount.status()
    assert not status.edits
    problem = next(one for one in status.left_out if one.path == tuple(pair[1].split("/")))
    assert "takes its name for" in problem.reason
    put(mount, "other", "x")
    mount.commit(AUTHOR)
    assert [one.path for one in mount.left_out] == [problem.path]
    assert set(bench.published()) == {*head, "other"}
    assert all(bench.published()[path].hash == head[path].hash for path in head)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("content", ["the same", "another"])
@pytest.mark.parametrize("way", ["checkout", "reload", "adopt"])
def test_a_file(bench: Bench, monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str], content: str, way: str) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    first, second = sorted(pair)
    put(a, first, "the same")
    put(a, second, content)
    a.commit(AUTHOR)
    fold(monkeypatch)
    if way == "adopt":
        (bench.base / "c" / first).parent.mkdir(parents=True)
        (bench.base / "c" / first).write_text("the same")
        put(a, "new", "x")
    if way == "reload":
        mount = b
        reloaded = b.reload()
        assert [one.path for one in reloaded.left_out] == [tuple(second.split("/"))]
        assert not reloaded.kept
    else:
        mount = bench.mount("c", adopt=way == "adopt")
    assert text(mount, first) == "the same"
    check_only_one_is_here(bench, mount, (first, second))
    mount.reload(LocalChanges.DISCARD)
    assert text(mount, first) == "the same"
    check_only_one_is_here(bench, mount, (first, second))


@pytest.mark.parametrize("way", ["checkout", "reload", "adopt"])
def test_a_directory_and_all_in_it(bench: Bench, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    put(a, "D/one", "of D")
    put(a, "D/both", "of D")
    put(a, "d/both", "of d")
    put(a, "d/e/two", "of d")
    a.commit(AUTHOR)
    fold(monkeypatch)
    if way == "adopt":
        (bench.base / "c" / "D").mkdir(parents=True)
        (bench.base / "c" / "D" / "both").write_text("of D")
    if way == "reload":
        mount = b
        reloaded = b.reload()
        assert [one.path for one in reloaded.left_out] == [("d",)]
        assert not reloaded.kept
    else:
        mount = bench.mount("c", adopt=way == "adopt")
    assert [name for name in names(mount) if name != "other"] == ["D", "D/both", "D/one"]
    assert text(mount, "D/both") == "of D"
    check_only_one_is_here(bench, mount, ("D", "d"))


def test_what_was_left_out_comes_when_there_is_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    put(a, "D/f", "of D")
    put(a, "d/f", "of d")
    put(a, "F", "of F")
    put(a, "f", "of f")
    a.commit(AUTHOR)
    with monkeypatch.context() as patch:
        fold(patch)
        b.reload()
        assert names(b) == ["D", "D/f", "F"]
    FilePath(a.path, "D/f").unlink()
    FilePath(a.path, "D").rmdir()
    FilePath(a.path, "F").unlink()
    a.commit(AUTHOR)
    fold(monkeypatch)
    assert not b.reload().left_out
    assert not b.status().left_out
    assert {name: text(b, name) for name in ("d/f", "f")} == {"d/f": "of d", "f": "of f"}
    assert not b.status().edits


@pytest.mark.parametrize("local", ["F", "D/f"])
def test_a_name_that_others_spell_in_another_way_now(bench: Bench, monkeypatch: pytest.MonkeyPatch, local: str) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    put(a, local, "old")
    a.commit(AUTHOR)
    b.reload()
    top = local.split("/", maxsplit=1)[0]
    FilePath(a.path, top).rename(FilePath(a.path, top.lower()))
    a.commit(AUTHOR)
    fold(monkeypatch)
    assert not b.reload().left_out
    assert text(b, local.lower()) == "old"
    assert not b.status().edits
    assert b.commit(AUTHOR).published is None


def test_a_local_file_under_another_spelling_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    put(a, "f", "of a")
    a.commit(AUTHOR)
    put(b, "F", "of b")
    fold(monkeypatch)
    assert [one.path for one in b.reload(LocalChanges.DISCARD).left_out] in ([], [("f",)])
    put(b, "F", "of b")
    b.reload()
    assert text(b, "F") == "of b"
    b.commit(AUTHOR)
    assert {"f", "F"} >= set(bench.published()) >= {"F"}


def test_what_is_left_out_keeps_no_mount_from_ending(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = bench.mount("a"), bench.mount("b")
    put(a, "A", "1")
    put(a, "a", "2")
    a.commit(AUTHOR)
    b.close()
    fold(monkeypatch)
    bench.mount("b").close()
    assert unbind(bench.mount_as_it_is("b"), remove_files=True)
    assert os.listdir(bench.base / "b") == []
    assert set(bench.published()) == {"a", "A"}
