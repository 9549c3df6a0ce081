"""Test_commit_reload: what mounts publish, bring in, keep and never lose."""

import os
import shutil
import socket
import stat
import threading
from contextlib import AbstractContextManager
from pathlib import Path as FilePath

import pytest

from tests.gitjudge import clone, run
from tests.mount.conftest import AUTHOR, Bench, listing
from vgit.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    InvalidError,
    LockedError,
    NotMountedError,
    ReadOnlyError,
)
from vgit.history.restore import restore
from vgit.history.revision import resolve_revision
from vgit.mount.policy import LocalChanges
from vgit.mount.stat_cache import StatCache
from vgit.mount.working_directory import WorkingDirectory
from vgit.objects.object_writer import ObjectWriter
from vgit.repository.ancestry import find_transaction, first_parents


def write(mount: WorkingDirectory, name: str, content: bytes | str) -> FilePath:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(mount: WorkingDirectory, name: str) -> str:
    return FilePath(mount.path, name).read_text()


class TestEverythingSurvives:
    def fill(self, root: FilePath) -> None:
        (root / "empty").mkdir()
        (root / "closed").mkdir()
        (root / "closed/in").write_text("x")
        (root / "bin").write_bytes(b"#!/bin/sh\n")
        (root / "bin").chmod(0o751)
        (root / "secret").write_text("s")
        (root / "secret").chmod(0o600)
        os.utime(root / "secret", ns=(1, -5_000_000_123))
        (root / "zero").write_bytes(b"")
        os.symlink("secret", root / "link")
        os.symlink("/nowhere/at all", root / "dangling")
        os.utime(root / "link", ns=(1, 1_234_567_890_123_456_789), follow_symlinks=False)
        os.mkfifo(root / "fifo", 0o640)
        server = socket.socket(socket.AF_UNIX)
        previous = os.getcwd()
        os.chdir(root)
        try:
            server.bind("sock")
        finally:
            os.chdir(previous)
            server.close()
        for name in (b"\xff\xfe", b"new\nline", b"per%cent", b" space ", b"back\\slash", "ünï".encode(), b"\x01\x7f"):
            with open(os.fsencode(root) + b"/" + name, "wb") as file:
                file.write(name)
        (root / "repo").mkdir()
        run(root / "repo/.git", "init", "--quiet", str(root / "repo"))
        for name in (".gitmodules", ".gitattributes", ".gitignore", ".GIT", ".vgit~x", ".vgitx"):
            (root / "repo" / name).write_text("junk = [\n")
        os.symlink("secret", root / "repo/.mailmap")
        (root / "closed").chmod(0o555)

    def test_commit_and_checkout_keep_content_mode_mtime_and_kind(self, bench: Bench) -> None:
        one = bench.mount("one")
        self.fill(FilePath(one.path))
        before = listing(one.path)
        assert one.commit(AUTHOR).published is not None
        two = bench.mount("two")
        assert listing(two.path) == before
        assert listing(one.path) == before
        assert two.commit(AUTHOR).published is None
        assert not two.status().edits

    def test_and_a_reload_keeps_them_too(self, bench: Bench) -> None:
        one, two = bench.mount("one"), bench.mount("two")
        self.fill(FilePath(one.path))
        one.commit(AUTHOR)
        two.reload()
        assert listing(two.path) == listing(one.path)
        assert two.commit(AUTHOR).published is None

    def test_stock_git_clones_the_same_contents(self, bench: Bench, tmp_path: FilePath) -> None:
        one = bench.mount("one")
        write(one, "a/b.txt", "text")
        os.symlink("a/b.txt", FilePath(one.path, "l"))
        one.commit(AUTHOR, "Message of mine")
        copy = clone(bench.git_dir, tmp_path / "clone")
        assert (copy / "a/b.txt").read_text() == "text"
        assert os.readlink(copy / "l") == "a/b.txt"
        assert b"Message of mine" in run(bench.git_dir, "log", "-1", "--format=%B", "main")

    def test_a_mode_of_the_root_and_of_directories(self, bench: Bench) -> None:
        one, two = bench.mount("one"), bench.mount("two")
        write(one, "d/f", "x")
        one.commit(AUTHOR)
        two.reload()
        os.chmod(one.path, 0o750)
        os.chmod(FilePath(one.path, "d"), 0o700)
        assert one.commit(AUTHOR).published is not None
        two.reload()
        assert stat.S_IMODE(os.stat(two.path).st_mode) == 0o750
        assert stat.S_IMODE(os.stat(FilePath(two.path, "d")).st_mode) == 0o700
        assert two.commit(AUTHOR).published is None


