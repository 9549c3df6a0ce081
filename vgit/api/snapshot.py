"""Snapshot: one published state of a volume, to be read; and the reading that volumes and snapshots share."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Protocol

from vgit.api.aio import Generator, Method
from vgit.errors import (
    InvalidError,
    NotFoundError,
)
from vgit.ids import CommitId, short_id
from vgit.paths import ROOT, Path, format_path, parse_path
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView, shown
from vgit.types import FileEntry, time_of_commit

if TYPE_CHECKING:
    from vgit.api.mount import Mount


class Readable:
    """What can be listed and read: a snapshot, and a volume at its newest state."""

    def _view(self) -> TreeView:
        raise AssertionError("a readable thing says what its tree is")

    def _listdir(self, path: str, recursive: bool = False) -> list[FileEntry]:  # noqa: FBT001, FBT002 - Modal's
        """Return what is in a directory, with ``recursive`` all that is below it. Source: Modal.

        The directory itself is not listed; a file's path gives its own entry.
        Paths are from the volume's root, without a leading slash. NotFoundError
        if there is nothing, InvalidError for a path with ``..``, or with a ``*``
        at its end that is not part of a name there.
        """
        return list(list_entries(self._view(), path, recursive=recursive))

    def _iterdir(self, path: str, recursive: bool = True) -> Iterator[FileEntry]:  # noqa: FBT001, FBT002
        """Yield what ``listdir`` returns, without having all of it at once; errors come at the first. Source: Modal."""
        yield from list_entries(self._view(), path, recursive=recursive)

    def _read_file(self, path: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a file's bytes in pieces of at most 8 MiB; an empty file yields nothing. Source: Modal.

        ``length`` bytes from ``offset``, or all; fewer only where the file ends.
        Each is checked by BLAKE3 before it is given: CorruptObjectError. Else
        NotFoundError, or ConflictError for what is no file, at the first piece.
        """
        yield from self._view().read(parse_path(path), offset, length)

    def _read_file_into_fileobj(
        self, path: str, fileobj: IO[bytes], progress_cb: Callable[..., Any] | None = None
    ) -> int:
        """Write a file's bytes to ``fileobj`` at its position; return how many. Source: Modal.

        ``progress_cb(advance=n)`` is called for every ``n`` bytes written.
        Errors as ``read_file``; what was written until then stays in ``fileobj``.
        """
        if not hasattr(fileobj, "write"):
            raise InvalidError(f"Invalid fileobj: {fileobj!r} has no write(); give a file that is open in binary mode.")
        size_bytes = 0
        for piece in self._view().read(parse_path(path)):
            _write(fileobj, piece)
            size_bytes += len(piece)
            if progress_cb is not None:
                progress_cb(advance=len(piece))
        return size_bytes

    listdir = Method(_listdir)
    iterdir = Generator(_iterdir)
    read_file = Generator(_read_file)
    read_file_into_fileobj = Method(_read_file_into_fileobj)


class Home(Protocol):
    """What a snapshot needs of the volume that it belongs to, which this module must not import."""

    def mount(self, path: str | os.PathLike[str], *, at: str | None = None) -> "Mount":
        """Mount the volume at a revision."""

    @property
    def at(self) -> Callable[[str], "Snapshot"]:
        """Find a snapshot by its revision."""


class Snapshot(Readable):
    """One published state of a volume. Nothing that is published later changes it. Picklable."""

    def __init__(self, volume: Home, repository: Repository, revision: CommitId) -> None:
        self._volume = volume
        self._repository = repository
        self._revision = revision
        self._commit = repository.commit(revision)
        self._view().expect(ROOT)  # raises here, and not at the first read, where the tree is damaged

    def __repr__(self) -> str:
        return f"<vgit.Snapshot {short_id(self.id)} of {self.time:%Y-%m-%d %H:%M:%S}>"

    @property
    def id(self) -> str:
        """The commit's id, hex."""
        return self._revision.hex()

    @property
    def time(self) -> datetime:
        """When it was published, by its writer's clock; aware, UTC."""
        return time_of_commit(self._commit)

    def __reduce__(self) -> tuple[Callable[..., "Snapshot"], tuple[Home, str]]:
        return _find, (self._volume, self.id)

    def _mount(self, path: str | os.PathLike[str]) -> "Mount":
        """Check this state out into ``path``, read-only, and return the mount, a context manager giving the path."""
        return self._volume.mount(path, at=self.id)

    mount = Method(_mount, undo=lambda made: made.release())

    def _view(self) -> TreeView:
        return TreeView.at(self._repository, self._revision)


def _find(volume: Home, revision: str) -> Snapshot:
    return volume.at(revision)


def list_entries(view: TreeView, path: str, *, recursive: bool) -> Iterator[FileEntry]:
    """Yield the entries of a directory, or a file's own, as the API shows them."""
    start = parse_path(path)
    if start and start[-1].endswith("*"):
        _refuse_pattern(view, start)
    for parent, entries in view.list(start, recursive=recursive):
        above = format_path(parent) + "/" if parent else ""
        for name, entry in entries.items():
            yield FileEntry.at(above + name, entry)


def _refuse_pattern(view: TreeView, path: Path) -> None:
    """Raise InvalidError for ``d/*`` and the like, unless that is the name of a file."""
    try:
        view.expect(path)
    except NotFoundError as error:
        raise InvalidError(
            f"Invalid path: {shown(path)!r} ends in '*'; give a directory and filter what it lists."
        ) from error


def _write(fileobj: IO[bytes], piece: bytes) -> None:
    # A raw file may take a part only. One that does not say how much it took is taken at its word.
    while isinstance(count := fileobj.write(piece), int) and 0 < count < len(piece):
        piece = piece[count:]
