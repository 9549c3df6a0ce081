"""Test_store_set_back: an older store replaces none of a mount's work, and all of it can be brought back."""

import os
import re
import shutil
from pathlib import Path as FilePath

import pytest

from tests.faults import Crash
from tests.gitjudge import run
from tests.mount.conftest import AUTHOR, Bench
from vgit.errors import CorruptVolumeError
from vgit.history.restore import restore
from vgit.ids import CommitId
from vgit.mount import plan_execution
from vgit.mount.lease import list_leases
from vgit.mount.mount_commit import MountCommit
from vgit.mount.open import unbind
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory


def put(mount: WorkingDirectory, name: str, text: str) -> None:
    FilePath(mount.path, name).write_text(text)


def publish(mount: WorkingDirectory, name: str, text: str) -> CommitId:
    put(mount, name, text)
    committed = mount.commit(AUTHOR)
    assert committed.published is not None
    return committed.published.id


def contents(mount: WorkingDirectory) -> dict[str, str]:
    return {path.name: path.read_text() for path in FilePath(mount.path).iterdir() if path.name != ".vgit"}


class SetBack:
    """Mount ``a`` with ``f`` and ``new``, and a store that was set back to before ``f`` was changed, ``new`` made."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        mount = bench.mount("a")
        self.kept = publish(mount, "f", "old")
        shutil.copytree(bench.store, bench.base / "backup")
        self.lost = [publish(mount, "f", "work"), publish(mount, "new", "more work")]
        mount.close()
        shutil.copytree(bench.base / "backup", bench.store, dirs_exist_ok=True)  # as `cp -a backup/. store/` does
        self.mount = bench.mount_as_it_is("a")

    def refused(self) -> str:
        """See that nothing is done with the mount; return what is said of it."""
        mount = self.mount
        actions = (
            mount.reload,
            lambda: mount.reload(LocalChanges.DISCARD),
            lambda: mount.commit(AUTHOR),
            mount.status,
            lambda: self.bench.mount("a"),
            lambda: unbind(mount, remove_files=True),
        )
        said = ""
        for action in actions:
            with pytest.raises(CorruptVolumeError, match="not the one that this mount came from") as caught:
                action()
            said = str(caught.value)
        assert contents(mount) == {"f": "work", "new": "more work"}
        return said


@pytest.fixture
def set_back(bench: Bench) -> SetBack:
    return SetBack(bench)


def test_nothing_is_replaced_and_what_is_still_there_is_named(set_back: SetBack) -> None:
    put(set_back.mount, "local", "not published")
    (FilePath(set_back.mount.path) / "local").unlink()
    said = set_back.refused()
    assert all(id.hex() in said for id in set_back.lost)
    assert set_back.kept.hex()[:12] in said
    assert len(list_leases(set_back.bench.repository())) == 1, "a mount that stays one keeps its lease"


def test_what_is_said_is_lines_that_a_terminal_can_show(set_back: SetBack) -> None:
    first, *others = set_back.refused().split("\n")
    assert first.endswith("Nothing was changed.")
    named = {line.split()[0] for line in others if line.startswith("  ")}
    assert {id.hex() for id in set_back.lost} <= named
    assert any(line.startswith(f"`vgit restore x {set_back.lost[-1].hex()}`") for line in others)


def test_a_restore_brings_all_back_too(set_back: SetBack) -> None:
    command = re.search(r"`vgit restore x ([0-9a-f]{40})`", set_back.refused())
    assert command is not None
    restore(set_back.bench.repository(), CommitId(bytes.fromhex(command[1])), None, AUTHOR)
    again = set_back.bench.mount("a")
    assert contents(again) == {"f": "work", "new": "more work"}
    assert again.commit(AUTHOR).published is None


def test_the_command_of_git_that_is_named_brings_all_back(set_back: SetBack) -> None:
    said = set_back.refused()
    command = re.search(r"`git --git-dir=(\S+) (update-ref refs/heads/main \S+ \S+)`", said)
    assert command is not None, said
    assert command[1] == str(set_back.bench.git_dir)
    run(set_back.bench.git_dir, *command[2].split())
    again = set_back.bench.mount("a")
    assert again.commit(AUTHOR).published is None
    assert contents(again) == {"f": "work", "new": "more work"}
    assert publish(again, "f", "next")


def test_after_commits_onto_the_older_state_a_restore_joins_the_two_lines(set_back: SetBack) -> None:
    other = set_back.bench.mount("other")
    publish(other, "others", "made since")
    said = set_back.refused()
    command = re.search(r"`vgit restore x ([0-9a-f]{40})`", said)
    assert command is not None, said
    repository = set_back.bench.repository()
    restored = restore(repository, CommitId(bytes.fromhex(command[1])), None, AUTHOR)
    assert restored is not None and restored.commit.parents[1] == set_back.lost[-1]
    again = set_back.bench.mount("a")
    assert contents(again) == {"f": "work", "new": "more work"}
    other.reload()
    assert contents(other) == {"f": "work", "new": "more work"}
    assert publish(again, "f", "next")
    assert b"made since" in run(set_back.bench.git_dir, "show", "main~2:others")


def test_its_files_can_be_kept_without_the_volume(set_back: SetBack) -> None:
    put(set_back.mount, "f", "changed since")
    assert not unbind(set_back.mount, remove_files=False)
    again = set_back.bench.mount("a", adopt=True)
    again.commit(AUTHOR)
    assert contents(set_back.bench.mount("b")) == {"f": "changed since", "new": "more work"}


def test_a_commit_onto_what_others_published_counts_as_well(bench: Bench) -> None:
    """Base stays where it was until a reload, but what was committed since is this mount's published work."""
    a, b = bench.mount("a"), bench.mount("b")
    publish(a, "f", "old")
    b.reload()
    publish(b, "others", "theirs")
    shutil.copytree(bench.store, bench.base / "backup")
    publish(a, "f", "work")  # merged: base is still the commit of "old"
    a.close()
    shutil.copytree(bench.base / "backup", bench.store, dirs_exist_ok=True)
    again = bench.mount_as_it_is("a")
    with pytest.raises(CorruptVolumeError, match="not the one that this mount came from"):
        again.reload()
    assert contents(again)["f"] == "work"