class TestTwoWriters:
    def test_last_writer_wins_per_file_and_the_receipt_names_what_was_lost(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "a.txt", "A")
        write(a, "shared.txt", "A's")
        write(b, "b.txt", "B")
        write(b, "shared.txt", "B's")
        first = a.commit(AUTHOR).published
        second = b.commit(AUTHOR).published
        assert first is not None and second is not None
        assert [lost.path for lost in second.overwrote] == [("shared.txt",)]
        assert [lost.path for lost in second.commit.overwrote] == [("shared.txt",)]
        assert not first.overwrote
        assert set(bench.published()) == {"a.txt", "b.txt", "shared.txt"}
        assert not FilePath(b.path, "a.txt").exists()
        write(b, "c.txt", "C")
        b.commit(AUTHOR)
        assert set(bench.published()) == {"a.txt", "b.txt", "c.txt", "shared.txt"}
        a.reload()
        b.reload()
        assert listing(a.path) == listing(b.path)
        assert read(a, "shared.txt") == "B's"

    def test_a_mount_that_did_not_reload_never_takes_back_what_others_wrote(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "one")
        a.commit(AUTHOR)
        b.reload()
        write(a, "f", "two")
        a.commit(AUTHOR)
        write(b, "other", "x")
        b.commit(AUTHOR)
        assert bench.published()["f"].size == 3
        a.reload()
        assert read(a, "f") == "two"
        b.reload()
        assert read(b, "f") == "two"

    def test_chmod_of_all_in_one_mount_reverts_no_content(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        for number in range(20):
            write(a, f"d/f{number}", f"old {number}")
        a.commit(AUTHOR)
        b.reload()
        for number in range(20):
            os.chmod(FilePath(a.path, f"d/f{number}"), 0o700)
        for number in range(0, 20, 2):
            write(b, f"d/f{number}", f"new {number}")
        b.commit(AUTHOR)
        a.commit(AUTHOR)
        a.reload()
        b.reload()
        assert listing(a.path) == listing(b.path)
        for number in range(20):
            assert read(b, f"d/f{number}") == (f"new {number}" if number % 2 == 0 else f"old {number}")
            assert os.stat(FilePath(b.path, f"d/f{number}")).st_mode & 0o777 == 0o700

    def test_a_directory_swapped_by_rename(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "model/w", "1")
        write(a, "model/old", "1")
        a.commit(AUTHOR)
        b.reload()
        write(a, "next/w", "2")
        shutil.rmtree(FilePath(a.path, "model"))
        shutil.move(FilePath(a.path, "next"), FilePath(a.path, "model"))
        a.commit(AUTHOR)
        b.reload()
        assert listing(a.path) == listing(b.path)
        assert read(b, "model/w") == "2"
        assert not FilePath(b.path, "model/old").exists()

    @pytest.mark.parametrize("times", [1, 2])
    def test_every_change_of_kind_travels(self, bench: Bench, times: int) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "file", "x")
        write(a, "dir/in", "x")
        write(a, "dir/sub/deep", "x")
        os.symlink("x", FilePath(a.path, "link"))
        a.commit(AUTHOR)
        b.reload()
        for _ in range(times):
            os.unlink(FilePath(a.path, "file"))
            write(a, "file/now a directory", "y")
            shutil.rmtree(FilePath(a.path, "dir"))
            write(a, "dir", "now a file")
            os.unlink(FilePath(a.path, "link"))
            os.mkfifo(FilePath(a.path, "link"))
            a.commit(AUTHOR)
            b.reload()
            assert listing(a.path) == listing(b.path)
            a, b = b, a
            shutil.rmtree(FilePath(a.path, "file"))
            write(a, "file", "x")
            os.unlink(FilePath(a.path, "dir"))
            write(a, "dir/in", "x")
            write(a, "dir/sub/deep", "x")
            os.unlink(FilePath(a.path, "link"))
            os.symlink("x", FilePath(a.path, "link"))
            a.commit(AUTHOR)
            b.reload()
            assert listing(a.path) == listing(b.path)


