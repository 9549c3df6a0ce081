"""Test_adversary: what goes wrong around a mount, at the worst moment, and what must come of it."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest

from tests.gitjudge import clone, run
from tests.mount.conftest import AUTHOR, Bench, listing
from vgit.errors import InvalidError, LockedError, NotMountedError
from vgit.mount import open as opening
from vgit.mount import plan_execution
from vgit.mount import scan as scanning
from vgit.mount import swap as swapping
from vgit.mount.plan import Step
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory


@pytest.fixture
def bench(place: FilePath) -> Iterator[Bench]:
    one = Bench(place)
    yield one
    one.close()


def put(mount: WorkingDirectory, name: str, content: str) -> FilePath:
    path = FilePath(mount.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def get(mount: WorkingDirectory, name: str) -> str:
    return FilePath(mount.path, name).read_text()


def two(bench: Bench, *names: str) -> tuple[WorkingDirectory, WorkingDirectory]:
    """Return two mounts that both have these files, each with the content "old"."""
    a, b = bench.mount("a"), bench.mount("b")
    for name in names:
        put(a, name, "old")
    a.commit(AUTHOR)
    b.reload()
    return a, b


def push(bench: Bench, change: Callable[[FilePath], object]) -> None:
    """Publish with stock git what ``change`` does to a clone."""
    copy = clone(bench.git_dir, bench.base / f"clone-{len(os.listdir(bench.base))}")
    change(copy)
    git = copy / ".git"
    run(git, "--work-tree", str(copy), "add", "-A")
    run(git, "--work-tree", str(copy), "commit", "--quiet", "-m", "by git")
    run(git, "push", "--quiet", "origin", "HEAD:main")


def opened(path: str) -> list[str]:
    """Return the descriptors of this process that lead to files of this name, or a name that begins so."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [link for link in links if os.path.lexists(link) and os.readlink(link).startswith(path)]


