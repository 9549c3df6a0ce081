"""Test_publish: what is published, also beside others, with packs that go, and onto what stock git pushed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests import gitjudge, volumes
from tests.faults import FaultBackend, Script
from tests.meddler import Meddler
from tests.volumes import AUTHOR, files, messages
from tests.writers import publish
from vgit.backend import Backend
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.content import store_bytes
from vgit.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    InvalidError,
)
from vgit.ids import SHA1, CommitId, ObjectId
from vgit.objects.git_mode import FILE_MODE
from vgit.repository.ancestry import find_transaction, first_parents
from vgit.repository.commit import Commit, Overwritten
from vgit.repository.publish import Proposal
from vgit.repository.publish import publish as publish_proposal
from vgit.repository.repository import Repository
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import Entry

MIB = 1 << 20


@pytest.fixture
def memory() -> MemoryBackend:
    backend = MemoryBackend()
    volumes.create(backend).close()
    return backend


def reopen(backend: Backend) -> Repository:
    return Repository.open(backend, SYSTEM_CLOCK)


def keys(backend: Backend, suffix: str) -> list[str]:
    return [listed.key for listed in backend.list("objects/") if listed.key.endswith(suffix)]


def test_publish(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository:
        first = repository.head()
        published = publish(repository, {("a",): b"1", ("d", "e", "b"): b"2"}, "two files", base=first)
        assert published is not None
        assert published.id == repository.head()
        assert volumes.open_local(git_dir).commit(published.id) == published.commit._replace(message="two files\n")
        assert published.parent == repository.commit(first)
        assert published.commit.parents == (first,)
        assert published.commit.base == first
        assert replace(published.commit.counts or Counts(), bytes_added=0) == Counts(added=2)
        assert files(repository) == {("a",): b"1", ("d", "e", "b"): b"2"}
        published = publish(repository, {("a",): None, ("d", "e", "b"): b"3"})
        assert published is not None
        assert published.commit.message == "1 changed, 1 removed"
        assert files(repository) == {("d", "e", "b"): b"3"}
        assert files(repository, first) == {}
        assert find_transaction(repository, published.commit.txn or "", first) == (
            published.id,
            repository.commit(published.id),
        )
        assert find_transaction(repository, "00" * 16, first) is None
        assert find_transaction(repository, "00" * 16, None) is None
    gitjudge.fsck_clean(git_dir)
    assert gitjudge.log(git_dir, pretty="%s") == ["1 changed, 1 removed", "two files", "Create volume"]
    assert not list(git_dir.glob("objects/pack/*.keep"))
    clone = gitjudge.clone(git_dir, tmp_path / "clone")
    assert (clone / "d/e/b").read_bytes() == b"3"


def test_a_small_commit_is_one_pack(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    before = len(keys(memory, ".pack"))
    publish(repository, {("d", f"{n}"): b"%d" % n for n in range(100)})
    assert len(keys(memory, ".pack")) == before + 1


def test_nothing_changed_is_no_commit(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    publish(repository, {("a",): b"1"})
    before = repository.head(), keys(memory, "")
    assert publish(repository, {}) is None
    assert publish(repository, {("a",): b"1"}) is None
    assert publish(repository, {("gone",): None}) is None
    assert (repository.head(), keys(memory, "")) == before


def test_a_deep_tree(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    deep = (*["d"] * 1500, "file")
    publish(repository, {deep: b"1"})
    assert files(repository) == {deep: b"1"}
    publish(repository, {deep: None, (*deep[:-1], "g"): b"2"})
    assert files(repository) == {(*deep[:-1], "g"): b"2"}


def test_times_never_run_backwards(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    created = repository.commit(repository.head()).commit_time
    early = Repository.open(memory, replace(SYSTEM_CLOCK, now_ns=lambda: 1_000_000_000))
    published = publish(early, {("a",): b"1"})
    assert published is not None
    assert published.commit.commit_time == created
    assert published.commit.told == published.commit.author_time == 1


def entry(repository: Repository, data: bytes, writer: object) -> Entry:
    stored = store_bytes(data, writer)  # type: ignore[arg-type]
    return Entry(0o100644, stored.git_mode or FILE_MODE, stored.id, stored.size, 1, stored.hash)


def test_the_receipt_is_in_the_commit_up_to_a_thousand(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    publish(repository, {("d", f"{n:04}"): b"theirs %d" % n for n in range(1100)})
    with repository.objects.writer() as writer:
        new = entry(repository, b"ours", writer)
        edits = Edits({("d", f"{n:04}"): Edit(new, None) for n in range(1100)})
        published = publish_proposal(repository, Proposal(edits, AUTHOR, "ab" * 16, unstable=(("d", "0001"),)), writer)
    assert published is not None
    assert len(published.overwrote) == published.commit.overwrote_count == 1100
    stored = reopen(memory).commit(published.id)
    assert stored.overwrote_count == 1100
    assert len(stored.overwrote) == 1000
    lost = published.overwrote[0].entry
    assert lost.id is not None
    assert stored.overwrote[0] == Overwritten(("d", "0000"), lost.id.hex())
    assert stored.unstable == (("d", "0001"),)


# beside others


def test_a_lost_swap_is_tried_again(memory: MemoryBackend) -> None:
    other = reopen(memory)
    acts = [lambda n=n: publish(other, {("other",): b"%d" % n, ("both",): b"%d" % n}) for n in range(3)]
    repository = reopen(Meddler(memory, list(acts)))
    heads: list[Commit] = []
    with repository.objects.writer() as writer:
        edits = Edits({(name,): Edit(entry(repository, b"ours", writer), None) for name in ("mine", "both")})
        published = publish_proposal(repository, Proposal(edits, AUTHOR, "ab" * 16, check=heads.append), writer)
    assert published is not None
    assert files(other) == {("other",): b"2", ("mine",): b"ours", ("both",): b"ours"}
    assert messages(other) == ["1 added, 1 changed", "2 changed", "2 changed", "2 added", "Create volume"]
    assert [lost.path for lost in published.overwrote] == [("both",)], "of the last head only"
    assert [head.tree for head in heads] == [
        commit.tree for _, commit in list(first_parents(other, other.head()))[:0:-1]
    ], "every head was checked"
    assert not keys(memory, ".keep")
    ours = ObjectId(bytes.fromhex(gitjudge.run("", "hash-object", "--stdin", stdin=b"ours").decode().strip()))
    holders = [pack for pack in other.objects._packs.packs if pack.find(ours) >= 0]
    assert len(holders) == 1, "content is never written twice"
    memory.check()


def test_a_check_is_asked_again_with_the_new_head(memory: MemoryBackend) -> None:
    other = reopen(memory)
    repository = reopen(Meddler(memory, [lambda: publish(other, {("a",): b"theirs"})]))
    parents: list[CommitId | None] = []

    def check(head: Commit) -> None:
        parents.append(head.parent)
        if head.parent is not None:
            raise AlreadyExistsError("too late")

    with pytest.raises(AlreadyExistsError, match="too late"):
        publish(repository, {("a",): b"ours"}, check=check)
    assert len(parents) == 2
    assert files(other) == {("a",): b"theirs"}
    assert not keys(memory, ".keep")


def test_what_others_made_of_it_already_is_no_commit(memory: MemoryBackend) -> None:
    other = reopen(memory)
    repository = reopen(Meddler(memory, [lambda: publish(other, {("a",): b"same"})]))
    assert publish(repository, {("a",): b"same"}) is None
    assert len(messages(other)) == 2


def test_a_large_file_survives_a_lost_swap(memory: MemoryBackend) -> None:
    other = reopen(memory)
    large = bytes(range(256)) * (20 * MIB // 256)
    large = b"".join(large[n : n + MIB] + b"%d" % n for n in range(0, len(large), MIB))
    repository = reopen(Meddler(memory, [lambda: publish(other, {("b",): b"1"})]))
    assert publish(repository, {("large",): large}) is not None
    assert files(other) == {("large",): large, ("b",): b"1"}


# packs that go


def leave_garbage(backend: Backend, data: bytes) -> str:
    """Leave a pack with a blob that no ref reaches, as a writer does who died; return its key."""
    before = set(keys(backend, ".pack"))
    with reopen(backend).objects.writer() as writer:
        store_bytes(data, writer)
        writer.sync()
    (key,) = set(keys(backend, ".pack")) - before
    return key


def remove_pack(backend: Backend, key: str) -> None:
    backend.delete(key)
    backend.delete(key.replace(".pack", ".idx"))


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_a_pack_that_a_gc_rewrote_meanwhile(memory: MemoryBackend, size: int) -> None:
    data = (b"%d " % size * size)[:size]
    key = leave_garbage(memory, data)

    def repack() -> None:
        remove_pack(memory, key)
        with reopen(memory).objects.writer() as writer:
            writer.write_blob(b"of something else")
            store_bytes(data, writer)
            writer.sync()

    repository = reopen(Meddler(memory, [repack]))
    assert publish(repository, {("a",): data}) is not None
    assert files(reopen(memory)) == {("a",): data}
    assert key not in keys(memory, ".pack")


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_content_that_a_gc_took_away_is_asked_for_again(memory: MemoryBackend, size: int) -> None:
    data = (b"%d " % size * size)[:size]
    key = leave_garbage(memory, data)
    repository = reopen(Meddler(memory, [lambda: remove_pack(memory, key)]))
    head = repository.head()
    with pytest.raises(BackendUnavailableError, match="Nothing was published; commit again"):
        publish(repository, {("a",): data})
    assert repository.head() == head
    assert not keys(memory, ".keep")
    assert publish(repository, {("a",): data}) is not None
    assert files(reopen(memory)) == {("a",): data}


def test_a_reader_survives_a_repack(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository, volumes.open_local(git_dir) as reader:
        for n in range(5):
            publish(repository, {(f"{n}",): b"%d" % n})
        assert len(files(reader)) == 5
        publish(repository, {("new",): b"6"})
        gitjudge.run(git_dir, "repack", "-a", "-d", "-q")
        assert len(files(reader)) == 6
        publish(reader, {("newer",): b"7"})
        assert len(files(repository)) == 7
    gitjudge.fsck_clean(git_dir)


# stock git's work


def test_a_push_is_merged_onto(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository:
        publish(repository, {("a",): b"1", ("d", "b"): b"2"})
        clone = gitjudge.clone(git_dir, tmp_path / "clone")
        work = str(clone)
        (clone / "d/c").write_bytes(b"pushed")
        (clone / "a").unlink()
        gitjudge.run(clone / ".git", f"--work-tree={work}", "-C", work, "add", "-A")
        gitjudge.run(clone / ".git", f"--work-tree={work}", "-C", work, "commit", "-qm", "pushed")
        gitjudge.run(clone / ".git", "push", "-q", "origin", "main")
        assert files(repository) == {("d", "b"): b"2", ("d", "c"): b"pushed"}
        published = publish(repository, {("d", "b"): b"3"})
        assert published is not None
        assert published.parent.txn is None
        assert published.parent.message == "pushed\n"
        assert files(repository) == {("d", "b"): b"3", ("d", "c"): b"pushed"}
    gitjudge.fsck_clean(git_dir)


def test_names_that_no_tree_can_hold(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    head = repository.head()
    for name in ("", ".", "..", "a/b", "\0"):
        with pytest.raises(InvalidError):
            publish(repository, {("d", name): b"1"})
    assert repository.head() == head
    assert not keys(memory, ".keep")


def test_packs_are_listed_again_only_if_others_have_published(memory: MemoryBackend) -> None:
    class Listing(FaultBackend):
        count = 0

        def names(self, prefix: str):  # type: ignore[no-untyped-def]
            self.count += prefix == "objects/"
            return super().names(prefix)

    def listings(data: bytes, meanwhile: Callable[[], object] = bool) -> int:
        before = backend.count
        with repository.writer() as writer:
            stored = store_bytes(data, writer)
            meanwhile()
            edits = Edits({("f",): Edit(Entry(0o100644, FILE_MODE, stored.id, stored.size, 0, stored.hash), None)})
            assert publish_proposal(repository, Proposal(edits, AUTHOR, "00" * 16), writer) is not None
        return backend.count - before

    backend = Listing(memory, Script())
    repository, other = reopen(backend), reopen(memory)
    assert [listings(b"1"), listings(b"2"), listings(b"3")] == [1, 0, 0]
    publish(other, {"g": b"theirs"})
    with repository.writer() as writer:
        assert writer.has_blob(SHA1.object_id(b"blob", b"theirs"))
    assert listings(b"4") == 0
    assert listings(b"5", lambda: publish(other, {"h": b"while we write"})) == 1, "to read their commit"
    assert [listings(b"6"), listings(b"7")] == [1, 0]