class TestLocalChanges:
    def test_stay_at_a_reload_and_win_at_the_next_commit(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "base")
        write(a, "g", "base")
        a.commit(AUTHOR)
        b.reload()
        write(b, "f", "of b")
        write(a, "f", "of a")
        write(a, "g", "of a")
        a.commit(AUTHOR)
        result = b.reload()
        assert result.kept == (("f",),)
        assert (read(b, "f"), read(b, "g")) == ("of b", "of a")
        published = b.commit(AUTHOR).published
        assert published is not None
        assert [lost.path for lost in published.overwrote] == [("f",)]
        a.reload()
        assert listing(a.path) == listing(b.path)
        assert read(a, "f") == "of b"

    def test_discard_gives_them_up(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "base")
        write(a, "d/x", "base")
        write(a, "gone", "base")
        a.commit(AUTHOR)
        b.reload()
        write(b, "f", "local")
        write(b, "new/file", "local")
        shutil.rmtree(FilePath(b.path, "d"))
        os.unlink(FilePath(b.path, "gone"))
        b.reload(LocalChanges.DISCARD)
        assert listing(a.path) == listing(b.path)
        assert b.commit(AUTHOR).published is None

    def test_a_file_in_the_way_of_a_directory_stays(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "p/q", "of a")
        a.commit(AUTHOR)
        write(b, "p", "of b")
        b.reload()
        assert read(b, "p") == "of b"
        published = b.commit(AUTHOR).published
        assert published is not None
        assert [lost.path for lost in published.overwrote] == [("p", "q")]
        a.reload()
        assert listing(a.path) == listing(b.path)

    def test_a_symlink_in_the_way_is_never_followed(self, bench: Bench, tmp_path: FilePath) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "p/q", "of a")
        a.commit(AUTHOR)
        os.symlink(outside, FilePath(b.path, "p"))
        b.reload()
        assert list(outside.iterdir()) == []
        assert os.path.islink(FilePath(b.path, "p"))

    def test_a_removal_here_of_what_changed_there(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "1")
        a.commit(AUTHOR)
        b.reload()
        os.unlink(FilePath(b.path, "f"))
        write(a, "f", "22")
        a.commit(AUTHOR)
        assert b.reload().kept == (("f",),)
        published = b.commit(AUTHOR).published
        assert published is not None
        assert [lost.path for lost in published.overwrote] == [("f",)]
        assert bench.published() == {}


class TestRestore:
    def test_the_mount_shows_the_restored_state(self, bench: Bench) -> None:
        a = bench.mount("a")
        write(a, "keep", "1")
        write(a, "d/gone", "1")
        a.commit(AUTHOR)
        before = listing(a.path)
        write(a, "keep", "2")
        shutil.rmtree(FilePath(a.path, "d"))
        write(a, "d", "a file now")
        a.commit(AUTHOR)
        repository = bench.repository()
        assert restore(repository, resolve_revision(repository, "HEAD~1"), None, AUTHOR, None) is not None
        a.reload()
        assert listing(a.path) == before

    def test_a_mount_of_an_old_revision_is_read_only_and_stays_there(self, bench: Bench) -> None:
        a = bench.mount("a")
        write(a, "f", "1")
        a.commit(AUTHOR)
        write(a, "f", "22")
        a.commit(AUTHOR)
        old = bench.mount("old", at=resolve_revision(bench.repository(), "HEAD~1"))
        assert read(old, "f") == "1"
        with pytest.raises(ReadOnlyError):
            old.commit(AUTHOR)
        old.reload()
        assert read(old, "f") == "1"


