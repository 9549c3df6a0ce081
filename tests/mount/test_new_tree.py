"""New tree: what a directory that is made whole comes to is what its files would have, whatever is at head."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest

from tests.gitjudge import clone
from tests.mount.conftest import Bench, listing
from vgit.errors import BackendUnavailableError
from vgit.files import small_files
from vgit.files.small_files import SmallFile, SmallFileReader
from vgit.mount import mount_commit
from vgit.objects.object_writer import ObjectWriter, PackVanished
from vgit.paths import ROOT, Path
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.tree.edits import Edits

NAMES = [".git", ".vgitx", ".vgit~x", "per%cent", "new\nline", "ünï", "plain", "zero", "run"]


@pytest.fixture
def proposed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Edits]]:
    """The edits of each commit that was asked for."""
    edits = []

    def note(repository: Repository, proposal: Proposal, writer: ObjectWriter) -> Published | None:
        edits.append(proposal.edits)
        return publish(repository, proposal, writer)

    monkeypatch.setattr(mount_commit, "publish", note)
    yield edits


def fill(directory: FilePath, names: list[str], content: str = "") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("" if name == "zero" else f"{content} {name}")
        (directory / name).chmod(0o751 if name == "run" else 0o604)
        os.utime(directory / name, ns=(1, 1_000_000_007))
    with open(os.fsencode(directory) + b"/\xff", "wb") as file:
        file.write(b"no UTF-8")
    os.utime(os.fsencode(directory) + b"/\xff", ns=(1, -5))
    os.utime(directory, ns=(1, 2_000_000_009))


@pytest.mark.parametrize("sub_path", [ROOT, ("part", "of")])
def test_it_is_what_the_edits_of_its_files_come_to(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, proposed: list[Edits], sub_path: tuple[str, ...]
) -> None:
    found = []
    for way in ("whole", "file by file"):
        (tmp_path / way).mkdir()
        bench = Bench(tmp_path / way, sub_path)
        mount = bench.mount("m")
        for directory in ("one", "deep/below/it", "deep/empty"):
            fill(FilePath(mount.path, directory), NAMES if "empty" not in directory else [])
        published = mount.commit("a").published
        assert published is not None
        if way == "whole":
            assert set(proposed[-1].wholes) == {
                (*sub_path, *path) for path in [("one",), ("deep", "below", "it"), ("deep", "empty")]
            }
            monkeypatch.setattr(small_files, "_WHOLE_FILES", 0)
        else:
            assert not proposed[-1].wholes
        assert mount.commit("a").published is None
        assert not mount.status().edits
        other = bench.mount("other")
        assert listing(other.path) == listing(mount.path)
        if not sub_path:
            contents = {path: file.read_bytes() for path, file in files_of(clone(bench.git_dir, tmp_path / way / "c"))}
            assert contents["one/plain"] == b" plain"
        found.append((bench.published(), published.commit.counts.added, listing(mount.path).keys()))
        bench.close()
    assert found[0][0].keys() == found[1][0].keys()
    inside = {path for path in found[0][0] if "/" in path and not found[0][0][path].is_directory}
    assert {path: found[0][0][path] for path in inside} == {path: found[1][0][path] for path in inside}
    assert found[0][0]["one"].id == found[1][0]["one"].id
    assert found[0][1:] == found[1][1:]


def files_of(root: FilePath) -> Iterator[tuple[str, FilePath]]:
    for path in root.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(root)), path


def write(path: FilePath, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_made_by_two_it_has_the_files_of_both(bench: Bench, proposed: list[Edits]) -> None:
    one, other = bench.mount("one"), bench.mount("other")
    for mount, name in ((one, "a"), (other, "b")):
        write(FilePath(mount.path, "d", name), name)
        write(FilePath(mount.path, "d/both"), name)
    one.commit("a")
    published = other.commit("b").published
    assert published is not None and [lost.path for lost in published.overwrote] == [("d", "both")]
    assert all(("d",) in edits.wholes for edits in proposed)
    assert published.commit.counts.added == 1 and published.commit.counts.changed == 1
    one.reload()
    other.reload()
    wanted = {"d/a": b"a", "d/b": b"b", "d/both": b"b"}
    for mount in (one, other):
        found = {path: file.read_bytes() for path, file in files_of(FilePath(mount.path)) if ".vgit" not in path}
        assert found == wanted


def test_a_file_of_heads_in_its_place_is_in_the_receipt(bench: Bench, proposed: list[Edits]) -> None:
    one, other = bench.mount("one"), bench.mount("other")
    write(FilePath(one.path, "d"), "a file")
    one.commit("a")
    write(FilePath(other.path, "d/f"), "in it")
    published = other.commit("b").published
    assert published is not None and [lost.path for lost in published.overwrote] == [("d",)]
    assert ("d",) in proposed[-1].wholes
    one.reload()
    assert FilePath(one.path, "d/f").read_text() == "in it"


def empty_before(root: FilePath) -> None:
    (root / "d").mkdir()


def file_before(root: FilePath) -> None:
    (root / "d").write_text("a file")


def other_mode_before(root: FilePath) -> None:
    (root / "d").mkdir(0o700)


@pytest.mark.parametrize("before", [empty_before, file_before, other_mode_before])
def test_a_directory_that_is_no_new_one_has_edits_of_its_files(
    bench: Bench, proposed: list[Edits], before: Callable[[FilePath], None]
) -> None:
    one, other = bench.mount("one"), bench.mount("other")
    root = FilePath(one.path)
    before(root)
    one.commit("a")
    if (root / "d").is_file():
        (root / "d").unlink()
    write(root / "d/f", "f")
    (root / "d").chmod(0o755)
    one.commit("a")
    assert not proposed[-1].wholes and ("d", "f") in proposed[-1]
    other.reload()
    assert listing(other.path) == listing(one.path)


def test_a_removal_by_another_of_what_is_in_it_comes_in(bench: Bench, proposed: list[Edits]) -> None:
    """The commit was not made on the mount's base, so head's files are those of which base knows nothing."""
    one, other = bench.mount("one"), bench.mount("other")
    write(FilePath(other.path, "elsewhere"), "x")
    other.commit("b")
    write(FilePath(one.path, "d/gone"), "g")
    write(FilePath(one.path, "d/stays"), "s")
    one.commit("a")
    assert ("d",) in proposed[-1].wholes
    other.reload()
    FilePath(other.path, "d/gone").unlink()
    other.commit("b")
    one.reload()
    assert sorted(os.listdir(one.path)) == [".vgit", "d", "elsewhere"]
    assert os.listdir(FilePath(one.path, "d")) == ["stays"]


def test_what_was_divergent_in_it_is_so_no_more(bench: Bench, proposed: list[Edits]) -> None:
    one, other = bench.mount("one"), bench.mount("other")
    write(FilePath(one.path, "d/f"), "first")
    one.commit("a")
    other.reload()
    write(FilePath(other.path, "elsewhere"), "x")
    other.commit("b")
    FilePath(one.path, "d/f").unlink()
    FilePath(one.path, "d").rmdir()
    one.commit("a")  # not onto base: d and d/f are divergent
    one.reload()
    write(FilePath(one.path, "d/f"), "again")
    one.commit("a")
    assert ("d",) in proposed[-1].wholes
    other.reload()
    assert listing(other.path) == listing(one.path)


def test_a_file_that_does_not_hold_still_is_read_again(
    bench: Bench, proposed: list[Edits], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = SmallFileReader._read

    def read_but_b(reader: SmallFileReader, at: int, directory: Path, name: str, *rest: Any) -> SmallFile | None:
        return None if name == "b" else read(reader, at, directory, name, *rest)

    monkeypatch.setattr(SmallFileReader, "_read", read_but_b)
    mount = bench.mount("m")
    for name in "abc":
        write(FilePath(mount.path, "d", name), name)
    mount.commit("a")
    assert not proposed[-1].wholes
    assert set(bench.published()) == {"d", "d/a", "d/b", "d/c"}


@pytest.mark.parametrize("is_there", [True, False])
def test_its_files_are_looked_for_if_a_pack_has_vanished(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    check, asked = ObjectWriter.check_relied_on, []

    def vanish_once(writer: ObjectWriter) -> None:
        if not asked:
            has = ObjectWriter.has_blob

            def has_blob(writer: ObjectWriter, id: bytes) -> bool:
                asked.append(id)
                return is_there and has(writer, id)  # type: ignore[arg-type]

            monkeypatch.setattr(ObjectWriter, "has_blob", has_blob)
            raise PackVanished("objects/pack/pack-x.pack")
        check(writer)

    monkeypatch.setattr(ObjectWriter, "check_relied_on", vanish_once)
    mount = bench.mount("m")
    for name in "abc":
        write(FilePath(mount.path, "d", name), name)
    if is_there:
        mount.commit("a")
        assert len(asked) >= 3 and len(bench.published()) == 4
        return
    with pytest.raises(BackendUnavailableError, match="commit again"):
        mount.commit("a")
    monkeypatch.undo()
    mount.commit("a")
    assert len(bench.published()) == 4
