"""Test_repository: a repository is made and opened, and what is damaged in it is noticed."""

from pathlib import Path

import pytest

from tests import gitjudge, volumes
from tests.meddler import Meddler
from tests.volumes import AUTHOR, files, messages
from tests.writers import publish
from vgit.backend import Backend
from vgit.backend.memory import MemoryBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.errors import (
    AlreadyExistsError,
    CorruptObjectError,
    CorruptVolumeError,
)
from vgit.repository.ancestry import find_transaction
from vgit.repository.refs import MAIN
from vgit.repository.repository import Repository


@pytest.fixture
def memory() -> MemoryBackend:
    backend = MemoryBackend()
    volumes.create(backend).close()
    return backend


def reopen(backend: Backend) -> Repository:
    return Repository.open(backend, SYSTEM_CLOCK)


# create, open


def test_create_makes_what_git_takes_for_a_repository(tmp_path: Path) -> None:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository:
        root = repository.commit(repository.head())
        assert (root.parents, root.author, root.message) == ((), AUTHOR, "Create volume\n")
        assert root.txn is not None
        assert files(repository) == {}
        assert repository.root(root.tree).mode is None, "nobody has set it"
    gitjudge.fsck_clean(git_dir)
    assert gitjudge.log(git_dir, pretty="%an <%ae>|%s") == ["tester <t@x>|Create volume"]
    assert gitjudge.run(git_dir, "config", "core.bare") == b"true\n"
    assert gitjudge.run(git_dir, "config", "gc.auto") == b"0\n"
    assert gitjudge.run(git_dir, "rev-parse", "--is-bare-repository") == b"true\n"
    assert not list(git_dir.glob("objects/pack/*.keep"))
    gitjudge.clone(git_dir, tmp_path / "clone")


def test_create_leaves_another_volume_alone(memory: MemoryBackend) -> None:
    head = reopen(memory).head()
    with pytest.raises(AlreadyExistsError, match="is here already"):
        volumes.create(memory)
    assert reopen(memory).head() == head


def test_of_two_that_create_one_wins() -> None:
    memory = MemoryBackend()
    with pytest.raises(AlreadyExistsError):
        volumes.create(Meddler(memory, [lambda: volumes.create(memory)]))
    assert messages(reopen(memory)) == ["Create volume"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (None, "not a volume's repository"),
        (b"\0", "cannot be parsed"),
        (b"[core]\n\trepositoryformatversion = two\n", "cannot be parsed"),
        (b"[core]\n\trepositoryformatversion = 2\n", "format version 2"),
        (b"[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n", "'sha256'"),
        (b"[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n", "refstorage"),
    ],
)
def test_open_refuses_what_it_cannot_use(memory: MemoryBackend, config: bytes | None, complaint: str) -> None:
    if config is None:
        memory.delete("config")
    else:
        memory.put("config", config)
    with pytest.raises(CorruptVolumeError, match=complaint):
        reopen(memory)


@pytest.mark.parametrize(
    "config", [b"", b"[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha1\n"]
)
def test_open_takes_other_configs_of_git(memory: MemoryBackend, config: bytes) -> None:
    memory.put("config", config)
    assert files(reopen(memory)) == {}


def test_a_missing_ref_is_never_an_empty_volume(memory: MemoryBackend) -> None:
    repository = reopen(memory)
    memory.delete(MAIN)
    for use in (
        repository.head,
        lambda: publish(repository, {("a",): b"1"}),
        lambda: find_transaction(repository, "x", None),
    ):
        with pytest.raises(CorruptVolumeError, match="has no refs/heads/main"):
            use()


# damage


def largest_pack(git_dir: Path) -> Path:
    return max(git_dir.glob("objects/pack/*.pack"), key=lambda pack: pack.stat().st_size)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    git_dir = tmp_path / "v.git"
    with volumes.create_local(git_dir) as repository:
        publish(repository, {("a",): b"1" * 300, ("d", "b"): bytes(range(256)) * 16})
    return git_dir


def test_a_pack_cut_short(damaged: Path) -> None:
    pack = largest_pack(damaged)
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:-200])
    with volumes.open_local(damaged) as repository, pytest.raises(CorruptObjectError, match=r"object [0-9a-f]{40} in"):
        files(repository)


def test_a_pack_that_is_gone(damaged: Path) -> None:
    largest_pack(damaged).unlink()
    with volumes.open_local(damaged) as repository, pytest.raises(CorruptObjectError, match="is missing"):
        files(repository)


def test_no_flipped_byte_goes_unnoticed(damaged: Path) -> None:
    pack = largest_pack(damaged)
    pack.chmod(0o644)
    good = pack.read_bytes()
    with volumes.open_local(damaged) as repository:
        expected = files(repository)
    noticed = 0
    for at in range(0, len(good), 7):
        pack.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        with volumes.open_local(damaged) as repository:
            try:
                assert files(repository) == expected
            except CorruptObjectError as error:
                assert str(error)
                noticed += 1
    assert noticed > len(good) // 7 * 0.9, "all but the pack's own header, trailer and zlib's flags"


def test_a_head_that_is_no_commit(damaged: Path) -> None:
    with volumes.open_local(damaged) as repository:
        tree = repository.commit(repository.head()).tree
        (damaged / MAIN).unlink()
        (damaged / MAIN).write_text(tree.hex() + "\n")
        with pytest.raises(CorruptObjectError, match="is a tree, expected a commit"):
            publish(repository, {("a",): b"1"})
        (damaged / MAIN).write_text("ab" * 20 + "\n")
        with pytest.raises(CorruptObjectError, match="is missing"):
            publish(repository, {("a",): b"1"})
