"""Test_faults: the wrapper strikes where it was told, and the dead do nothing more."""

import pytest

from tests.faults import Crash, FaultBackend, Script, Strike
from vgit.backend import Backend
from vgit.backend.memory import MemoryBackend
from vgit.errors import BackendUnavailableError

STEPS = [
    "stage",
    "staged write",
    "rename objects/pack/a.pack",
    "sync objects/pack",
    "put_if refs/heads/main",
]


def work(backend: Backend) -> None:
    with backend.stage() as staged:
        staged.write([b"ab", b"c"])
        staged.rename("objects/pack/a.pack")
    with backend.exclusive():
        backend.sync("objects/pack")
        assert backend.put_if("refs/heads/main", b"1", None)


def keys(backend: Backend) -> list[str]:
    return [listed.key for listed in backend.list("")]


def test_counts_every_mutating_call() -> None:
    script = Script()
    work(FaultBackend(MemoryBackend(), script))
    assert script.calls == STEPS
    assert not script.struck


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
def test_crash_stops_at_the_step(step: int, strike: Strike) -> None:
    inner, script = MemoryBackend(), Script(step, strike)
    with pytest.raises(Crash):
        work(FaultBackend(inner, script))
    assert script.calls == STEPS[: step + 1]
    done = step + (strike is Strike.CRASH_AFTER)
    assert keys(inner) == ["objects/pack/a.pack", "refs/heads/main"][: (done > 2) + (done > 4)]
    inner.lose_unsynced()
    assert keys(inner) == ["objects/pack/a.pack", "refs/heads/main"][: (done > 3) + (done > 4)]


def test_the_dead_read_nothing_and_tidy_nothing_up() -> None:
    inner = MemoryBackend()
    backend = FaultBackend(inner, Script(1))
    with pytest.raises(Crash):
        work(backend)
    with pytest.raises(Crash):
        backend.get("refs/heads/main")
    with pytest.raises(AssertionError):
        inner.check()  # the staged file is still there


def test_failure_is_an_ordinary_error() -> None:
    inner, script = MemoryBackend(), Script(3, Strike.FAIL)
    backend = FaultBackend(inner, script)
    with pytest.raises(BackendUnavailableError, match="sync objects/pack"):
        work(backend)
    inner.check()
    assert backend.get("objects/pack/a.pack") == b"abc"


def test_children_share_the_script() -> None:
    script = Script(1)
    backend = FaultBackend(MemoryBackend(), script)
    backend.put("a", b"")
    with pytest.raises(Crash):
        backend.child("b").put("a", b"")
    assert script.calls == ["put a", "put a"]
