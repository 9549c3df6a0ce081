"""Test_replaced: packs that a roll-up replaced go later, and only when all that they have is elsewhere."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import Crash, FaultBackend, Script, Strike
from tests.gitjudge import attempt, fsck
from tests.maintenance.test_roll_up import AUTHOR, contents, open_repository, packs, publish
from vgit.backend.local import LocalBackend
from vgit.backend.protocol import KeyStat
from vgit.clock import SYSTEM_CLOCK
from vgit.content import store_bytes
from vgit.maintenance import drop_replaced as module
from vgit.maintenance.drop_replaced import GRACE_SECONDS, _going, drop_replaced
from vgit.maintenance.roll_up import roll_up
from vgit.maintenance.sweep import sweep
from vgit.objects.pack_join import join_packs
from vgit.objects.pack_key import PACKS
from vgit.objects.replaced_packs import REPLACED, list_records, read_replaced
from vgit.repository.publish import Proposal
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.repository import Repository
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry

EXPECTED = {f"f{number}": b"content %d" % number for number in range(4)}


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    Repository.create(LocalBackend(str(tmp_path / "v.git")), SYSTEM_CLOCK, AUTHOR).close()
    return tmp_path / "v.git"


def join_all(git_dir: Path) -> str:
    """Have all packs replaced by one, and return its key."""
    before = set(packs(git_dir))
    backend = LocalBackend(str(git_dir))
    joined = join_packs(backend, open_repository(git_dir).format, sorted(before))
    assert set(joined.replaced) == before
    (new,) = set(packs(git_dir)) - before
    return new


def make_due(git_dir: Path) -> None:
    """Let all records look as twenty minutes later."""
    for path in (git_dir / REPLACED).iterdir():
        since = path.stat().st_mtime - 2 * GRACE_SECONDS - 1
        os.utime(path, (since, since))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roll up every eight packs."""
    monkeypatch.setattr("vgit.maintenance.roll_up._PACKS_A_TIER", 8)
    monkeypatch.setattr("vgit.maintenance.roll_up._WORTH_A_LOOK", 10)


@pytest.fixture
def joined(git_dir: Path) -> str:
    repository = open_repository(git_dir)
    for number in range(4):
        publish(repository, number)
    return join_all(git_dir)


@pytest.mark.usefixtures("often")
def test_they_go_at_a_later_roll_up_when_ten_minutes_have_passed(git_dir: Path) -> None:
    repository, reader = open_repository(git_dir), open_repository(git_dir)
    seen: set[str] = set()
    for number in range(40):
        publish(repository, number, "same")
        roll_up(repository)
        seen |= set(packs(git_dir))
    assert seen == set(packs(git_dir)), "some went at once"
    assert len(repository.objects.pack_sizes()) < 20 < len(seen)
    assert contents(reader) == {"same": b"content 39"}
    make_due(git_dir)
    for number in range(40, 55):
        publish(repository, number, "same")
        roll_up(repository)
    assert len(packs(git_dir)) < 40 and len(seen - set(packs(git_dir))) > 20
    assert contents(repository) == contents(reader) == {"same": b"content 54"}
    fsck(git_dir)


def test_no_clock_but_the_stores_own_says_how_long_they_waited(git_dir: Path, joined: str) -> None:
    ahead = replace(SYSTEM_CLOCK, now_ns=lambda: SYSTEM_CLOCK.now_ns() + 10**15)
    repository = Repository.open(LocalBackend(str(git_dir), clock=ahead), ahead)
    before = packs(git_dir)
    drop_replaced(repository)
    sweep(repository)
    assert packs(git_dir) == before
    make_due(git_dir)
    sweep(repository)  # at mounting, too
    assert packs(git_dir) == [joined] and not list_records(repository.backend)
    assert contents(open_repository(git_dir)) == EXPECTED
    fsck(git_dir)


def test_nobody_relies_on_them_or_joins_them_again(git_dir: Path, joined: str) -> None:
    repository = open_repository(git_dir)
    with repository.objects.writer() as writer:
        for data in EXPECTED.values():
            assert writer.has_blob(repository.format.object_id(b"blob", data))  # type: ignore[arg-type]
        assert writer.relied_on == {joined}
    assert repository.objects.pack_sizes() == {joined: (git_dir / joined).stat().st_size}


def test_a_writer_that_relied_on_one_before_it_was_replaced_notices(git_dir: Path) -> None:
    repository = open_repository(git_dir)
    for number in range(4):
        publish(repository, number)
    joined: list[str] = []

    def others_roll_up() -> None:
        if not joined:
            unmarked = [key for key in packs(git_dir) if not (git_dir / key).with_suffix(".keep").exists()]
            before = set(packs(git_dir))
            join_packs(LocalBackend(str(git_dir)), repository.format, unmarked)
            joined.extend(set(packs(git_dir)) - before)

    with repository.objects.writer() as writer:
        stored = store_bytes(b"content 1", writer)
        (relied_on,) = writer.relied_on
        entry = Entry(0o100644, 0o100644, stored.id, stored.size, 0, stored.hash)
        edits = Edits({("again",): Edit(entry, None)})
        proposal = Proposal(edits, AUTHOR, "00" * 16, before_swap=others_roll_up)
        assert publish_proposal(repository, proposal, writer) is not None
        assert joined and relied_on not in writer.relied_on and joined[0] in writer.relied_on
    make_due(git_dir)
    drop_replaced(open_repository(git_dir))
    assert not (git_dir / relied_on).exists()
    assert contents(open_repository(git_dir)) == EXPECTED | {"again": b"content 1"}
    fsck(git_dir)


