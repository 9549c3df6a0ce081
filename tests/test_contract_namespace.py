"""Test_contract_namespace: how volumes are made, named, listed, renamed and deleted, line by line."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath

import pytest

import vgit
from vgit.clock import Clock


class Time:
    """A clock that the test sets; a volume is made each minute."""

    def __init__(self) -> None:
        self.now_ns = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000_000

    def clock(self) -> Clock:
        def tick() -> int:
            self.now_ns += 1_000_000
            return self.now_ns

        return Clock(tick, lambda: self.now_ns / 1e9, lambda seconds: None, os.urandom)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(tmp_path: FilePath, time: Time) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>", clock=time.clock())


def make(client: vgit.Client, *names: str, environment: str | None = None) -> None:
    for name in names:
        vgit.Volume.objects.create(name, environment_name=environment, client=client)


def listed(client: vgit.Client, **options: object) -> list[str | None]:
    return [one.name for one in vgit.Volume.objects.list(client=client, **options)]  # type: ignore[arg-type]


# ---- from_name


def test_from_name_does_no_io(client: vgit.Client) -> None:
    handle = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    assert handle.name == "x"
    assert not os.path.exists(client.store)
    assert handle.hydrate() is handle and os.path.isdir(client.store)


def test_from_name_of_a_missing_volume_raises_at_first_use(client: vgit.Client) -> None:
    missing = vgit.Volume.from_name("x", client=client)
    for use in (missing.hydrate, missing.info, lambda: missing.object_id, lambda: missing.listdir("/"), missing.commit):
        with pytest.raises(vgit.NotFoundError, match="Volume 'x' not found in environment 'main'"):
            use()


@pytest.mark.parametrize("version", [None, 1, 2])
def test_modals_versions_and_options_are_accepted(client: vgit.Client, version: int | None) -> None:
    options = {"experimental_options": {"a": "b"}}
    handle = vgit.Volume.from_name("x", create_if_missing=True, version=version, create_options=options, client=client)
    handle.hydrate()
    vgit.Volume.objects.create("y", version=version, create_options=options, client=client)
    with vgit.Volume.ephemeral(version=version, create_options=options, client=client) as volume:
        assert volume.listdir("/") == []


@pytest.mark.parametrize("version", [0, 3, "1", "v2", 1.5])
def test_other_versions_are_refused(client: vgit.Client, version: int) -> None:
    for call in (
        lambda: vgit.Volume.from_name("x", version=version, client=client),
        lambda: vgit.Volume.objects.create("x", version=version, client=client),
        lambda: vgit.Volume.ephemeral(version=version, client=client),
    ):
        with pytest.raises(vgit.InvalidError, match="Invalid version"):
            call()


# ---- from_id, ephemeral


def test_from_id_is_lazy_and_learns_its_name(client: vgit.Client) -> None:
    make(client, "x")
    id = vgit.Volume.from_name("x", client=client).object_id
    handle = vgit.Volume.from_id(id, client=client)
    assert handle.name is None and handle.object_id == id
    assert handle.hydrate().name == "x"
    assert vgit.Volume.from_id(id, client).hydrate().name == "x", "the client stands second, as in Modal's API"


def test_from_id_of_an_unknown_volume(client: vgit.Client) -> None:
    unknown = vgit.Volume.from_id("vo-" + "0" * 22, client=client)
    with pytest.raises(vgit.NotFoundError, match="not found in the store"):
        unknown.hydrate()


def test_ephemeral_is_unnamed_and_gone_at_the_end(client: vgit.Client) -> None:
    manager = vgit.Volume.ephemeral("dev", client=client)
    assert not os.path.exists(client.store), "nothing is made before the block"
    with manager as volume:
        assert volume.name is None and volume.object_id.startswith("vo-")
        assert listed(client) == listed(client, environment_name="dev") == []
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_id(volume.object_id, client=client).hydrate()


def test_ephemeral_goes_when_its_block_fails(client: vgit.Client) -> None:
    with pytest.raises(ZeroDivisionError), vgit.Volume.ephemeral(client=client) as volume:
        raise ZeroDivisionError
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_id(volume.object_id, client=client).hydrate()


# ---- rename


def test_rename_keeps_the_id(client: vgit.Client) -> None:
    make(client, "old")
    handle = vgit.Volume.from_name("old", client=client)
    id = handle.object_id
    vgit.Volume.rename("old", "new", client=client)
    assert vgit.Volume.from_name("new", client=client).object_id == id
    assert handle.listdir("/") == [], "a handle that was used stays with its volume"
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_name("old", client=client).hydrate()


def test_rename_that_cannot_be(client: vgit.Client) -> None:
    make(client, "a", "b")
    with pytest.raises(vgit.NotFoundError, match="'gone' not found"):
        vgit.Volume.rename("gone", "c", client=client)
    with pytest.raises(vgit.AlreadyExistsError, match="'b' already exists"):
        vgit.Volume.rename("a", "b", client=client)
    with pytest.raises(vgit.InvalidError, match="Invalid Volume name"):
        vgit.Volume.rename("a", "no/slash", client=client)
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.rename("a", "c", environment_name="dev", client=client)
    vgit.Volume.rename("a", "a", client=client)
    assert sorted(map(str, listed(client))) == ["a", "b"]


# ---- objects


def test_create_refuses_a_taken_name_unless_allowed(client: vgit.Client) -> None:
    make(client, "x")
    id = vgit.Volume.from_name("x", client=client).object_id
    with pytest.raises(vgit.AlreadyExistsError, match="allow_existing=True"):
        make(client, "x")
    vgit.Volume.objects.create("x", allow_existing=True, client=client)
    assert vgit.Volume.from_name("x", client=client).object_id == id
    assert vgit.Volume.objects.create("y", client=client) is None  # type: ignore[func-returns-value]


def test_list_gives_named_volumes_newest_first(client: vgit.Client) -> None:
    assert listed(client) == []
    make(client, "c", "a", "b")
    with vgit.Volume.ephemeral(client=client):
        assert listed(client) == ["b", "a", "c"]
    assert listed(client, max_objects=2) == ["b", "a"]
    assert listed(client, max_objects=0) == []
    handle = vgit.Volume.objects.list(client=client)[0]
    assert handle.object_id == vgit.Volume.from_name("b", client=client).object_id


def test_list_before_a_time(client: vgit.Client, time: Time) -> None:
    make(client, "early")
    created = vgit.Volume.from_name("early", client=client).info().created_at
    time.now_ns += 3_600_000_000_000
    make(client, "late")
    between = created + timedelta(minutes=30)
    naive = between.astimezone().replace(tzinfo=None)
    for when in (between, between.isoformat(), naive, naive.isoformat(), "2026-11-01T12:30Z"):
        assert listed(client, created_before=when) == ["early"], when
    assert listed(client, created_before=created) == [], "exclusive"
    assert listed(client, created_before="2026-11-03") == ["late", "early"]


@pytest.mark.parametrize(
    "options", [{"max_objects": -1}, {"max_objects": "3"}, {"created_before": "soon"}, {"created_before": 3}]
)
def test_list_refuses_what_it_cannot_mean(client: vgit.Client, options: dict[str, object]) -> None:
    with pytest.raises(vgit.InvalidError):
        listed(client, **options)


def test_delete_of_a_missing_volume(client: vgit.Client) -> None:
    for _ in range(2):  # without a store, and with one
        with pytest.raises(vgit.NotFoundError, match="'x' not found"):
            vgit.Volume.objects.delete("x", client=client)
        vgit.Volume.objects.delete("x", allow_missing=True, client=client)
        make(client, "other") if not os.path.exists(client.store) else None


def test_a_name_that_is_made_again_has_a_new_id_and_can_come_back_only_when_free(client: vgit.Client) -> None:
    make(client, "x")
    first = vgit.Volume.from_name("x", client=client).object_id
    vgit.Volume.objects.delete("x", client=client)
    make(client, "x")
    assert vgit.Volume.from_name("x", client=client).object_id != first
    with pytest.raises(vgit.AlreadyExistsError):
        vgit.Volume.objects.undelete("x", client=client)
    vgit.Volume.rename("x", "y", client=client)
    assert vgit.Volume.objects.undelete("x", client=client).object_id == first
    with pytest.raises(vgit.NotFoundError, match="No deleted volume was called 'z'"):
        vgit.Volume.objects.undelete("z", client=client)


# ---- names, ids, environments


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 64, "-", "..."])
def test_names_that_are_allowed(client: vgit.Client, name: str) -> None:
    make(client, name)
    assert listed(client) == [name]


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 65, "a/b", "a b", "a\n", "ä", "a\0", None, 3, b"a", ["a"]])
def test_names_that_are_not(client: vgit.Client, name: str) -> None:
    for call in (
        lambda: vgit.Volume.from_name(name, client=client),
        lambda: vgit.Volume.objects.create(name, client=client),
        lambda: vgit.Volume.objects.delete(name, allow_missing=True, client=client),
        lambda: vgit.Volume.objects.undelete(name, client=client),
        lambda: vgit.Volume.rename(name, "x", client=client),
        lambda: vgit.Volume.rename("x", name, client=client),
    ):
        with pytest.raises(vgit.InvalidError, match=re.escape(f"Invalid Volume name: {name!r}")):
            call()


@pytest.mark.parametrize(
    "id", ["x", "vo-", "vo-" + "0" * 21, "vo-" + "0" * 23, "vo-" + "/" * 22, "vo-" + "0" * 22 + "\n", None, 3]
)
def test_ids_that_are_none(id: str) -> None:
    with pytest.raises(vgit.InvalidError, match="Invalid Volume id"):
        vgit.Volume.from_id(id)


def test_an_environment_is_the_argument_then_the_variable_then_main(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGIT_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("VGIT_ENVIRONMENT", raising=False)
    vgit.Volume.objects.create("x")
    monkeypatch.setenv("VGIT_ENVIRONMENT", "dev")
    vgit.Volume.objects.create("x")
    ids = {name: vgit.Volume.from_name("x", environment_name=name).object_id for name in ("main", "dev")}
    assert len(set(ids.values())) == 2, "names are unique in their environment only"
    assert vgit.Volume.from_name("x").object_id == ids["dev"]
    assert vgit.Volume.from_name("x", environment_name="").object_id == ids["dev"]
    assert (
        repr(vgit.Volume.from_name("x", environment_name="main"))
        == "vgit.Volume.from_name('x', environment_name='main')"
    )
    monkeypatch.delenv("VGIT_ENVIRONMENT")
    assert vgit.Volume.from_name("x").object_id == ids["main"]


@pytest.mark.parametrize("environment", ["no/slash", 3, ".."])
def test_environments_that_are_none(client: vgit.Client, environment: str) -> None:
    for call in (
        lambda: vgit.Volume.from_name("x", environment_name=environment, client=client).hydrate(),
        lambda: vgit.Volume.objects.list(environment_name=environment, client=client),
        lambda: vgit.Volume.objects.create("x", environment_name=environment, client=client),
        lambda: vgit.Volume.ephemeral(environment, client=client).__enter__(),
        lambda: vgit.Client(client.store, environment),
    ):
        with pytest.raises(vgit.InvalidError, match="Invalid Environment name"):
            call()


def test_volume_itself_is_refused() -> None:
    with pytest.raises(vgit.InvalidError, match="from_name"):
        vgit.Volume()


def test_no_volume_is_given_a_name_that_looks_like_an_id(client: vgit.Client) -> None:
    make(client, "data")
    id = vgit.Volume.from_name("data", client=client).object_id
    attempts = (
        lambda: vgit.Volume.objects.create(id, client=client),
        lambda: vgit.Volume.from_name(id, create_if_missing=True, client=client).hydrate(),
        lambda: vgit.Volume.rename("data", id, client=client),
    )
    for attempt in attempts:
        with pytest.raises(vgit.InvalidError, match="what the id of a volume looks like"):
            attempt()
    with pytest.raises(vgit.NotFoundError):
        vgit.Volume.from_name(id, client=client).hydrate()
    assert [one.name for one in vgit.Volume.objects.list(client=client)] == ["data"]
    vgit.Volume.rename("data", id[:-1], client=client)
