"""Uploads: repositories in memory, what is put into them, and what is in them then."""

import io
from pathlib import Path as FilePath

from tests import volumes
from tests.volumes import AUTHOR
from vgit.backend import Backend
from vgit.backend.memory import MemoryBackend
from vgit.paths import Path, parse_path
from vgit.repository.ancestry import first_parents
from vgit.repository.publish import Published
from vgit.repository.repository import Repository
from vgit.transfer.path_copy import copy
from vgit.transfer.path_removal import remove
from vgit.transfer.puts import Put, put_directory, put_file
from vgit.transfer.transfer_progress import Progress
from vgit.transfer.upload import upload
from vgit.tree.directory import find_entry
from vgit.tree.entry import Entry


def new_volume(backend: Backend | None = None) -> Repository:
    return volumes.create(MemoryBackend() if backend is None else backend)


def contents(repository: Repository) -> dict[str, bytes]:
    return {"/".join(path): data for path, data in volumes.files(repository).items()}


def entry(repository: Repository, path: str) -> Entry | None:
    return find_entry(repository.directories, repository.commit(repository.head()).tree, parse_path(path))


def expect_entry(repository: Repository, path: str) -> Entry:
    found = entry(repository, path)
    assert found is not None, f"{path} is missing"
    return found


def commits(repository: Repository) -> int:
    return sum(1 for _ in first_parents(repository, repository.head()))


def put_all(
    repository: Repository, *puts: Put, force: bool = False, progress: Progress | None = None
) -> Published | None:
    return upload(repository, puts, author=AUTHOR, force=force, progress=progress).published


def put(repository: Repository, files: dict[str, bytes], *, force: bool = False) -> Published | None:
    return put_all(repository, *(of(data, path) for path, data in files.items()), force=force)


def of(data: bytes, path: str, mode: int | None = None) -> Put:
    return put_file(io.BytesIO(data), path, mode)


def tree(local: FilePath, path: str, *, recursive: bool = True) -> Put:
    return put_directory(local, path, recursive=recursive)


def cp(repository: Repository, *paths: str, recursive: bool = False) -> Published | None:
    return copy(repository, paths[:-1], paths[-1], recursive=recursive, author=AUTHOR)


def rm(repository: Repository, *paths: str, recursive: bool = False) -> Published | None:
    return remove(repository, paths, recursive=recursive, author=AUTHOR)


def write_local(root: FilePath, files: dict[str, bytes]) -> FilePath:
    """Make local files below ``root``; a path that ends in / is a directory."""
    root.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        where = root / path
        (where if path.endswith("/") else where.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            where.write_bytes(data)
    return root


def nothing_happens(repository: Repository) -> tuple[object, dict[Path, bytes]]:
    """Return what must be the same after something that failed."""
    return repository.head(), volumes.files(repository)


class Counted:
    """A progress that adds up, and at some point may raise."""

    def __init__(self, raise_at: int | None = None, error: BaseException | None = None) -> None:
        self.expected = [0, 0]
        self.done = [0, 0]
        self._left = raise_at
        self._error = error

    def expect(self, files: int, size_bytes: int) -> None:
        self.expected = [self.expected[0] + files, self.expected[1] + size_bytes]

    def advance(self, files: int, size_bytes: int) -> None:
        self.done = [self.done[0] + files, self.done[1] + size_bytes]
        if self._left is not None and self._error is not None:
            self._left -= 1
            if self._left < 0:
                raise self._error
