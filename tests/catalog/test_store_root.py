"""Test_store_root: stores begun, opened, refused, and begun by two at once."""

import multiprocessing
import os
from pathlib import Path

import pytest

from tests import gitjudge, writers
from tests.faults import Crash, FaultBackend, Script, Strike
from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.catalog import StoreRoot
from vgit.catalog.store_root import volume_key
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import (
    AlreadyExistsError,
    CorruptVolumeError,
    InvalidError,
    NotFoundError,
)

SPAWN = multiprocessing.get_context("spawn")


def store_of(backend: Backend) -> StoreRoot:
    return StoreRoot(backend, SYSTEM_CLOCK, "the store")


def local_store(path: Path) -> StoreRoot:
    return StoreRoot(LocalBackend(str(path)), SYSTEM_CLOCK, str(path))


def test_a_store_is_made_by_its_first_volume(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = local_store(root)
    assert not store.exists
    with pytest.raises(NotFoundError, match=f"no vgit store at {root}"):
        store.catalog()
    assert not root.exists(), "reading makes nothing"
    made = store.create_volume("main", "data", "Ann")
    assert store.exists
    assert made.created_by == "Ann <ann>"
    assert sorted(os.listdir(root)) == ["catalog.git", "vgit.lock", "volumes"]
    assert os.listdir(root / "volumes") == [made.id + ".git"]
    again = local_store(root)
    assert again.catalog().find("main", "data") == made
    with again.open_volume(made.id) as repository:
        assert repository.commit(repository.head()).author == "Ann <ann>"
    for git_dir in (root / "catalog.git", root / "volumes" / f"{made.id}.git"):
        gitjudge.fsck_clean(git_dir)
    assert gitjudge.log(root / "catalog.git", pretty="%s") == ["Create main/data", "Create catalog"]


def test_a_taken_name_makes_no_volume() -> None:
    backend = MemoryBackend()
    store = store_of(backend)
    store.create_volume("main", "data", "Ann")
    before = [listed.key for listed in backend.list("volumes/")]
    with pytest.raises(AlreadyExistsError, match="'data' already exists in environment 'main'"):
        store.create_volume("main", "data", "Bob")
    assert [listed.key for listed in backend.list("volumes/")] == before


@pytest.mark.parametrize(
    ("environment", "name"), [("main", "a/b"), ("a/b", "x"), ("main", ".."), ("", "x"), ("~e", None)]
)
def test_invalid_names_make_nothing(environment: str, name: str | None) -> None:
    backend = MemoryBackend()
    with pytest.raises(InvalidError, match="Invalid"):
        store_of(backend).create_volume(environment, name, "Ann")
    assert list(backend.list("")) == []


def test_an_author_cannot_write_into_the_record() -> None:
    store = store_of(MemoryBackend())
    made = store.create_volume("main", "data", "Eve\nid vo-0000000000000000000000\n<e@x>")
    assert store.catalog().find("main", "data") == made
    assert made.id != "vo-0000000000000000000000"


@pytest.mark.parametrize("foreign", ["README.md", "src/main.py", "catalog.gi/HEAD", "zzz"])
def test_a_root_that_is_something_else(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / foreign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not yours")
    store = local_store(tmp_path)
    for use in (lambda: store.exists, store.catalog, lambda: store.create_volume("main", "data", "Ann")):
        with pytest.raises(InvalidError, match="is not a vgit store: it holds"):
            use()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path], "not even a lock was left"


def test_an_empty_directory_may_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    store = local_store(tmp_path)
    assert not store.exists
    store.create_volume("main", "data", "Ann")
    assert local_store(tmp_path).exists


def test_files_beside_a_store_do_no_harm(tmp_path: Path) -> None:
    local_store(tmp_path).create_volume("main", "data", "Ann")
    (tmp_path / "README").write_text("our volumes")
    assert local_store(tmp_path).catalog().find("main", "data") is not None


def test_a_lost_catalog_is_not_hidden_behind_an_empty_one(tmp_path: Path) -> None:
    local_store(tmp_path).create_volume("main", "data", "Ann")
    (tmp_path / "catalog.git").rename(tmp_path.parent / "elsewhere.git")
    store = local_store(tmp_path)
    for use in (lambda: store.exists, store.catalog, lambda: store.create_volume("main", "data", "Ann")):
        with pytest.raises(CorruptVolumeError, match="their names are lost"):
            use()
    (tmp_path.parent / "elsewhere.git").rename(tmp_path / "catalog.git")
    assert store.catalog().find("main", "data") is not None


def test_a_catalog_with_a_broken_head(tmp_path: Path) -> None:
    local_store(tmp_path).create_volume("main", "data", "Ann")
    (tmp_path / "catalog.git/refs/heads/main").unlink()
    (tmp_path / "catalog.git/refs/heads/main").write_text("junk\n")
    with pytest.raises(CorruptVolumeError, match="junk"):
        local_store(tmp_path).catalog()


def test_a_catalog_whose_refs_git_packed(tmp_path: Path) -> None:
    made = local_store(tmp_path).create_volume("main", "data", "Ann")
    gitjudge.run(tmp_path / "catalog.git", "pack-refs", "--all")
    assert local_store(tmp_path).catalog().find("main", "data") == made
    local_store(tmp_path).create_volume("main", "more", "Ann")


def test_a_named_volume_that_is_not_there(tmp_path: Path) -> None:
    store = local_store(tmp_path)
    made = store.create_volume("main", "data", "Ann")
    (tmp_path / volume_key(made.id)).rename(tmp_path.parent / "elsewhere.git")
    with pytest.raises(CorruptVolumeError, match="not a volume's repository"):
        store.open_volume(made.id)
    with pytest.raises(InvalidError, match="Invalid Volume id"):
        store.open_volume("../../etc")


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
@pytest.mark.parametrize("lossy", [True, False])
def test_a_creation_cut_off_at_every_step(strike: Strike, lossy: bool) -> None:
    counted = Script()
    store_of(FaultBackend(MemoryBackend(), counted)).create_volume("main", "data", "Ann")
    for step in range(len(counted.calls)):
        backend = MemoryBackend()
        with pytest.raises(Crash):
            store_of(FaultBackend(backend, Script(step, strike))).create_volume("main", "data", "Ann")
        backend.lose_unsynced(lambda key: not lossy)
        store = store_of(backend)
        found = store.catalog().find("main", "data") if store.exists else None
        if found is None:
            found = store.create_volume("main", "data", "Ann")
        for one in [found, store.create_volume("main", "more", "Ann")]:
            with store.open_volume(one.id) as repository:
                assert repository.commit(repository.head()).tree
        assert {one.name for one in store.catalog().named("main")} == {"data", "more"}


def test_processes_that_begin_a_store_together(tmp_path: Path) -> None:
    root = tmp_path / "store"
    started = []
    for n in range(3):
        here, there = SPAWN.Pipe()
        process = SPAWN.Process(target=writers.create_volumes, args=(str(root), f"p{n}", 4, there))
        process.start()
        there.close()
        started.append((process, here))
    results = [here.recv() for _, here in started]
    for process, here in started:
        process.join()
        here.close()
        assert process.exitcode == 0
    winners = [won for won, _ in results if won is not None]
    catalog = local_store(root).catalog()
    named = {record.name: record.id for record in catalog.named("main")}
    assert len(winners) == 1, "of those who wanted one name"
    assert named.pop("wanted") == winners[0]
    assert named == {f"p{n}-{k}": id for n, (_, own) in enumerate(results) for k, id in enumerate(own)}
    gitjudge.fsck(root / "catalog.git")
    assert gitjudge.log(root / "catalog.git", pretty="%s").count("Create catalog") == 1
