"""Test_model: two or three mounts, stock git and restores, in random order, against plain dictionaries.

Every step is checked: a commit publishes exactly what the merge table says,
with its receipt, and a second one nothing; a reload loses no local change and
brings in all else; at the end all mounts are head. ``VGIT_MODEL_SEEDS=first:last``
runs other seeds than those of every day.
"""

import contextlib
import os
import random
import shutil
from pathlib import Path as FilePath

import pytest

from tests.gitjudge import attempt, clone, run
from tests.mount.conftest import AUTHOR, Bench
from tests.mount.volume_model import State, at_head, check_reloaded, differing, merged, on_disk, show
from vgit.history.restore import restore
from vgit.mount.policy import LocalChanges
from vgit.paths import ROOT
from vgit.repository.ancestry import first_parents

_SEEDS = range(*map(int, os.environ.get("VGIT_MODEL_SEEDS", "0:10").split(":")))
_STEPS = 60
_NAMES = "abcd"


class World:
    """The mounts, and what the model says that each of them has seen."""

    def __init__(self, place: FilePath, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = Bench(place, ("part", "of") if seed % 3 == 2 else ROOT)
        self.clone = place / "clone"
        names = [f"m{number}" for number in range(2 + seed % 2)]
        self.mounts = {name: self.bench.mount(name) for name in names}
        self.seen: dict[str, State] = {name: {} for name in names}
        self.counter = 0

    def step(self) -> None:
        name = self.random.choice(sorted(self.mounts))
        actions = {self.edit: 54, self.commit: 15, self.reload: 16, self.discard: 3, self.remount: 4, self.status: 4}
        others = {self.restore: 3, self.push: 1}
        chosen = self.random.choices([*actions, *others], [*actions.values(), *others.values()])[0]
        if chosen in others:
            chosen()
        else:
            chosen(name)

    def status(self, name: str) -> None:
        mount = self.mounts[name]
        expected = differing(self.seen[name], on_disk(mount.path))
        found = mount.status()
        assert not found.left_out
        different = set(found.edits) ^ expected
        assert not different, show(self.seen[name], on_disk(mount.path), different)

    def commit(self, name: str) -> None:
        mount = self.mounts[name]
        before, seen, mine = at_head(self.bench), self.seen[name], on_disk(mount.path)
        expected, lost = merged(before, seen, mine)
        published = mount.commit(AUTHOR).published
        assert on_disk(mount.path) == mine, "a commit changed a file"
        found = at_head(self.bench)
        assert not differing(expected, found), show(expected, found, differing(expected, found))
        part = self.bench.sub_path
        assert {one.path for one in published.overwrote} == {part + path for path in lost} if published else not lost
        assert published is None or differing(seen, mine), "published, though nothing was changed"
        self.seen[name] = mine
        assert mount.commit(AUTHOR).published is None

    def reload(self, name: str) -> None:
        before, head = on_disk(self.mounts[name].path), at_head(self.bench)
        self.mounts[name].reload()
        self._reloaded(name, head, before)

    def remount(self, name: str) -> None:
        self.mounts[name].close()
        before, head = on_disk(self.mounts[name].path), at_head(self.bench)
        self.mounts[name] = self.bench.mount(name)
        self._reloaded(name, head, before)

    def _reloaded(self, name: str, head: State, before: State) -> None:
        self.seen[name] = check_reloaded(head, self.seen[name], before, on_disk(self.mounts[name].path))

    def discard(self, name: str) -> None:
        self.mounts[name].reload(LocalChanges.DISCARD)
        self.seen[name] = on_disk(self.mounts[name].path)
        left = differing(at_head(self.bench), self.seen[name])
        assert not left, show(at_head(self.bench), self.seen[name], left)

    def restore(self) -> None:
        with self.bench.repository() as repository:
            revisions = [id for id, _ in first_parents(repository, repository.head())]
            restore(repository, self.random.choice(revisions), None, AUTHOR)

    def push(self) -> None:
        shutil.rmtree(self.clone, ignore_errors=True)
        clone(self.bench.git_dir, self.clone)
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            path = self._new_path(str(self.clone.joinpath(*self.bench.sub_path)))
            path.unlink(missing_ok=True)
            path.write_bytes(self._content() + b"git")
        git = self.clone / ".git"
        run(git, "--work-tree", str(self.clone), "add", "-A")
        if attempt(git, "--work-tree", str(self.clone), "commit", "--quiet", "-m", "git").returncode == 0:
            run(git, "push", "--quiet", "origin", "HEAD:main")

    def edit(self, name: str) -> None:
        root = self.mounts[name].path
        edits = [_write, _rewrite, _make_directory, _remove, _rename, _chmod, _link, _fifo, _touch, _change_kind]
        with contextlib.suppress(OSError):  # a file in the way, a directory below itself: then nothing is changed
            self.random.choice([*edits, _write, _revert])(self, root, name)

    def _new_path(self, root: str) -> FilePath:
        depth = self.random.randint(1, 3)
        path = FilePath(root, *(self.random.choice(_NAMES) for _ in range(depth)))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _old_path(self, root: str, kinds: str) -> FilePath:
        found = sorted(path for path, thing in on_disk(root).items() if thing.kind in kinds)
        if not found:
            raise FileNotFoundError
        return FilePath(root, *self.random.choice(found))

    def _content(self) -> bytes:
        self.counter += 1
        own = b"%d" % self.counter + b"x" * self.random.choice([0, 0, 600])
        return self.random.choice([own] * 8 + [b"", b"same"])

    def finish(self) -> None:
        for action in (self.status, self.commit, self.reload, self.commit, self.reload):
            for name in self.mounts:
                action(name)
        head = at_head(self.bench)
        for name, mount in self.mounts.items():
            left = differing(head, on_disk(mount.path))
            assert not left, show(head, on_disk(mount.path), left)
            self.status(name)
            assert mount.commit(AUTHOR).published is None


def _write(world: World, root: str, name: str) -> None:
    _fill(world, world._new_path(root))


def _fill(world: World, path: FilePath) -> None:
    if path.is_symlink() or path.is_fifo():  # which would lead elsewhere, or block
        path.unlink()
    path.write_bytes(world._content())


def _rewrite(world: World, root: str, name: str) -> None:
    world._old_path(root, "f").write_bytes(world._content())


def _make_directory(world: World, root: str, name: str) -> None:
    world._new_path(root).mkdir()


def _remove(world: World, root: str, name: str) -> None:
    path = world._old_path(root, world.random.choice(["d", "flp"]))
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _rename(world: World, root: str, name: str) -> None:
    os.rename(world._old_path(root, "fdlp"), world._new_path(root))


def _chmod(world: World, root: str, name: str) -> None:
    path = world._old_path(root, "fd")
    path.chmod(world.random.choice([0o700, 0o755, 0o750] if path.is_dir() else [0o600, 0o644, 0o755, 0o400]))


def _link(world: World, root: str, name: str) -> None:
    os.symlink(world.random.choice(["a", "b", "/etc", "../x", "."]), world._new_path(root))


def _fifo(world: World, root: str, name: str) -> None:
    os.mkfifo(world._new_path(root))


def _touch(world: World, root: str, name: str) -> None:
    os.utime(world._old_path(root, "f"))


def _change_kind(world: World, root: str, name: str) -> None:
    path = world._old_path(root, "fdlp")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        path.write_bytes(world._content())
    else:
        path.unlink()
        path.mkdir()
        (path / "a").write_bytes(world._content())


def _revert(world: World, root: str, name: str) -> None:
    """Make a file what was seen, to the last bit."""
    files = sorted((path, thing) for path, thing in world.seen[name].items() if thing.kind == "f")
    if files:
        where, thing = world.random.choice(files)
        path = FilePath(root, *where)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_fifo():
            path.unlink()
        path.write_bytes(thing.content or b"")
        path.chmod(thing.mode)
        os.utime(path, ns=(thing.mtime_ns, thing.mtime_ns))


@pytest.mark.parametrize("seed", _SEEDS)
def test_any_order_of_edits_commits_and_reloads(place: FilePath, seed: int) -> None:
    world = World(place, seed)
    try:
        for _ in range(_STEPS):
            world.step()
        world.finish()
    finally:
        world.bench.close()