class TestReadOnly:
    def test_is_written_without_write_permission_and_refuses_commit(self, bench: Bench) -> None:
        a = bench.mount("a")
        write(a, "d/f", "1")
        a.commit(AUTHOR)
        reader = bench.mount("r", read_only=True)
        for name in ("d", "d/f"):
            assert os.stat(FilePath(reader.path, name)).st_mode & 0o222 == 0
        with pytest.raises(ReadOnlyError):
            reader.commit(AUTHOR)
        write(a, "d/f", "22")
        write(a, "d/g", "3")
        a.commit(AUTHOR)
        reader.reload()
        assert (read(reader, "d/f"), read(reader, "d/g")) == ("22", "3")
        assert os.stat(FilePath(reader.path, "d")).st_mode & 0o222 == 0


class TestWhereAMountMayBe:
    def test_foreign_files_are_refused_and_untouched(self, bench: Bench, tmp_path: FilePath) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full/mine").write_text("mine")
        with pytest.raises(InvalidError, match=r"it is not empty \(mine\)\."):
            bench.mount("full")
        assert listing(tmp_path / "full").keys() == {"mine"}
        assert not (tmp_path / "full/.vgit").exists()

    def test_adopted_files_are_clean_if_equal_and_local_changes_if_not(self, bench: Bench, tmp_path: FilePath) -> None:
        a = bench.mount("a")
        for name in ("same", "different", "missing"):
            write(a, name, name)
        a.commit(AUTHOR)
        (tmp_path / "full").mkdir()
        (tmp_path / "full/same").write_text("same")
        (tmp_path / "full/different").write_text("of here")
        (tmp_path / "full/extra").write_text("extra")
        b = bench.mount("full", adopt=True)
        assert read(b, "missing") == "missing"
        assert set(b.status().edits) == {("different",), ("extra",)}
        published = b.commit(AUTHOR).published
        assert published is not None
        assert [lost.path for lost in published.overwrote] == [("different",)]

    @pytest.mark.parametrize("bits", [0o700, 0o777])
    def test_adopted_directories_keep_their_modes_as_files_do(
        self, bench: Bench, tmp_path: FilePath, bits: int
    ) -> None:
        a = bench.mount("a")
        write(a, "d/e/f", "x")
        write(a, "d/g", "x")
        a.commit(AUTHOR)
        (tmp_path / "full/d/e").mkdir(parents=True)
        (tmp_path / "full/d/g").write_text("x")
        for name in ("full/d/g", "full/d/e", "full/d"):
            (tmp_path / name).chmod(bits)
        b = bench.mount("full", adopt=True)
        assert read(b, "d/e/f") == "x"
        modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("full/d/g", "full/d/e", "full/d")}
        assert set(modes.values()) == {bits}
        assert not b.status().edits
        write(a, "d/e/h", "x")
        os.chmod(FilePath(a.path, "d"), 0o750)
        a.commit(AUTHOR)
        b.reload()
        assert stat.S_IMODE((tmp_path / "full/d/e").stat().st_mode) == bits
        assert stat.S_IMODE((tmp_path / "full/d").stat().st_mode) == 0o750  # somebody set that
        assert b.commit(AUTHOR).published is None

    @pytest.mark.parametrize("place", ["store", "store/inside", "."])
    def test_inside_the_store_or_around_it_is_refused(self, bench: Bench, place: str) -> None:
        with pytest.raises(InvalidError, match="inside the store"):
            bench.mount(place)

    def test_a_second_mount_on_the_same_directory_is_refused(self, bench: Bench) -> None:
        bench.mount("a")
        with pytest.raises(LockedError, match="already mounted by a running program"):
            bench.mount("a")

    def test_a_mount_of_another_kind_is_refused(self, bench: Bench) -> None:
        bench.mount("a").close()
        with pytest.raises(AlreadyExistsError, match="mounted for writing"):
            bench.mount("a", read_only=True)

    def test_it_is_taken_up_again_with_its_local_changes(self, bench: Bench) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "1")
        a.close()
        write(b, "g", "2")
        b.commit(AUTHOR)
        again = bench.mount("a")
        assert (read(again, "f"), read(again, "g")) == ("1", "2")
        again.commit(AUTHOR)
        assert set(bench.published()) == {"f", "g"}

    def test_it_can_be_moved(self, bench: Bench, tmp_path: FilePath) -> None:
        a = bench.mount("a")
        write(a, "f", "1")
        a.commit(AUTHOR)
        a.close()
        os.rename(tmp_path / "a", tmp_path / "elsewhere")
        moved = bench.mount("elsewhere")
        assert not moved.status().edits

    def test_a_directory_deleted_and_made_again_is_no_mount(self, bench: Bench) -> None:
        a = bench.mount("a")
        write(a, "f", "1")
        a.commit(AUTHOR)
        shutil.rmtree(a.path)
        with pytest.raises(NotMountedError):
            a.commit(AUTHOR)
        os.mkdir(a.path)
        with pytest.raises(NotMountedError):
            a.commit(AUTHOR)
        assert set(bench.published()) == {"f"}

    def test_a_directory_replaced_by_another_mount_is_not_this_one(self, bench: Bench, tmp_path: FilePath) -> None:
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "1")
        a.commit(AUTHOR)
        os.rename(a.path, tmp_path / "aside")
        os.rename(b.path, a.path)
        with pytest.raises(NotMountedError, match="another directory"):
            a.commit(AUTHOR)
        assert set(bench.published()) == {"f"}


