"""Test_repository_crashes: a writer that dies, or fails, at each of its steps; what the next one finds."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import gitjudge, volumes
from tests.faults import Crash, FaultBackend, Script, Strike
from tests.volumes import files
from tests.writers import publish
from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import BackendUnavailableError
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository

OLD = {("a",): b"old", ("d", "b"): b"stays"}
CHANGES: dict[tuple[str, ...], bytes | None] = {
    ("a",): b"new",
    ("large",): b"".join(b"%08d" % n for n in range(5_000_000 // 8)),  # a chunk tree
    **{("many", f"{n}"): b"%d" % n for n in range(20)},
}
# More than a pack in memory may have, so that it is staged, and sealed before the turn is taken.
HUGE: dict[tuple[str, ...], bytes | None] = {(f"{n}",): random.Random(n).randbytes(3 << 20) for n in range(4)}


def begin(backend: Backend) -> None:
    with volumes.create(backend) as repository:
        publish(repository, dict(OLD))


def attempt(backend: Backend, changes: dict[tuple[str, ...], bytes | None]) -> None:
    with Repository.open(backend, SYSTEM_CLOCK) as repository:
        publish(repository, changes)


def check_old_or_new(backend: Backend, changes: dict[tuple[str, ...], bytes | None], *, moved: bool) -> None:
    """Demand that head is whole, as before or after the commit, and that a next writer gets on."""
    new = {**OLD, **changes}
    with Repository.open(backend, SYSTEM_CLOCK) as repository:
        assert files(repository) == (new if moved else OLD)
        published = publish(repository, changes)
        assert (published is None) == moved
        assert files(repository) == new
        assert publish(repository, {("after",): b"1"}) is not None
        assert files(repository) == {**new, ("after",): b"1"}


def ref_moved(script: Script) -> bool:
    """Say whether the script let the swap happen before it struck, or by striking after it."""
    swaps = [at for at, call in enumerate(script.calls) if call == f"put_if {MAIN}"]
    return bool(swaps) and (swaps[0] != script.step or script.strike is Strike.CRASH_AFTER)


def count_steps(changes: dict[tuple[str, ...], bytes | None]) -> int:
    backend, script = MemoryBackend(), Script()
    begin(backend)
    attempt(FaultBackend(backend, script), changes)
    return len(script.calls)


SURVIVORS: dict[str, Callable[[str], bool]] = {
    "nothing unsynced": lambda key: False,
    "everything": lambda key: True,
    "packs, no indexes": lambda key: key.endswith(".pack"),
    "indexes, no packs": lambda key: key.endswith(".idx"),
    "marks": lambda key: key.endswith(".keep"),
}


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
@pytest.mark.parametrize("survives", SURVIVORS.values(), ids=SURVIVORS)
def test_power_lost_at_every_step(strike: Strike, survives: Callable[[str], bool]) -> None:
    for step in range(count_steps(CHANGES)):
        backend, script = MemoryBackend(), Script(step, strike)
        begin(backend)
        with pytest.raises(Crash):
            attempt(FaultBackend(backend, script), CHANGES)
        backend.lose_unsynced(survives)
        check_old_or_new(backend, CHANGES, moved=ref_moved(script))


def test_a_commit_of_many_packs_cut_off_at_every_step() -> None:
    steps = count_steps(HUGE)
    for step in range(steps):
        backend, script = MemoryBackend(), Script(step)
        begin(backend)
        with pytest.raises(Crash):
            attempt(FaultBackend(backend, script), HUGE)
        backend.lose_unsynced()
        check_old_or_new(backend, HUGE, moved=ref_moved(script))


def fails_late(script: Script, repository: Repository) -> bool:
    """Publish, and say whether that was done although a step failed: what comes after the swap is tidying up."""
    try:
        assert publish(repository, CHANGES) is not None
    except BackendUnavailableError:
        assert not ref_moved(script)
        return False
    assert ref_moved(script)
    return True


def test_a_step_that_fails_leaves_the_repository_usable() -> None:
    for step in range(count_steps(CHANGES)):
        backend, script = MemoryBackend(), Script(step, Strike.FAIL)
        begin(backend)
        with Repository.open(FaultBackend(backend, script), SYSTEM_CLOCK) as repository:
            moved = fails_late(script, repository)
            assert files(repository) == ({**OLD, **CHANGES} if moved else OLD)
            assert (publish(repository, CHANGES) is None) == moved
            assert files(repository) == {**OLD, **CHANGES}
        backend.check()


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
def test_killed_at_every_step_on_disk(tmp_path: Path, strike: Strike) -> None:
    steps = count_steps(CHANGES)
    for step in range(steps):
        git_dir, script = tmp_path / f"{step}.git", Script(step, strike)
        begin(LocalBackend(str(git_dir)))
        with pytest.raises(Crash):
            attempt(FaultBackend(LocalBackend(str(git_dir)), script), CHANGES)
        gitjudge.fsck(git_dir)
        assert len(gitjudge.log(git_dir)) == (3 if ref_moved(script) else 2)
        before = sum(pack.stat().st_size for pack in git_dir.glob("objects/pack/*.pack"))
        check_old_or_new(LocalBackend(str(git_dir)), CHANGES, moved=ref_moved(script))
        gitjudge.fsck(git_dir)
        after = sum(pack.stat().st_size for pack in git_dir.glob("objects/pack/*.pack"))
        if before > 2_000_000:  # the dead one's pack has its index, so its content is not written again
            assert after - before < 100_000


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
@pytest.mark.parametrize("survives", SURVIVORS.values(), ids=SURVIVORS)
def test_a_creation_cut_off_can_be_done_again(strike: Strike, survives: Callable[[str], bool]) -> None:
    counted = Script()
    volumes.create(FaultBackend(MemoryBackend(), counted)).close()
    for step in range(len(counted.calls)):
        backend, script = MemoryBackend(), Script(step, strike)
        with pytest.raises(Crash):
            volumes.create(FaultBackend(backend, script))
        backend.lose_unsynced(survives)
        if not ref_moved(script):
            volumes.create(backend).close()
        with Repository.open(backend, SYSTEM_CLOCK) as repository:
            assert files(repository) == {}
            assert publish(repository, {("a",): b"1"}) is not None
