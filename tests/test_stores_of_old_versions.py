"""Test_stores_of_old_versions: what each released version has stored, this one reads, judges sound, and goes on with.

tests/fixtures/stores/<version>/ is what tools/make_fixture_store made with that
version: store.tar.gz, and contains.json, which says what must be found in it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import vgit
from tests import gitjudge
from tests.inventory import Inventory, as_checked_out, differences, in_volume, on_disk

ROOT = Path(__file__).parent.parent
STORES = ROOT / "tests" / "fixtures" / "stores"
VERSIONS = sorted(path.name for path in STORES.iterdir())
LARGEST = 60 * 1024  # of an archive: every version adds one, for ever
AUTHOR = "Cleo <cleo@example.org>"


class Old(NamedTuple):
    """The store and the mounts of a version, unpacked, and what they must hold."""

    place: Path
    contains: dict[str, Any]

    def client(self, environment: str = "main") -> vgit.Client:
        return vgit.Client(self.place / "store", environment, author=AUTHOR)

    def volume(self, name: str, environment: str = "main") -> vgit.Volume:
        return vgit.Volume.from_name(name, client=self.client(environment))

    def state(self, name: str) -> Inventory:
        """Return what the newest state of a volume must hold."""
        told = next(one for one in self.contains["volumes"] if one["name"] == name)
        newest: Inventory = told["states"][told["log"][0]["id"]]
        return newest


def unpack(fixture: Path, place: Path) -> Old:
    """Unpack a fixture, and let its mounts belong to the store where that is now."""
    place.mkdir()
    # By tar: Python before 3.11.4 has no filter that lets links out of the directory pass, and these are data.
    subprocess.run(["tar", "-xzpf", fixture / "store.tar.gz", "--no-same-owner", "-C", place], check=True)
    for record in place.glob("mounts/*/.vgit/mount"):
        text = record.read_text()
        assert '"/fixture/store"' in text
        record.write_text(text.replace('"/fixture/store"', json.dumps(str(place / "store"))))
    return Old(place, json.loads((fixture / "contains.json").read_text()))


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    return unpack(STORES / request.param, tmp_path / "old")


def check_volume(volume: vgit.Volume, told: dict[str, Any]) -> None:
    """Demand that a volume tells, and holds, in each of its states, what its description says."""
    assert (volume.object_id, volume.tags()) == (told["id"], told["tags"])
    log = [{name: getattr(commit, name) for name in one} for commit, one in zip(volume.log(), told["log"], strict=True)]
    assert [commit | {"overwrote": list(commit["overwrote"])} for commit in log] == told["log"]
    for id, state in told["states"].items():
        assert list(differences(in_volume(volume.at(id)), state)) == [], id


def test_every_state_of_every_volume_is_read(old: Old) -> None:
    for told in old.contains["volumes"]:
        client = old.client(told["environment"])
        names = {one["name"] for one in old.contains["volumes"] if one["environment"] == told["environment"]}
        assert {volume.name for volume in vgit.Volume.objects.list(client=client)} == names
        check_volume(vgit.Volume.from_name(told["name"], client=client), told)


def test_a_deleted_volume_comes_back(old: Old) -> None:
    for told in old.contains["deleted"]:
        client = old.client(told["environment"])
        with pytest.raises(vgit.NotFoundError):
            vgit.Volume.from_name(told["name"], client=client).info()
        check_volume(vgit.Volume.objects.undelete(told["name"], client=client), told)


def test_stock_git_finds_every_repository_sound_before_and_after(old: Old, tmp_path: Path) -> None:
    repositories = [old.place / "store" / "catalog.git", *(old.place / "store" / "volumes").iterdir()]
    for repository in repositories:
        gitjudge.fsck(repository)
    for told in old.contains["volumes"]:
        volume = old.volume(told["name"], told["environment"])
        with volume.mount(tmp_path / told["name"]) as path:
            (path / "added.txt").write_text("by a later version")
    for repository in repositories:
        gitjudge.fsck(repository)


@pytest.mark.parametrize("name", ["kinds", "pushed"])
def test_a_volume_is_mounted_changed_and_reloaded(old: Old, tmp_path: Path, name: str) -> None:
    volume = old.volume(name)
    expected = as_checked_out(old.state(name))
    with volume.mount(tmp_path / "here") as here, old.volume(name).mount(tmp_path / "there", read_only=True) as there:
        found = on_disk(here)
        for path, item in found.items():
            if expected[path][3] == 0:  # stock git wrote it: no time is known, and none is set
                item[3] = 0
        assert list(differences(found, expected)) == []
        (here / "added.txt").write_text("by a later version")
        info = volume.commit("go on")
        assert info is not None and (info.added, info.changed, info.removed) == (1, 0, 0)
        assert info.parent == next(one for one in old.contains["volumes"] if one["name"] == name)["log"][0]["id"]
        subprocess.run([sys.executable, "-m", "vgit", "reload", there], cwd=ROOT, check=True, capture_output=True)
        assert (there / "added.txt").read_text() == "by a later version"


def test_the_same_content_gets_the_ids_that_it_had(old: Old, tmp_path: Path) -> None:
    """A file that is written anew is found in the store, whole or in chunks, and the tree that comes of it as well."""
    kinds = old.volume("kinds")
    before = kinds.info().head
    with kinds.mount(tmp_path / "here") as here:
        large = (here / "large").read_bytes()
        (here / "large").write_bytes(b"other")
        kinds.commit("away")
        (here / "large").write_bytes(large)
        info = kinds.commit("back again")
        assert info is not None and info.bytes_added < 20_000 < len(large)
    assert [change.kind.value for change in kinds.diff(before, "HEAD")] == ["time"]


def test_a_mount_that_is_behind_keeps_its_changes_and_is_brought_up_to_date(old: Old) -> None:
    path = old.place / "mounts" / "behind"
    with old.volume("jobs").mount(path) as root:
        volume = old.volume("jobs")
        assert on_disk(root).keys() == old.state("jobs").keys() | {"local.txt"}
        assert (root / "config.ini").read_text() == "rate = 0.3\n"
    newest = next(volume.log(limit=1))
    assert (newest.added, newest.changed, newest.removed) == (1, 1, 0)
    assert list(newest.overwrote) == ["config.ini"]


def test_a_commit_that_was_killed_before_it_was_published_is_made_again(old: Old) -> None:
    volume = old.volume("jobs")
    before = volume.info().head
    with volume.mount(old.place / "mounts" / "killed-before"):
        pass
    newest = next(volume.log(limit=1))
    assert newest.parent == before
    assert b"".join(volume.read_file("config.ini")) == b"rate of killed-before\n"
    assert list(newest.overwrote) == ["config.ini"]


def test_a_commit_that_was_killed_after_it_was_published_is_known(old: Old) -> None:
    volume = old.volume("jobs")
    before = volume.info().head
    with volume.mount(old.place / "mounts" / "killed-after") as root:
        assert list(differences(on_disk(root), old.state("jobs"))) == []
    assert volume.info().head == before


def test_every_release_has_left_its_store_and_the_archives_are_small() -> None:
    assert ".dev" in vgit.__version__ or vgit.__version__ in VERSIONS, "tools/make_fixture_store makes it"
    for version in VERSIONS:
        assert sorted(path.name for path in (STORES / version).iterdir()) == ["contains.json", "store.tar.gz"]
        assert (STORES / version / "store.tar.gz").stat().st_size < LARGEST


def test_the_present_version_makes_such_a_store(tmp_path: Path) -> None:
    """Or a release would find out that its fixture cannot be made."""
    maker = [sys.executable, ROOT / "tools" / "make_fixture_store", tmp_path / "made"]
    subprocess.run(maker, check=True, capture_output=True)
    made = unpack(tmp_path / "made", tmp_path / "unpacked")
    newest = max(VERSIONS, key=lambda version: tuple(map(int, version.split("."))))
    kept = json.loads((STORES / newest / "contains.json").read_text())
    assert [one["name"] for one in made.contains["volumes"]] == [one["name"] for one in kept["volumes"]]
    for told in made.contains["volumes"]:
        check_volume(made.volume(told["name"], told["environment"]), told)
