"""Conftest: a store on disk with one volume, and mounts of it."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.gitjudge import fsck
from tests.ordinary_user import reachable_directory
from vgit.backend.local import LocalBackend
from vgit.catalog import StoreRoot
from vgit.clock import SYSTEM_CLOCK
from vgit.mount.binding import Binding
from vgit.mount.open import open_mount, reopen_mount
from vgit.mount.root import MountRoot
from vgit.mount.scope import Scope
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import ROOT, Path
from vgit.repository.repository import Repository
from vgit.tree.diff import diff_trees
from vgit.tree.entry import Entry

AUTHOR = "Test <test@example.org>"
_MEMORY = "/dev/shm"


class Bench:
    """One volume and the mounts that a test makes of it, all of the same directory of it."""

    def __init__(self, base: FilePath, sub_path: Path = ROOT) -> None:
        self.base = base
        self.sub_path = sub_path
        self.store = str(base / "store")
        self.root = StoreRoot(LocalBackend(self.store), SYSTEM_CLOCK, self.store)
        self.volume_id = self.root.create_volume("main", "x", AUTHOR).id
        self.git_dir = self.base / "store" / "volumes" / f"{self.volume_id}.git"
        self._open: list[WorkingDirectory] = []

    def repository(self) -> Repository:
        return self.root.open_volume(self.volume_id)

    def mount(
        self, name: str, *, read_only: bool = False, at: bytes | None = None, adopt: bool = False
    ) -> WorkingDirectory:
        binding = Binding(
            self.store, self.volume_id, "x", "main", read_only or at is not None, at, adopt, self.sub_path
        )  # type: ignore[arg-type]
        working = open_mount(str(self.base / name), binding, self.repository(), SYSTEM_CLOCK)
        self._open.append(working)
        return working

    def mount_as_it_is(self, name: str) -> WorkingDirectory:
        """Take a mount up without the reload that mounting again does."""
        working = reopen_mount(str(self.base / name), self.repository(), SYSTEM_CLOCK)
        self._open.append(working)
        return working

    def published(self) -> dict[str, Entry]:
        """Return path → entry of head, directories included, as far as the mounts show it."""
        repository = self.repository()
        tree = Scope(repository, self.sub_path).tree(repository.head())
        return {
            "/".join(path): new for path, _, new in diff_trees(repository.directories, None, tree) if new is not None
        }

    def close(self) -> None:
        for working in self._open:
            working.close()
        fsck(self.git_dir)


@pytest.fixture
def place(tmp_path: FilePath) -> Iterator[FilePath]:
    """A directory in memory, where there is such: for tests of hundreds of commits, each with its fsyncs."""
    if not os.path.isdir(_MEMORY):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        yield FilePath(directory)


@pytest.fixture
def bench(tmp_path: FilePath) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.close()


def listing(root: str | FilePath) -> dict[str, tuple[object, ...]]:
    """Return path → kind, mode, mtime and content of all that is in a mount; no directory mtimes."""
    found: dict[str, tuple[object, ...]] = {}
    root = os.fspath(root)
    for directory, names, files in os.walk(root):
        if directory == root and ".vgit" in names:
            names.remove(".vgit")
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content: object = None
            mtime_ns = status.st_mtime_ns
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = file.read()
            elif kind == stat.S_IFLNK:
                content = os.readlink(path)
            elif kind == stat.S_IFDIR:
                mtime_ns = 0
            found[os.path.relpath(path, root)] = (kind, stat.S_IMODE(status.st_mode), mtime_ns, content)
    return found


@pytest.fixture
def top() -> Iterator[FilePath]:
    with reachable_directory() as path:
        yield path


@pytest.fixture
def root(top: FilePath) -> Iterator[MountRoot]:
    with MountRoot(str(top)) as opened:
        yield opened
