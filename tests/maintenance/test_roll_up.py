"""Test_roll_up: many small packs become few, beside readers and writers, and whatever stops it."""

import threading
from pathlib import Path

import pytest

from tests.faults import Crash, FaultBackend, Script, Strike
from tests.gitjudge import clone, fsck, log, run
from vgit.backend.local import LocalBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.content import read_content, store_bytes
from vgit.maintenance.roll_up import roll_up
from vgit.objects.pack_join import join_packs
from vgit.objects.pack_key import PACKS
from vgit.repository.publish import Proposal
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.repository import Repository
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry

AUTHOR = "Test <test@example.org>"


def publish(repository: Repository, number: int, name: str | None = None) -> None:
    with repository.objects.writer() as writer:
        stored = store_bytes(b"content %d" % number, writer)
        entry = Entry(0o100644, 0o100644, stored.id, stored.size, number, stored.hash)
        txn = SYSTEM_CLOCK.random_bytes(16).hex()
        publish_proposal(repository, Proposal(Edits({(name or f"f{number}",): Edit(entry, None)}), AUTHOR, txn), writer)


def packs(git_dir: Path) -> list[str]:
    return sorted(f"{PACKS}/{path.name}" for path in (git_dir / PACKS).glob("*.pack"))


def contents(repository: Repository) -> dict[str, bytes]:
    entries = repository.root(repository.commit(repository.head()).tree).entries
    return {name: b"".join(map(bytes, read_content(repository.objects, entry))) for name, entry in entries.items()}


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    Repository.create(LocalBackend(str(tmp_path / "v.git")), SYSTEM_CLOCK, AUTHOR).close()
    return tmp_path / "v.git"


def open_repository(git_dir: Path) -> Repository:
    return Repository.open(LocalBackend(str(git_dir)), SYSTEM_CLOCK)


def test_the_number_of_packs_stays_low_and_everything_stays(git_dir: Path, tmp_path: Path) -> None:
    repository, reader = open_repository(git_dir), open_repository(git_dir)
    assert contents(reader) == {}
    for number in range(200):
        publish(repository, number)
        roll_up(repository)
    assert len(repository.objects.pack_sizes()) < 100
    expected = {f"f{number}": b"content %d" % number for number in range(200)}
    assert contents(repository) == contents(reader) == expected
    fsck(git_dir)
    assert len(log(git_dir)) == 201
    assert len(list(clone(git_dir, tmp_path / "clone").glob("f*"))) == 200
    assert not list((git_dir / PACKS).glob("*.keep"))


def test_packs_that_a_writer_marks_have_deltas_or_are_damaged_are_left_alone(git_dir: Path, tmp_path: Path) -> None:
    repository = open_repository(git_dir)
    for number in range(6):
        publish(repository, number)
    before = packs(git_dir)
    damaged = git_dir / before[0]
    damaged.chmod(0o644)
    data = bytearray(damaged.read_bytes())
    data[30] ^= 1
    damaged.write_bytes(data)
    joined = join_packs(repository.backend, repository.format, before)
    assert joined.replaced == tuple(before[1:]) and list(joined.damaged) == before[:1]
    repository.objects.refresh()
    assert before[0] in packs(git_dir) and len(repository.objects.pack_sizes()) == 2
    data[30] ^= 1
    damaged.write_bytes(data)
    copy = clone(git_dir, tmp_path / "clone")
    (copy / "big").write_text("line\n" * 5000)
    run(copy / ".git", "--work-tree", str(copy), "add", "-A")
    run(copy / ".git", "--work-tree", str(copy), "commit", "-qm", "one")
    (copy / "big").write_text("line\n" * 5000 + "more")
    run(copy / ".git", "--work-tree", str(copy), "commit", "-qam", "two")
    run(git_dir, "config", "pack.window", "10")
    run(copy / ".git", "push", "-q", "origin", "HEAD:main")
    run(copy / ".git", "repack", "-adfq")
    now = packs(git_dir)
    join_packs(repository.backend, repository.format, now)
    fsck(git_dir)
    assert (copy / "big").read_bytes() == contents(open_repository(git_dir))["big"]


@pytest.mark.parametrize("strike", [Strike.CRASH_BEFORE, Strike.CRASH_AFTER])
def test_a_death_at_any_step_loses_nothing(tmp_path: Path, strike: Strike) -> None:
    step = 1
    while True:
        git_dir = tmp_path / f"{step}.git"
        Repository.create(LocalBackend(str(git_dir)), SYSTEM_CLOCK, AUTHOR).close()
        repository = open_repository(git_dir)
        for number in range(4):
            publish(repository, number)
        script = Script(step, strike)
        try:
            join_packs(FaultBackend(LocalBackend(str(git_dir)), script), repository.format, packs(git_dir))
        except Crash:
            pass
        fsck(git_dir)
        again = open_repository(git_dir)
        assert contents(again) == {f"f{number}": b"content %d" % number for number in range(4)}
        publish(again, 99)
        join_packs(again.backend, again.format, packs(git_dir))
        assert len(contents(again)) == 5
        if not script.struck:
            break
        step += 1
    assert step > 8, "the steps were not seen: the test would prove nothing"


def test_readers_and_writers_beside_it_notice_nothing(git_dir: Path) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def roll() -> None:
        repository = open_repository(git_dir)
        while not stop.is_set():
            try:
                join_packs(repository.backend, repository.format, _unmarked(git_dir))
            except BaseException as error:
                failures.append(error)
                return

    def read() -> None:
        repository = open_repository(git_dir)
        while not stop.is_set():
            try:
                contents(repository)
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=roll), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    writer = open_repository(git_dir)
    try:
        for number in range(60):
            publish(writer, number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(contents(open_repository(git_dir))) == 60
    fsck(git_dir)


def _unmarked(git_dir: Path) -> list[str]:
    return [key for key in packs(git_dir) if not (git_dir / key).with_suffix(".keep").exists()]


def test_damage_is_left_alone_and_told_once(git_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    repository = open_repository(git_dir)
    before = set((git_dir / PACKS).glob("*.idx"))
    publish(repository, 0, "same")  # so that all packs are of one size
    (index,) = set((git_dir / PACKS).glob("*.idx")) - before
    good = index.read_bytes()
    index.chmod(0o644)
    at = 1032 + 20 * int.from_bytes(good[1028:1032], "big")  # the first CRC-32
    index.write_bytes(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
    damaged = index.with_suffix(".pack")
    for number in range(1, 100):
        publish(repository, number, "same")
        roll_up(repository)
    assert damaged.exists() and len(repository.objects.pack_sizes()) < 70
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1 and index.name in warnings[0] and "git index-pack" in warnings[0]
    assert contents(open_repository(git_dir)) == {"same": b"content 99"}
    index.write_bytes(good)
    fsck(git_dir)
