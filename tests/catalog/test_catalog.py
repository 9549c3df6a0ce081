"""Test_catalog: names of volumes, given, moved and taken away, also by two at once."""

import pytest

from tests import volumes
from tests.meddler import Meddler
from vgit.backend.memory import MemoryBackend
from vgit.catalog import Catalog, VolumeRecord
from vgit.catalog import catalog as catalog_module
from vgit.catalog.volume_record import decode_record
from vgit.clock import SYSTEM_CLOCK
from vgit.content import store_bytes
from vgit.errors import AlreadyExistsError, CorruptVolumeError, InvalidError, NotFoundError
from vgit.names import new_volume_id
from vgit.objects.git_mode import FILE_MODE
from vgit.repository.ancestry import first_parents
from vgit.repository.publish import Proposal, publish
from vgit.repository.repository import Repository
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry

AUTHOR = "Ann <ann@x>"


def record(name: str | None, environment: str = "main", created_at_ns: int = 1) -> VolumeRecord:
    return VolumeRecord(environment, name, new_volume_id(SYSTEM_CLOCK), created_at_ns, AUTHOR)


@pytest.fixture
def memory() -> MemoryBackend:
    backend = MemoryBackend()
    volumes.create(backend).close()
    return backend


def open_catalog(backend: object) -> Catalog:
    return Catalog(Repository.open(backend, SYSTEM_CLOCK), SYSTEM_CLOCK)  # type: ignore[arg-type]


@pytest.fixture
def catalog(memory: MemoryBackend) -> Catalog:
    return open_catalog(memory)


def test_a_name_is_found_where_it_was_given(catalog: Catalog) -> None:
    data, same_name = record("data"), record("data", "test")
    catalog.add(data, AUTHOR)
    catalog.add(same_name, AUTHOR)
    assert catalog.find("main", "data") == data
    assert catalog.find("test", "data") == same_name
    assert catalog.find("main", "dat") is None
    assert catalog.find("none", "data") is None
    assert catalog.find_id(data.id) == data
    assert catalog.find_id(new_volume_id(SYSTEM_CLOCK)) is None


def test_a_name_is_given_once(catalog: Catalog) -> None:
    first = record("data")
    catalog.add(first, AUTHOR)
    with pytest.raises(AlreadyExistsError, match=first.id):
        catalog.add(record("data"), AUTHOR)
    assert catalog.find("main", "data") == first


def test_names_are_listed_newest_first(catalog: Catalog) -> None:
    for name, created_at_ns in (("b", 5), ("a", 5), ("new", 9), ("old", 1)):
        catalog.add(record(name, created_at_ns=created_at_ns), AUTHOR)
    catalog.add(record("elsewhere", "test"), AUTHOR)
    catalog.add(record(None), AUTHOR)
    assert [found.name for found in catalog.named("main")] == ["new", "a", "b", "old"]
    assert catalog.named("none") == []


def test_ephemeral_volumes_have_no_name(catalog: Catalog) -> None:
    ephemeral = record(None)
    catalog.add(ephemeral, AUTHOR)
    (found,) = catalog.ephemeral()
    assert (found.id, found.name) == (ephemeral.id, None)
    assert catalog.find_id(ephemeral.id) == found
    assert catalog.find("main", ephemeral.id) is None
    catalog.remove(found, AUTHOR)
    assert catalog.ephemeral() == []


def test_rename(catalog: Catalog) -> None:
    data = record("data")
    catalog.add(data, AUTHOR)
    moved = catalog.rename("main", "data", "better", AUTHOR)
    assert (moved.id, moved.name, moved.created_at_ns) == (data.id, "better", data.created_at_ns)
    assert catalog.find("main", "better") == moved
    assert catalog.find("main", "data") is None
    assert catalog.rename("main", "better", "better", AUTHOR) == moved
    catalog.add(record("data"), AUTHOR)
    with pytest.raises(AlreadyExistsError, match="'data' already exists"):
        catalog.rename("main", "better", "data", AUTHOR)
    with pytest.raises(NotFoundError, match="'gone' not found"):
        catalog.rename("main", "gone", "other", AUTHOR)
    with pytest.raises(InvalidError, match="Invalid Volume name"):
        catalog.rename("main", "data", "a/b", AUTHOR)


def test_what_was_deleted_can_be_found_again(catalog: Catalog) -> None:
    first, second = record("data"), record("data")
    for one in (first, second):
        catalog.add(one, AUTHOR)
        catalog.remove(one, AUTHOR)
        assert catalog.find("main", "data") is None
    assert list(catalog.deleted("main", "data")) == [second, first]
    third = record("data")
    catalog.add(third, AUTHOR)
    assert list(catalog.deleted("main", "data")) == [second, first]
    catalog.rename("main", "data", "kept", AUTHOR)
    assert list(catalog.deleted("main", "data")) == [second, first], "a volume that lives on has not been deleted"
    assert list(catalog.deleted("main", "never")) == []
    with pytest.raises(NotFoundError, match="any more"):
        catalog.remove(first, AUTHOR)


