"""Test_sweep: what the dead left goes; what the living are at stays, whatever the clock says."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gitjudge import fsck
from tests.maintenance.test_roll_up import AUTHOR, contents, open_repository, publish
from vgit.backend.local import LocalBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.content import store_bytes
from vgit.errors import BackendUnavailableError
from vgit.maintenance.sweep import OLD_SECONDS, sweep
from vgit.objects.object_writer import ObjectWriter
from vgit.objects.pack_key import PACKS
from vgit.repository.publish import Proposal
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.repository import Repository
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry

ROOT = Path(__file__).parent.parent.parent
OLD = SYSTEM_CLOCK.now_ns() / 1e9 - OLD_SECONDS - 60

# Leaves a pack that is being written, one that has no index yet, and one that has; says so, and waits.
WRITER = """
import sys
from vgit.backend.local import LocalBackend
from vgit.objects.object_database import ObjectDatabase

backend = LocalBackend(sys.argv[1])
writer = ObjectDatabase(backend).writer()
writer.write_blob(b"published")
writer.sync()
staged = backend.stage()
staged.write([b"x"])
mark = backend.mark("objects/pack/pack-11.keep")
backend.put("objects/pack/pack-11.pack", b"no index yet")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    Repository.create(LocalBackend(str(tmp_path / "v.git")), SYSTEM_CLOCK, AUTHOR).close()
    return tmp_path / "v.git"


def make_old(git_dir: Path) -> None:
    """Let all files look as after a jump of the clock by more than a day."""
    for path in (git_dir / PACKS).iterdir():
        os.utime(path, (OLD, OLD))


def test_what_is_old_and_nobodys_goes(git_dir: Path) -> None:
    repository = open_repository(git_dir)
    publish(repository, 1)
    directory = git_dir / PACKS
    leftovers = ["tmp_pack_123", "pack-00.pack", "pack-00.keep", "pack-11.keep"]
    kept = ["pack-22.keep", "pack-33.pack", "pack-44.pack", "pack-44.keep", "pack-55.pack", "tmp_pack_456"]
    for name in leftovers + kept:
        (directory / name).touch()
    (directory / "pack-22.keep").write_text("a person's reason")
    for name in [*leftovers, "pack-22.keep", "pack-33.pack", "pack-44.keep"]:
        os.utime(directory / name, (OLD, OLD))
    assert sweep(repository) == 4
    names = set(os.listdir(directory))
    assert names >= set(kept) and not names & set(leftovers)
    assert contents(open_repository(git_dir)) == {"f1": b"content 1"}


def test_a_pack_whose_index_was_lost_is_left_to_be_indexed(git_dir: Path) -> None:
    repository = open_repository(git_dir)
    publish(repository, 1)
    for index in (git_dir / PACKS).glob("*.idx"):
        index.unlink()
    make_old(git_dir)
    assert sweep(repository) == 0
    for pack in (git_dir / PACKS).glob("*.pack"):
        subprocess.run(["git", "index-pack", str(pack)], check=True, capture_output=True)
    assert contents(open_repository(git_dir)) == {"f1": b"content 1"}


def test_a_local_clock_that_is_days_ahead_makes_nothing_old(git_dir: Path) -> None:
    ahead = replace(SYSTEM_CLOCK, now_ns=lambda: SYSTEM_CLOCK.now_ns() + 10**15)
    (git_dir / PACKS / "tmp_pack_1").touch()
    (git_dir / PACKS / "pack-11.keep").touch()
    assert sweep(Repository.open(LocalBackend(str(git_dir), clock=ahead), ahead)) == 0


def test_what_a_living_writer_is_at_stays_until_it_is_dead(git_dir: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, git_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert writer.stdout is not None and writer.stdin is not None
    assert writer.stdout.readline() == b"ready\n"
    repository = open_repository(git_dir)
    make_old(git_dir)
    before = sorted(os.listdir(git_dir / PACKS))
    assert sweep(repository) == 0
    assert sorted(os.listdir(git_dir / PACKS)) == before and len(before) == 8
    writer.kill()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    make_old(git_dir)
    assert sweep(repository) == 4  # a temporary file, two marks, a pack
    assert len(os.listdir(git_dir / PACKS)) == 4
    fsck(git_dir)


def test_a_forked_child_holds_nothing_of_its_parents(git_dir: Path) -> None:
    mark = LocalBackend(str(git_dir)).mark("objects/pack/pack-11.keep")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        mark.remove()  # nothing: it is the parent's
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    try:
        assert (git_dir / PACKS / "pack-11.keep").exists()
        mark.remove()
        assert not (git_dir / PACKS / "pack-11.keep").exists()
    finally:
        os.close(write)
        os.waitpid(child, 0)


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_a_writer_whose_pack_was_removed_fails_before_the_swap(git_dir: Path, suffix: str) -> None:
    repository = open_repository(git_dir)

    def propose(writer: ObjectWriter, before_swap: object = None) -> Proposal:
        stored = store_bytes(b"content", writer)
        entry = Entry(0o100644, 0o100644, stored.id, stored.size, 0, stored.hash)
        txn = SYSTEM_CLOCK.random_bytes(16).hex()
        return Proposal(Edits({("f",): Edit(entry, None)}), AUTHOR, txn, before_swap=before_swap)  # type: ignore[arg-type]

    def remove() -> None:
        for mark in (git_dir / PACKS).glob("*.keep"):
            mark.with_suffix(suffix).unlink()

    head = repository.head()
    with (
        pytest.raises(BackendUnavailableError, match=r"had just written, is gone.*commit again"),
        repository.objects.writer() as writer,
    ):
        publish_proposal(repository, propose(writer, remove), writer)
    assert repository.head() == head
    with repository.objects.writer() as writer:
        assert publish_proposal(repository, propose(writer), writer) is not None
    assert contents(open_repository(git_dir)) == {"f": b"content"}
    for pack in (git_dir / PACKS).glob("*.pack"):
        if not pack.with_suffix(".idx").exists():
            pack.unlink()
    fsck(git_dir)