class TestStockGit:
    def test_a_volume_that_stock_git_pushed_to_is_mounted_and_reloaded(self, bench: Bench, tmp_path: FilePath) -> None:
        a = bench.mount("a")
        write(a, "d/kept", "kept")
        os.chmod(FilePath(a.path, "d/kept"), 0o640)
        write(a, "d/edited", "before")
        write(a, "big", os.urandom(6_000_000))
        a.commit(AUTHOR)
        copy = clone(bench.git_dir, tmp_path / "clone")
        (copy / "d/edited").write_text("by git")
        (copy / "new").mkdir()
        (copy / "new/file").write_text("by git")
        git_dir = copy / ".git"
        run(git_dir, "--work-tree", str(copy), "add", "-A")
        run(git_dir, "--work-tree", str(copy), "commit", "--quiet", "-m", "by git")
        run(git_dir, "push", "--quiet", "origin", "HEAD:main")
        a.reload()
        assert (read(a, "d/edited"), read(a, "new/file"), read(a, "d/kept")) == ("by git", "by git", "kept")
        assert os.stat(FilePath(a.path, "d/kept")).st_mode & 0o777 == 0o640
        assert a.commit(AUTHOR).published is None
        b = bench.mount("b")
        assert listing(a.path).keys() == listing(b.path).keys()
        write(b, "after", "x")
        assert b.commit(AUTHOR).published is not None
        a.reload()
        assert read(a, "after") == "x"


