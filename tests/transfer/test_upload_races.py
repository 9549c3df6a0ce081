"""Test_upload_races: transfers beside other writers, and transfers that die or fail at each of their steps."""

import random
from collections.abc import Callable

import pytest

from tests.faults import Crash, FaultBackend, Script, Strike
from tests.meddler import Meddler
from tests.transfer.uploads import Counted, contents, cp, entry, new_volume, of, put, put_all, rm
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import AlreadyExistsError, BackendUnavailableError, IsADirectoryConflict, NotADirectoryConflict
from vgit.repository.publish import Published
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository

LARGE = random.Random(0).randbytes(9 << 20)  # a chunk tree, in a pack that is staged
START = {"d/f": b"f", "d/g": b"g", "old": b"old"}


def meddled(*acts: Callable[[Repository], object]) -> tuple[Repository, Repository]:
    """Return a volume, and the same one as a writer has it to whom others are a moment ahead with ``acts``."""
    backend = MemoryBackend()
    theirs = new_volume(backend)
    put(theirs, START)
    ours = Repository.open(Meddler(backend, [lambda act=act: act(theirs) for act in acts]), SYSTEM_CLOCK)
    return theirs, ours


def test_a_file_that_others_made_meanwhile_fails_the_batch() -> None:
    theirs, ours = meddled(lambda one: put(one, {"new": b"theirs"}))
    with pytest.raises(AlreadyExistsError, match="'new' exists"):
        put(ours, {"new": b"ours", "other": b"ours"})
    assert contents(theirs) == {**START, "new": b"theirs"}


def test_a_file_that_others_made_while_ours_were_read_fails_the_batch() -> None:
    theirs, ours = meddled()

    class Meanwhile(Counted):
        def advance(self, files: int, size_bytes: int) -> None:
            if "new" not in contents(theirs):
                put(theirs, {"new": b"theirs"})

    with pytest.raises(AlreadyExistsError, match="'new' exists"):
        put_all(ours, of(b"ours", "new"), of(b"ours", "other"), progress=Meanwhile())
    assert contents(theirs) == {**START, "new": b"theirs"}


def test_forced_files_win_and_the_receipt_names_what_was_not_seen() -> None:
    theirs, ours = meddled(lambda one: put(one, {"old": b"theirs", "new": b"theirs"}, force=True))
    published = put(ours, {"old": b"ours", "new": b"ours"}, force=True)
    assert published is not None
    assert {lost.path for lost in published.overwrote} == {("old",), ("new",)}
    assert contents(theirs) == {**START, "old": b"ours", "new": b"ours"}


def test_a_forced_file_wins_though_it_is_what_was_there_before() -> None:
    theirs, ours = meddled(lambda one: put(one, {"old": b"theirs"}, force=True))
    published = put(ours, {"old": b"old", "new": b"ours"}, force=True)
    assert published is not None and {lost.path for lost in published.overwrote} == {("old",)}
    assert contents(theirs)["old"] == b"old"


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_or_a_file_that_others_made_meanwhile_is_in_the_way(force: bool) -> None:
    theirs, ours = meddled(lambda one: put(one, {"new/below": b"theirs"}))
    with pytest.raises(IsADirectoryConflict, match="'new' is a directory"):
        put(ours, {"new": b"ours"}, force=force)
    theirs, ours = meddled(lambda one: put(one, {"new": b"theirs"}))
    with pytest.raises(NotADirectoryConflict, match="'new' is a file"):
        put(ours, {"new/below": b"ours"}, force=force)
    assert contents(theirs) == {**START, "new": b"theirs"}


def test_what_others_do_elsewhere_stays() -> None:
    acts = (lambda one: put(one, {"d/theirs": b"1"}), lambda one: rm(one, "d/f"))
    theirs, ours = meddled(*acts)
    assert put(ours, {"d/ours": b"2"}) is not None
    assert contents(theirs) == {"d/g": b"g", "old": b"old", "d/theirs": b"1", "d/ours": b"2"}


def test_a_copy_does_not_replace_a_directory_that_others_made_meanwhile() -> None:
    theirs, ours = meddled(lambda one: put(one, {"new/below": b"theirs"}))
    with pytest.raises(IsADirectoryConflict, match="'new' is a directory"):
        cp(ours, "old", "new")
    assert contents(theirs) == {**START, "new/below": b"theirs"}


def test_a_copy_is_what_was_seen_though_the_source_goes() -> None:
    theirs, ours = meddled(lambda one: rm(one, "old"))
    assert cp(ours, "old", "new") is not None
    assert contents(theirs) == {"d/f": b"f", "d/g": b"g", "new": b"old"}


def test_what_others_add_to_a_directory_that_is_removed_stays() -> None:
    theirs, ours = meddled(lambda one: put(one, {"d/theirs": b"1"}))
    assert rm(ours, "d", recursive=True) is not None
    assert contents(theirs) == {"old": b"old", "d/theirs": b"1"}


def test_what_others_removed_meanwhile_needs_no_commit() -> None:
    theirs, ours = meddled(lambda one: rm(one, "old"))
    assert rm(ours, "old") is None
    assert entry(theirs, "old") is None


def test_a_file_that_others_changed_meanwhile_is_removed_and_named() -> None:
    theirs, ours = meddled(lambda one: put(one, {"old": b"theirs"}, force=True))
    published = rm(ours, "old")
    assert published is not None and [lost.path for lost in published.overwrote] == [("old",)]
    assert contents(theirs) == {"d/f": b"f", "d/g": b"g"}


def _upload(repository: Repository) -> Published | None:
    return put_all(repository, of(b"new", "old"), of(LARGE, "d/large"), of(b"1", "e/new"), force=True)


TRANSFERS: dict[str, tuple[Callable[[Repository], Published | None], dict[str, bytes]]] = {
    "upload": (_upload, {**START, "old": b"new", "d/large": LARGE, "e/new": b"1"}),
    "copy": (lambda one: cp(one, "d", "e", recursive=True), {**START, "e/f": b"f", "e/g": b"g"}),
    "remove": (lambda one: rm(one, "d", recursive=True), {"old": b"old"}),
}


def started() -> MemoryBackend:
    backend = MemoryBackend()
    with new_volume(backend) as repository:
        put(repository, START)
    return backend


def ref_moved(script: Script) -> bool:
    swaps = [at for at, call in enumerate(script.calls) if call == f"put_if {MAIN}"]
    return bool(swaps) and (swaps[0] != script.step or script.strike is Strike.CRASH_AFTER)


@pytest.mark.parametrize("strike", Strike)
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_a_transfer_that_dies_or_fails_at_any_step_is_all_or_nothing(transfer: str, strike: Strike) -> None:
    act, after = TRANSFERS[transfer]
    step, script = 0, Script(0, strike)
    while True:
        backend, script = started(), Script(step, strike)
        with Repository.open(FaultBackend(backend, script), SYSTEM_CLOCK) as repository:
            try:
                act(repository)
            except (Crash, BackendUnavailableError):
                assert script.struck
        if not script.struck:
            break
        if strike is Strike.FAIL:
            backend.check()  # nothing staged is left
        else:
            backend.lose_unsynced()
        with Repository.open(backend, SYSTEM_CLOCK) as repository:
            assert contents(repository) == (after if ref_moved(script) else START)
            if not ref_moved(script):
                act(repository)
                assert contents(repository) == after
            assert put(repository, {"after": b"1"}) is not None
        step += 1
    assert step > 5
