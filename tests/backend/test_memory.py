"""Test_memory: what a power loss takes from a backend that was not told to sync."""

import pytest

from vgit.backend.memory import MemoryBackend


def keys(backend: MemoryBackend) -> list[str]:
    return [listed.key for listed in backend.list("")]


@pytest.fixture
def changed() -> MemoryBackend:
    """Return a backend with a change of each kind, none of them synced."""
    backend = MemoryBackend()
    backend.put("kept", b"1")
    backend.put("deleted", b"2")
    backend.put("replaced", b"3")
    assert backend.put_if("swapped", b"4", None)
    backend.delete("deleted")
    backend.mark("marked")
    for key in ("published", "replaced"):
        with backend.stage() as staged:
            staged.write([b"new"])
            staged.rename(key)
    return backend


def test_unsynced_names_are_lost(changed: MemoryBackend) -> None:
    changed.lose_unsynced()
    assert keys(changed) == ["deleted", "kept", "replaced", "swapped"]
    assert changed.get("replaced") == b"3"


def test_synced_names_stay(changed: MemoryBackend) -> None:
    changed.sync("")
    changed.lose_unsynced()
    assert keys(changed) == ["kept", "marked", "published", "replaced", "swapped"]
    assert changed.get("replaced") == b"new"


def test_a_disk_may_keep_any_part(changed: MemoryBackend) -> None:
    changed.lose_unsynced(lambda key: key in ("published", "deleted"))
    assert keys(changed) == ["kept", "published", "replaced", "swapped"]
    changed.lose_unsynced()
    assert keys(changed) == ["kept", "published", "replaced", "swapped"]


def test_sync_is_of_one_directory() -> None:
    backend = MemoryBackend()
    for key in ("a", "d/a", "d/e/a", "de/a"):
        backend.mark(key)
    backend.sync("d")
    backend.lose_unsynced()
    assert keys(backend) == ["d/a"]


def test_check_finds_a_staged_file_that_was_forgotten() -> None:
    backend = MemoryBackend()
    staged = backend.child("a").stage()
    with pytest.raises(AssertionError):
        backend.check()
    staged.discard()
    backend.check()