def test_what_a_volume_cannot_hold_is_said_once_per_kind(bench: Bench) -> None:
    a = bench.mount("a")
    one = write(a, "one", "x")
    os.link(one, FilePath(a.path, "two"))
    os.link(one, FilePath(a.path, "three"))
    expected = {"hard link"}
    try:
        os.setxattr(write(a, "marked", "x"), "user.note", b"x")
        expected.add("extended attribute")
    except OSError:
        pass  # not on this file system
    if os.getuid() == 0:
        os.chown(write(a, "theirs", "x"), 12345, 12345)
        os.mknod(FilePath(a.path, "device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        expected |= {"owner", "character device"}
    left_out = [one.reason for one in a.commit(AUTHOR).left_out]
    assert {word for word in expected for reason in left_out if reason.startswith(word)} == expected
    assert len(left_out) == len(expected)
    assert set(bench.published()) >= {"one", "two", "three"}


def test_a_transaction_is_found_behind_a_merge_that_stock_git_pushed(bench: Bench, tmp_path: FilePath) -> None:
    a = bench.mount("a")
    write(a, "f", "1")
    base = bench.repository().head()
    published = a.commit(AUTHOR).published
    assert published is not None and published.commit.txn is not None
    copy = clone(bench.git_dir, tmp_path / "clone")
    tree = ("--work-tree", str(copy))
    run(copy / ".git", *tree, "checkout", "-q", "-b", "side", base.hex())
    (copy / "by git").write_text("x")
    run(copy / ".git", *tree, "add", "-A")
    run(copy / ".git", *tree, "commit", "-qm", "side")
    run(copy / ".git", *tree, "merge", "-q", "--no-ff", "-m", "merge", "-X", "ours", "main")
    run(copy / ".git", "push", "-q", "origin", "side:main")
    repository = bench.repository()
    assert published.id not in [id for id, _ in first_parents(repository, repository.head())]
    found = find_transaction(repository, published.commit.txn, base)
    assert found is not None and found[0] == published.id


class TestPowerLoss:
    @pytest.mark.parametrize("others", [False, True])
    def test_that_takes_what_a_commit_did_not_sync(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, others: bool
    ) -> None:
        """The transaction that ends a commit is gone; all that was synced before it is there."""
        a, b = bench.mount("a"), bench.mount("b")
        write(a, "f", "first")
        write(a, "gone", "first")
        a.commit(AUTHOR)
        b.reload()
        if others:
            write(b, "of b", "b")
            b.commit(AUTHOR)
        state, synced = FilePath(a.path, ".vgit"), bench.base / "synced"
        begin = StatCache.transaction

        def transaction(cache: StatCache, *, repeatable: bool = False) -> AbstractContextManager[StatCache]:
            if repeatable:
                synced.mkdir()
                for file in state.glob("state.db*"):
                    shutil.copy(file, synced)
            return begin(cache, repeatable=repeatable)

        write(a, "f", "of a")
        os.unlink(FilePath(a.path, "gone"))
        with monkeypatch.context() as patch:
            patch.setattr(StatCache, "transaction", transaction)
            published = a.commit(AUTHOR).published
        assert published is not None
        a.close()
        for file in state.glob("state.db*"):
            file.unlink()
        for file in synced.iterdir():
            shutil.copy(file, state)
        b.reload()
        write(b, "f", "newer, of b")
        b.commit(AUTHOR)
        again = bench.mount_as_it_is("a")
        assert not again.status().edits
        assert (again.base == published.id) != others
        again.reload()
        assert read(again, "f") == "newer, of b"
        assert listing(again.path) == listing(b.path)


def test_nothing_is_published_before_the_journal_is_durable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = bench.mount("a")
    write(mount, "f", "first")
    first = mount.commit(AUTHOR).published
    assert first is not None
    write(mount, "f", "second")

    packs_named = threading.Event()
    sync = ObjectWriter.sync

    def name_packs(writer: ObjectWriter) -> None:
        sync(writer)
        packs_named.set()

    def fail_late(cache: StatCache, *args: object) -> None:
        assert packs_named.wait(60)
        raise BackendUnavailableError("no room for the journal")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectWriter, "sync", name_packs)
        patch.setattr(StatCache, "write_journal", fail_late)
        with pytest.raises(BackendUnavailableError, match="no room for the journal"):
            mount.commit(AUTHOR)
    assert bench.repository().head() == first.id
    second = mount.commit(AUTHOR).published
    assert second is not None
    assert second.commit.parent == first.id
