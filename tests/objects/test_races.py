"""Test_races: packs come, are joined and go between any two steps of a reader; nothing is ever said to be missing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import gitjudge
from tests.objects.repositories import blob_id, commit, join_and_drop, missing_id, noise, open_store, packs, put_loose
from vgit.backend.local import LocalBackend
from vgit.errors import CorruptObjectError
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return gitjudge.init_bare(tmp_path / "a.git")


class Racing(LocalBackend):
    """Lets others act right before, or right after, one call."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.before_view: Callable[[], object] | None = None
        self.after_names: Callable[[], None] | None = None

    def view(self, key: str) -> memoryview:
        act, self.before_view = self.before_view, None
        if act is not None:
            act()
        return super().view(key)

    def names(self, prefix: str):  # type: ignore[no-untyped-def]
        found = list(super().names(prefix))
        act, self.after_names = self.after_names, None
        if act is not None:
            act()
        return iter(found)


def test_another_thread_lists_between_our_look_and_our_listing(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(git_dir, [b"old"])
    store = open_store(git_dir)
    assert store.read(blob_id(b"old")) == (BLOB, b"old")
    commit(git_dir, [b"new"])
    listing = store._packs.refresh

    def after_another() -> object:
        other = threading.Thread(target=listing)
        other.start()
        other.join()
        return listing()

    monkeypatch.setattr(store._packs, "refresh", after_another)
    assert store.read(blob_id(b"new")) == (BLOB, b"new")


def test_a_listing_that_began_before_we_asked_does_not_count(git_dir: Path) -> None:
    commit(git_dir, [b"old"])
    backend = Racing(git_dir)
    store = ObjectDatabase(backend)
    assert store.contains(blob_id(b"old"))
    listed, go_on = threading.Event(), threading.Event()

    def hold_up() -> None:
        listed.set()
        assert go_on.wait(60)

    backend.after_names = hold_up
    other = threading.Thread(target=store.refresh)
    other.start()
    assert listed.wait(60)
    commit(git_dir, [b"new"])  # after what the other thread has seen
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.append(store.read(blob_id(b"new"))))
    reader.start()
    go_on.set()
    other.join()
    reader.join()
    assert found == [(BLOB, b"new")]


@pytest.mark.parametrize("ask", ["read", "contains", "header", "read_unverified"])
def test_an_index_that_goes_between_being_listed_and_being_opened(git_dir: Path, ask: str) -> None:
    for number in range(3):
        commit(git_dir, [noise(300, number)])
    backend = Racing(git_dir)
    store = ObjectDatabase(backend)
    backend.before_view = lambda: join_and_drop(git_dir)
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: store.read(blob_id(noise(300, 1)))[1] == noise(300, 1),
        "contains": lambda: store.contains(blob_id(noise(300, 1))),
        "header": lambda: store.header(blob_id(noise(300, 1))) == (BLOB, 300),
        "read_unverified": lambda: store.read_unverified(blob_id(noise(300, 1))) == noise(300, 1),
    }
    assert calls[ask]()
    assert backend.before_view is None


def test_an_index_that_was_gone_and_is_back(git_dir: Path) -> None:
    commit(git_dir, [b"one"])
    (index,) = packs(git_dir, ".idx")
    away = index.with_suffix(".away")
    backend = Racing(git_dir)
    store = ObjectDatabase(backend)
    backend.before_view = lambda: index.rename(away)
    assert store.pack_of(blob_id(b"one")) is None
    away.rename(index)
    assert store.read(blob_id(b"one")) == (BLOB, b"one")


def test_what_is_missing_is_still_said_to_be(git_dir: Path) -> None:
    commit(git_dir, [b"one"])
    put_loose(git_dir, b"loose")
    store = open_store(git_dir)
    for _ in range(2):
        with pytest.raises(CorruptObjectError, match="is missing"):
            store.read(missing_id())
        assert not store.contains(missing_id())


def test_a_pack_of_a_push_that_is_not_let_in_yet_does_not_count(git_dir: Path) -> None:
    """Stock git keeps it beside until its hooks have agreed; else it removes it, whoever relied on it."""
    commit(git_dir, [b"one"])
    quarantine = git_dir / "objects/tmp_objdir-incoming-abc/pack"
    quarantine.mkdir(parents=True)
    store = open_store(git_dir)
    for path in [*packs(git_dir), *packs(git_dir, ".idx")]:
        path.rename(quarantine / path.name)
    with store.writer() as writer:
        assert not writer.has_blob(blob_id(b"one"))
    assert not store.contains(blob_id(b"one"))
    for path in quarantine.iterdir():
        path.rename(git_dir / "objects/pack" / path.name)
    assert store.contains(blob_id(b"one"))