def test_those_that_waited_long_enough_go_together_and_rarely(git_dir: Path, joined: str) -> None:
    second = GRACE_SECONDS / 600
    records = [KeyStat(str(age), 1, 10**15 - int(age * second * 1e9)) for age in (1190, 700, 601, 599, 0)]
    assert _going(records, 10**15, 100) == []
    assert _going([KeyStat("", 1, 10**15 - int(1201e9)), *records], 10**15, 100)[1:] == records[:3]
    assert _going(records, 10**15, module.MOST_WAITING + 1) == records[:3]


@pytest.mark.usefixtures("often")
def test_only_so_many_wait(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    repository = open_repository(git_dir)
    most = 0
    for number in range(70):
        publish(repository, number, "same")
        roll_up(repository)
        most = max(most, len(packs(git_dir)) - len(repository.objects.pack_sizes()))
    assert 20 < most < 20 + 20
    assert contents(open_repository(git_dir)) == {"same": b"content 69"}
    fsck(git_dir)


def damage_pack(pack: Path) -> None:
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)


def damage_index(pack: Path) -> None:
    index = pack.with_suffix(".idx")
    index.chmod(0o644)
    data = bytearray(index.read_bytes())
    data[-50] ^= 1
    index.write_bytes(data)


def remove(pack: Path) -> None:
    pack.with_suffix(".idx").unlink()
    pack.unlink()


@pytest.mark.parametrize("harm", [damage_pack, damage_index, remove])
def test_they_stay_if_what_replaced_them_is_not_whole(git_dir: Path, joined: str, harm: Callable[[Path], None]) -> None:
    before = set(packs(git_dir)) - {joined}
    harm(git_dir / joined)
    assert contents(open_repository(git_dir)) == EXPECTED, "a copy that waits is a copy"
    make_due(git_dir)
    repository = open_repository(git_dir)
    assert list(drop_replaced(repository)) == ([joined] if harm is not remove else [])
    repository.objects.refresh()
    assert before <= set(packs(git_dir)) and not list_records(repository.backend)
    assert len(repository.objects.pack_sizes()) >= len(before)
    assert contents(open_repository(git_dir)) == EXPECTED


def test_one_that_was_replaced_in_turn_may_be_gone(git_dir: Path, joined: str) -> None:
    old = set(packs(git_dir)) - {joined}
    publish(open_repository(git_dir), 5)
    newest = join_packs(LocalBackend(str(git_dir)), open_repository(git_dir).format, sorted(set(packs(git_dir)) - old))
    assert joined in newest.replaced
    remove(git_dir / joined)
    make_due(git_dir)
    drop_replaced(open_repository(git_dir))
    assert len(packs(git_dir)) == 1
    assert contents(open_repository(git_dir)) == EXPECTED | {"f5": b"content 5"}
    fsck(git_dir)


def test_a_record_that_is_none_replaces_nothing(git_dir: Path, joined: str) -> None:
    (record,) = (git_dir / REPLACED).iterdir()
    text = record.read_text()
    assert read_replaced(LocalBackend(str(git_dir)), REPLACED + record.name) is not None
    count = len(packs(git_dir))
    for damaged in (text[:-10], text.replace("replaced 1", "replaced 2"), text + "../../x\n", ""):
        record.write_text(damaged)
        repository = open_repository(git_dir)
        repository.objects.refresh()
        assert len(repository.objects.pack_sizes()) == count
    make_due(git_dir)
    drop_replaced(open_repository(git_dir))
    assert len(packs(git_dir)) == count and not list((git_dir / REPLACED).iterdir())


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER, Strike.FAIL])
def test_a_death_at_any_step_of_their_going_loses_nothing(git_dir: Path, joined: str, strike: Strike) -> None:
    make_due(git_dir)
    kept = git_dir.with_name("kept.git")
    shutil.copytree(git_dir, kept)
    step = 0
    while True:
        shutil.rmtree(git_dir)
        shutil.copytree(kept, git_dir)
        script = Script(step, strike)
        try:
            drop_replaced(Repository.open(FaultBackend(LocalBackend(str(git_dir)), script), SYSTEM_CLOCK))
        except (Crash, OSError):
            pass
        fsck(git_dir)
        assert contents(open_repository(git_dir)) == EXPECTED
        drop_replaced(open_repository(git_dir))
        assert packs(git_dir) == [joined] and not list(git_dir.glob(REPLACED + "*"))
        fsck(git_dir)
        if not script.struck:
            break
        step += 1
    assert step > 10, "the steps were not seen: the test would prove nothing"


@pytest.mark.usefixtures("often")
def test_stock_git_and_copies_of_a_store_in_use_are_good(git_dir: Path, tmp_path: Path) -> None:
    """What they have listed stays, as long as they take; without that some fsck finds an index or a pack gone."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def commit() -> None:
        repository = open_repository(git_dir)
        number = 0
        try:
            while not stop.is_set():
                publish(repository, number, "same")
                roll_up(repository)
                number += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=commit) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(8):
            found = attempt(git_dir, "fsck", "--full", "--strict")
            assert found.returncode == 0 and b"error" not in found.stderr, found.stderr
            copy = tmp_path / f"{number}.git"
            copy.mkdir()
            for names in (["HEAD", "config", "refs"], ["objects"]):  # refs first, objects after
                # Its exit code is 1 if a temporary file or a mark went meanwhile.
                subprocess.run(
                    ["cp", "-a", *(git_dir / name for name in names), copy], check=False, capture_output=True
                )
            fsck(copy)
            shutil.rmtree(copy)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(list((git_dir / PACKS).glob("*.pack"))) > 0
