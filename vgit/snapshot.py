"""Snapshot: one published state of a volume, to be read; and the reading that volumes and snapshots share."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

from vgit.aio import Generator, Method
from vgit.content import read_content
from vgit.errors import (
    ConflictError,
    CorruptObjectError,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.ids import CommitId, TreeId
from vgit.paths import Path, format_path, parse_path, printable
from vgit.repository import Repository
from vgit.tree.entry import TREE_MODE, Entry, Kind
from vgit.types import FileEntry


class TreeView:
    """The tree of one commit, read path by path. Errors name path and revision."""

    def __init__(self, repository: Repository, revision: CommitId) -> None:
        self._repository = repository
        self.revision = revision
        commit = repository.commit(revision)
        self._root = Entry(repository.root(commit.tree).mode or 0o040755, TREE_MODE, commit.tree, 0, 0, None)

    def find(self, path: Path) -> Entry:
        """Return the entry at ``path``; NotFoundError, or NotADirectoryConflict where a file is in the way."""
        entry = self._root
        for depth, name in enumerate(path):
            if not entry.is_directory or entry.id is None:
                raise NotADirectoryConflict(f"{_shown(path[:depth])} at {self._name} is a file, not a directory.")
            below = self._repository.directories.read(TreeId(entry.id)).entries.get(name)
            if below is None:
                raise NotFoundError(f"No such file or directory: {_shown(path)!r} at {self._name}.")
            entry = below
        return entry

    def walk(self, path: Path, *, recursive: bool) -> Iterator[tuple[Path, Entry]]:
        """Yield what is in the directory ``path``, directories before what is in them; a file yields itself."""
        entry = self.find(path)
        if not entry.is_directory:
            yield path, entry
            return
        waiting = [(path, entry)]
        while waiting:
            parent, directory = waiting.pop()
            assert directory.id is not None
            below = []
            for name, one in self._repository.directories.read(TreeId(directory.id)).entries.items():
                yield (*parent, name), one
                if recursive and one.is_directory:
                    below.append(((*parent, name), one))
            waiting += reversed(below)

    def read(self, path: Path, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a file's bytes in pieces of at most 8 MiB, each checked before it is given."""
        entry = self.find(path)
        if entry.is_directory:
            raise IsADirectoryConflict(f"{_shown(path)!r} at {self._name} is a directory, expected a file.")
        if entry.kind not in (Kind.FILE, Kind.SYMLINK):
            raise ConflictError(f"{_shown(path)!r} at {self._name} is a {entry.kind.value}; it has no content.")
        if offset < 0 or (length is not None and length < 0):
            raise InvalidError(f"offset and length must not be negative; got {offset} and {length}.")
        try:
            for piece in read_content(self._repository.objects, entry, offset, length):
                yield bytes(piece)
        except CorruptObjectError as error:
            raise CorruptObjectError(
                f"{_shown(path)} at revision {self._name} is damaged in the store: {error}."
            ) from error

    @property
    def _name(self) -> str:
        return self.revision.hex()[:12]


class Readable:
    """What can be listed and read: a snapshot, and a volume at its newest state."""

    def _view(self) -> TreeView:
        raise AssertionError("a readable thing says what its tree is")

    def _listdir(self, path: str, recursive: bool = False) -> list[FileEntry]:  # noqa: FBT001, FBT002 - Modal's
        """Return what is in a directory; a file's path gives its own entry. Source: Modal."""
        return list(list_entries(self._view(), path, recursive=recursive))

    def _iterdir(self, path: str, recursive: bool = True) -> Iterator[FileEntry]:  # noqa: FBT001, FBT002
        """Yield what is in a directory; with ``recursive`` all that is below it. Source: Modal."""
        yield from list_entries(self._view(), path, recursive=recursive)

    def _read_file(self, path: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a file's bytes in pieces of at most 8 MiB, checked by BLAKE3; an empty file yields nothing."""
        yield from self._view().read(parse_path(path), offset, length)

    def _read_file_into_fileobj(self, path: str, fileobj: IO[bytes]) -> int:
        """Write a file's bytes to ``fileobj`` at its position; return how many."""
        return sum(_write(fileobj, piece) for piece in self._view().read(parse_path(path)))

    listdir = Method(_listdir)
    iterdir = Generator(_iterdir)
    read_file = Generator(_read_file)
    read_file_into_fileobj = Method(_read_file_into_fileobj)


class Snapshot(Readable):
    """One published state of a volume. Nothing that is published later changes it."""

    def __init__(self, repository: Repository, revision: CommitId) -> None:
        self._tree = TreeView(repository, revision)
        self._commit = repository.commit(revision)

    def __repr__(self) -> str:
        return f"<vgit.Snapshot {self.id[:12]} of {self.time:%Y-%m-%d %H:%M:%S}>"

    @property
    def id(self) -> str:
        """The commit's id, hex."""
        return self._tree.revision.hex()

    @property
    def time(self) -> datetime:
        """When it was published; aware, UTC."""
        return datetime.fromtimestamp(self._commit.commit_time, UTC)

    def _view(self) -> TreeView:
        return self._tree


def list_entries(view: TreeView, path: str, *, recursive: bool) -> Iterator[FileEntry]:
    """Yield the entries of a directory, or a file's own, as the API shows them."""
    if path.endswith("*"):
        raise InvalidError(f"Invalid path: {path!r} ends in '*'; give a directory and filter what it lists.")
    for where, entry in view.walk(parse_path(path), recursive=recursive):
        yield FileEntry.of(where, entry)


def _write(fileobj: IO[bytes], piece: bytes) -> int:
    fileobj.write(piece)
    return len(piece)


def _shown(path: Path) -> str:
    return printable(format_path(path)) or "/"