def test_a_journal_of_a_published_commit_waits_for_its_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = bench.mount("a")
    publish(mount, "f", "old")
    older = bench.base / "backup"
    shutil.copytree(bench.store, older)
    publish(mount, "f", "work")

    def killed(*arguments: object) -> None:
        raise Crash

    put(mount, "f", "published, and cut off")
    with monkeypatch.context() as patch:
        patch.setattr(MountCommit, "_finish", killed)
        with pytest.raises(Crash):
            mount.commit(AUTHOR)
    mount.close()
    newer = bench.base / "newer"
    os.rename(bench.store, newer)
    shutil.copytree(older, bench.store)
    lost = bench.mount_as_it_is("a")
    with pytest.raises(CorruptVolumeError, match="set back"):
        lost.commit(AUTHOR)
    lost.close()
    shutil.rmtree(bench.store)
    os.rename(newer, bench.store)
    other = bench.mount("other")
    publish(other, "f", "theirs, later")
    again = bench.mount_as_it_is("a")
    assert again.commit(AUTHOR).published is None, "it was published before: not once more over a later version"
    again.reload()
    assert contents(again) == {"f": "theirs, later"}


def test_a_journal_does_not_stand_in_the_way_of_keeping_the_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount, other = bench.mount("a"), bench.mount("other")
    publish(mount, "f", "old")
    shutil.copytree(bench.store, bench.base / "backup")
    other.reload()
    publish(other, "f", "new")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plan_execution.PlanExecution, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            mount.reload()
    mount.close()
    shutil.rmtree(bench.store)
    shutil.copytree(bench.base / "backup", bench.store)
    lost = bench.mount_as_it_is("a")
    with pytest.raises(CorruptVolumeError, match="set back"):
        lost.reload()
    assert not unbind(lost, remove_files=False)
    assert contents(lost) == {"f": "new"}


def test_a_base_that_came_in_by_the_second_parent_of_a_push_is_in_the_history(bench: Bench) -> None:
    mount = bench.mount("a")
    begin = publish(mount, "f", "old")
    side = publish(mount, "f", "side")
    bench.mount("b").close()
    git = bench.git_dir
    tree = run(git, "rev-parse", f"{side.hex()}^{{tree}}").decode().strip()
    run(git, "update-ref", "refs/heads/main", begin.hex())
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    line = run(git, *who, "commit-tree", tree, "-p", begin.hex(), "-m", "other").decode().strip()
    merge = run(git, *who, "commit-tree", tree, "-p", line, "-p", side.hex(), "-m", "merge").decode().strip()
    run(git, "update-ref", "refs/heads/main", merge)
    assert mount.reload().base.hex() == merge
    assert unbind(bench.mount_as_it_is("b"), remove_files=True), "without a reload, too"