def test_the_log_is_the_audit_trail(memory: MemoryBackend, catalog: Catalog) -> None:
    data = record("data")
    catalog.add(data, AUTHOR)
    catalog.remove(catalog.rename("main", "data", "new", "Bob <bob@x>"), AUTHOR)
    repository = Repository.open(memory, SYSTEM_CLOCK)
    log = [commit for _, commit in first_parents(repository, repository.head())]
    assert [(commit.author, commit.message) for commit in log[:-1]] == [
        (AUTHOR, "Delete main/new\n"),
        ("Bob <bob@x>", "Rename main/data to new\n"),
        (AUTHOR, "Create main/data\n"),
    ]
    assert not any(commit.overwrote_count for commit in log), "what a precondition saw is not lost unseen"


# two at once


def test_the_loser_of_a_race_for_a_name(memory: MemoryBackend, catalog: Catalog) -> None:
    winner, loser = record("data"), record("data")
    slow = open_catalog(Meddler(memory, [lambda: catalog.add(winner, AUTHOR)]))
    with pytest.raises(AlreadyExistsError, match=winner.id):
        slow.add(loser, AUTHOR)
    assert catalog.find("main", "data") == winner


def test_two_names_at_once_are_both_given(memory: MemoryBackend, catalog: Catalog) -> None:
    one, other = record("one"), record("other")
    open_catalog(Meddler(memory, [lambda: catalog.add(one, AUTHOR)])).add(other, AUTHOR)
    assert {found.name for found in catalog.named("main")} == {"one", "other"}


def test_a_name_renamed_while_it_is_deleted(memory: MemoryBackend, catalog: Catalog) -> None:
    data = record("data")
    catalog.add(data, AUTHOR)
    slow = open_catalog(Meddler(memory, [lambda: catalog.rename("main", "data", "kept", AUTHOR)]))
    with pytest.raises(NotFoundError, match="deleted or renamed it meanwhile"):
        slow.remove(data, AUTHOR)
    assert catalog.find("main", "kept") is not None


def test_a_name_taken_by_another_volume_is_not_removed(memory: MemoryBackend, catalog: Catalog) -> None:
    data, other = record("data"), record("data")
    catalog.add(data, AUTHOR)

    def replace() -> None:
        catalog.remove(data, AUTHOR)
        catalog.add(other, AUTHOR)

    slow = open_catalog(Meddler(memory, [replace]))
    with pytest.raises(NotFoundError):
        slow.remove(data, AUTHOR)
    with pytest.raises(NotFoundError):
        open_catalog(Meddler(memory, [lambda: catalog.remove(other, AUTHOR)])).rename("main", "data", "x", AUTHOR)


# cost


def test_the_thousandth_volume_costs_no_thousand_reads(memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.open(memory, SYSTEM_CLOCK)
    edits = Edits()
    with repository.objects.writer() as writer:
        for number in range(999):
            stored = store_bytes(record(f"v{number}").encode(), writer)
            edits["main", f"v{number}"] = Edit(Entry(0o100644, FILE_MODE, stored.id, stored.size, 1, stored.hash), None)
        publish(repository, Proposal(edits, AUTHOR, "ab" * 16), writer)
    catalog = open_catalog(memory)
    decoded = []

    def count(environment: str, name: str | None, data: bytes) -> VolumeRecord:
        decoded.append(name)
        return decode_record(environment, name, data)

    monkeypatch.setattr(catalog_module, "decode_record", count)
    catalog.add(record("v999"), AUTHOR)
    assert decoded == []
    assert catalog.find("main", "v999") is not None
    catalog.rename("main", "v999", "last", AUTHOR)
    assert len(decoded) < 10
    decoded.clear()
    assert len(catalog.named("main")) == len(decoded) == 1000


# records


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"vgit volume 2\n",
        b"vgit volume 1\nid vo-0123456789012345678901\n",
        b"vgit volume 1\nid ../../x\ncreated_at 1\ncreated_by a\n",
        b"vgit volume 1\nid vo-0123456789012345678901\ncreated_at soon\ncreated_by a\n",
        b"\xff\0",
    ],
)
def test_a_damaged_record_names_its_file(data: bytes) -> None:
    with pytest.raises(CorruptVolumeError, match="main/data"):
        decode_record("main", "data", data)


@pytest.mark.parametrize("created_by", ["Ann <ann@x>", "Ren\u2028é <r@x>", "\udcff <x>", "a  b <x>"])
def test_a_record_comes_back(created_by: str) -> None:
    kept = VolumeRecord("main", "data", new_volume_id(SYSTEM_CLOCK), 1_700_000_000_000_000_000, created_by)
    assert decode_record("main", "data", kept.encode()) == kept
    assert decode_record("main", "data", kept.encode() + b"later more\n") == kept, "a field that a later vgit adds"


def test_a_directory_where_a_record_belongs(memory: MemoryBackend, catalog: Catalog) -> None:
    repository = Repository.open(memory, SYSTEM_CLOCK)
    with repository.objects.writer() as writer:
        edits = Edits({("main", "data"): Edit(Entry(0o040755, 0o040000, None, 0, 0, None), None)})
        publish(repository, Proposal(edits, AUTHOR, "ab" * 16), writer)
    with pytest.raises(CorruptVolumeError, match="main/data is a directory"):
        catalog.find("main", "data")