class TestState:
    @pytest.mark.parametrize("cut_at", [None, 0])
    def test_without_its_database_a_mount_keeps_every_local_change(self, bench: Bench, cut_at: int | None) -> None:
        _, b = two(bench, "f", "g")
        put(b, "f", "local")
        put(b, "new", "local")
        b.close()
        state = FilePath(b.path, ".vgit")
        for path in state.glob("state.db*"):
            path.unlink()
        if cut_at is not None:
            (state / "state.db").write_bytes(b"")
        again = bench.mount("b")
        assert (get(again, "f"), get(again, "g"), get(again, "new")) == ("local", "old", "local")
        published = again.commit(AUTHOR).published
        assert published is not None and [lost.path for lost in published.overwrote] == [("f",)]

    def test_a_damaged_database_is_named_and_how_to_go_on(self, bench: Bench) -> None:
        _, b = two(bench, *(f"d{number}/f" for number in range(200)))
        put(b, "d0/f", "local")
        b.close()
        database = FilePath(b.path, ".vgit/state.db")
        whole = database.read_bytes()
        for begin in range(0, len(whole) - 512, len(whole) // 20):
            for path in FilePath(b.path, ".vgit").glob("state.db-*"):
                path.unlink()
            database.write_bytes(whole[:begin] + b"\xff" * 512 + whole[begin + 512 :])
            again = bench.mount_as_it_is("b")
            try:
                again.status()
            except NotMountedError as error:
                assert "delete it and mount the volume there again" in str(error)
                assert begin or not opened(str(database)), "it could not even be opened, and nobody can close it"
            finally:
                again.close()
        database.unlink()
        assert get(bench.mount("b"), "d0/f") == "local"

    def test_unmounting_that_was_cut_off_leaves_no_mount(self, bench: Bench) -> None:
        _, b = two(bench, "f")
        b.close()
        FilePath(b.path, ".vgit/mount").unlink()
        with pytest.raises(InvalidError, match="adopt"):
            bench.mount("b")
        assert not bench.mount("b", adopt=True).status().edits

    def test_who_comes_second_takes_nothing_from_who_mounts_there(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        two(bench, "f")
        bring_up = opening._bring_up
        winners: list[WorkingDirectory] = []

        def overtaken(*arguments: object, is_new: bool) -> WorkingDirectory:
            if not winners:
                winners.append(bring_up(*arguments, is_new=False))  # type: ignore[arg-type]
                put(winners[0], "mine", "of the winner")
            return bring_up(*arguments, is_new=is_new)  # type: ignore[arg-type]

        monkeypatch.setattr(opening, "_bring_up", overtaken)
        with pytest.raises(LockedError):
            bench.mount("c")
        assert (get(winners[0], "mine"), get(winners[0], "f")) == ("of the winner", "old")
        winners[0].close()

    def test_a_mount_removed_under_a_commit_publishes_no_removal(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a, _ = two(bench, "f", "g")
        scan = scanning.Scanner.run

        def late(self: scanning.Scanner) -> scanning.Scan:
            shutil.rmtree(a.path)
            return scan(self)

        monkeypatch.setattr(scanning.Scanner, "run", late)
        with pytest.raises(NotMountedError):
            a.commit(AUTHOR)
        assert set(bench.published()) == {"f", "g"}

    def test_a_state_directory_that_git_pushed_is_never_checked_out(self, bench: Bench) -> None:
        _, b = two(bench, "f")

        def change(copy: FilePath) -> None:
            for name in (".vgit~.vgit", "d/.vgit~.VGit", "d/d/.vgit~.vgit"):
                (copy / name).mkdir(parents=True)
                (copy / name / "mount").write_text("{}")
            (copy / "d/g").write_text("beside")

        push(bench, change)
        before = sorted(os.listdir(FilePath(b.path, ".vgit")))
        for local in (LocalChanges.KEEP, LocalChanges.DISCARD):
            b.reload(local)
            assert sorted(os.listdir(FilePath(b.path, ".vgit"))) == before
            assert not b.status().edits
            assert os.listdir(FilePath(b.path, "d")) in (["g", "d"], ["d", "g"])
        assert listing(bench.mount("new").path).keys() == listing(b.path).keys() == {"f", "d", "d/d", "d/g"}
        put(b, "d/g", "changed")
        b.commit(AUTHOR)
        assert ".vgit/mount" in bench.published(), "what a mount does not show it does not remove"


class TestReload:
    def test_a_directory_whose_mode_was_changed_here_still_gets_what_is_new_in_it(self, bench: Bench) -> None:
        a, b = two(bench, "d/f")
        FilePath(b.path, "d").chmod(0o700)
        put(a, "d/f", "new")
        put(a, "d/g", "new")
        a.commit(AUTHOR)
        b.reload()
        assert (get(b, "d/f"), get(b, "d/g")) == ("new", "new")
        assert FilePath(b.path, "d").stat().st_mode & 0o777 == 0o700

    def test_a_removal_that_the_merge_did_not_take_comes_back(self, bench: Bench) -> None:
        a, b = two(bench, "d/f")
        shutil.rmtree(FilePath(a.path, "d"))
        put(a, "d", "a file now")
        a.commit(AUTHOR)
        shutil.rmtree(FilePath(b.path, "d"))
        b.reload()
        b.commit(AUTHOR)
        b.reload()
        assert get(b, "d") == "a file now"

    def test_a_directory_made_again_has_heads_mode(self, bench: Bench) -> None:
        a, b = two(bench, "d/f")
        FilePath(a.path, "d").chmod(0o700)
        put(a, "d/new", "x")
        a.commit(AUTHOR)
        shutil.rmtree(FilePath(b.path, "d"))
        b.reload()
        assert get(b, "d/new") == "x"
        b.commit(AUTHOR)
        assert bench.published()["d"].mode & 0o777 == 0o700

    def test_the_same_chmod_of_a_directory_here_and_there_is_no_change(self, bench: Bench) -> None:
        a, b = two(bench, "d/f")
        for mount in (a, b):
            FilePath(mount.path, "d").chmod(0o700)
        a.commit(AUTHOR)
        assert not b.reload().kept
        assert not b.status().edits

    def test_what_git_wrote_back_to_what_is_here_is_clean(self, bench: Bench) -> None:
        _, b = two(bench, "f")
        push(bench, lambda copy: (copy / "f").write_text("by git"))
        b.reload()
        push(bench, lambda copy: (copy / "f").chmod(0o755))
        b.reload()
        assert not b.status().edits
        push(bench, lambda copy: (copy / "f").unlink())
        assert not b.reload().kept
        assert not FilePath(b.path, "f").exists()

    def test_what_cannot_be_exchanged_stays_and_the_rest_comes(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a, b = two(bench, "f", "g")
        put(a, "f", "new")
        FilePath(a.path, "g").chmod(0o600)
        a.commit(AUTHOR)

        def elsewhere(*names: object) -> bool:
            raise OSError(errno.EXDEV, "another file system is mounted there")

        with monkeypatch.context() as patch:
            patch.setattr(swapping, "exchange", elsewhere)
            assert b.reload().kept == (("f",),)
        assert get(b, "f") == "old"
        assert FilePath(b.path, "g").stat().st_mode & 0o777 == 0o600
        assert b.commit(AUTHOR).published is None
        b.reload()
        assert get(b, "f") == "new"

    def test_a_removal_here_outlives_a_reload_that_was_cut_off(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a, b = two(bench, "f", "g", "gone")
        put(a, "f", "new")
        put(a, "g", "new")
        FilePath(a.path, "gone").unlink()
        a.commit(AUTHOR)
        FilePath(b.path, "g").unlink()

        def die(self: plan_execution.PlanExecution, steps: list[Step]) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(plan_execution.PlanExecution, "_finish_directories", die)
            with pytest.raises(KeyboardInterrupt):
                b.reload()
        b.reload()
        assert sorted(listing(b.path)) == ["f"]
        b.commit(AUTHOR)
        assert sorted(bench.published()) == ["f"]

    @pytest.mark.parametrize("kind", ["file", "link", "fifo"])
    @pytest.mark.parametrize("when", ["before", "between plan and change"])
    def test_a_hard_link_elsewhere_keeps_mode_and_time(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, when: str
    ) -> None:
        a, b = two(bench, "f")
        path = FilePath(a.path, "d")
        if kind == "file":
            path.write_text("content")
        elif kind == "link":
            path.symlink_to("f")
        else:
            os.mkfifo(path, 0o600)
        a.commit(AUTHOR)
        b.reload()
        if kind != "link":
            path.chmod(0o640)
        os.utime(path, ns=(5, 5), follow_symlinks=False)
        a.commit(AUTHOR)
        copy = bench.base / "copy"
        plan = plan_execution.PlanExecution.run

        def late(self: plan_execution.PlanExecution, steps: list[Step]) -> None:
            os.link(FilePath(b.path, "d"), copy, follow_symlinks=False)
            plan(self, steps)

        with monkeypatch.context() as patch:
            if when == "before":
                os.link(FilePath(b.path, "d"), copy, follow_symlinks=False)
            else:
                patch.setattr(plan_execution.PlanExecution, "run", late)
            before = FilePath(b.path, "d").lstat()
            assert b.reload().kept == (() if when == "before" else (("d",),))
        after = copy.lstat()
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        assert b.commit(AUTHOR).published is None
        b.reload()
        assert listing(a.path) == listing(b.path)
        assert FilePath(b.path, "d").lstat().st_nlink == 1
        assert b.commit(AUTHOR).published is None

    def test_paths_longer_than_the_kernel_takes(self, bench: Bench) -> None:
        a, b = two(bench, "f")
        directory = os.open(a.path, os.O_RDONLY)
        for number in range(220):
            os.mkdir(f"{number:020}", 0o751, dir_fd=directory)
            below = os.open(f"{number:020}", os.O_RDONLY, dir_fd=directory)
            os.close(directory)
            os.fchmod(below, 0o751)
            directory = below
        os.close(directory)
        a.commit(AUTHOR)
        b.reload()
        assert not b.status().edits
        assert len(bench.published()) == 221
        assert b.commit(AUTHOR).published is None

    @pytest.mark.parametrize("mtime_ns", [2**40 * 10**9, -(2**40) * 10**9])
    def test_an_mtime_beyond_what_a_row_holds(self, bench: Bench, mtime_ns: int) -> None:
        a, b = two(bench, "f")
        path = put(a, "far", "x")
        os.utime(path, ns=(mtime_ns, mtime_ns))
        os.utime(a.path, ns=(mtime_ns, mtime_ns))
        a.commit(AUTHOR)
        b.reload()
        assert a.commit(AUTHOR).published is None
        assert b.commit(AUTHOR).published is None


def _rewrite(path: FilePath) -> None:
    path.write_text("MINE!")


def _rewrite_unnoticed(path: FilePath) -> None:
    status = path.stat()
    path.write_text("MIN")  # of the same size
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _replace(path: FilePath) -> None:
    path.with_name("other").write_text("MINE!")
    path.with_name("other").replace(path)


def _make_directory(path: FilePath) -> None:
    path.unlink()
    path.mkdir()
    (path / "in").write_text("MINE!")


def _link(path: FilePath) -> None:
    path.unlink()
    path.symlink_to("MINE!")


def _remove_all(path: FilePath) -> None:
    shutil.rmtree(path.parent)


_MEANWHILE = [_rewrite, _rewrite_unnoticed, _replace, _make_directory, _link, FilePath.unlink, _remove_all]


def _change_there(a: WorkingDirectory, what: str) -> None:
    path = FilePath(a.path, "d/f")
    if what == "mode":
        path.chmod(0o700)
        return
    path.unlink()
    if what != "removed":
        put(a, "d/f" if what == "changed" else "d/f/in", "of the other")


@pytest.mark.parametrize("there", ["changed", "removed", "mode", "kind"])
@pytest.mark.parametrize("meanwhile", _MEANWHILE)
def test_what_changes_between_plan_and_swap_is_a_local_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[FilePath], None], there: str
) -> None:
    a, b = two(bench, "d/f", "d/other")
    b._clock.sleep(0.03)
    b.status()  # so that its rows are trusted
    _change_there(a, there)
    a.commit(AUTHOR)
    took: dict[str, tuple[object, ...]] = {}
    planned = plan_execution.PlanExecution.run

    def late(self: plan_execution.PlanExecution, steps: list[Step]) -> None:
        meanwhile(FilePath(b.path, "d/f"))
        took.update(listing(b.path))
        planned(self, steps)

    with monkeypatch.context() as patch:
        patch.setattr(plan_execution.PlanExecution, "run", late)
        b.reload()
    now = listing(b.path)
    mine = {path: what[3] for path, what in took.items() if str(what[3]).find("MIN") >= 0}
    assert {path: now[path][3] for path in mine} == mine
    if meanwhile is FilePath.unlink and there != "kind":
        assert "d/f" not in now
    b.commit(AUTHOR)
    a.reload()
    b.reload()
    assert listing(a.path) == listing(b.path)
