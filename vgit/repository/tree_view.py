"""Tree view: one tree of a volume, looked at path by path; what is not as expected raises with the path's name.

Reading a snapshot, and asking what is in the way of a copy, an upload or a
removal, are the same look. Who wants to hear of nothing else than what stands
at a path takes ``find_entry`` of tree/directory.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from vgit.content import read_content
from vgit.errors import (
    ConflictError,
    CorruptObjectError,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.ids import CommitId, TreeId, short_id
from vgit.paths import Path, format_path, printable
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.tree.directory import entries_to
from vgit.tree.entry import Entry, Kind, subtree

_NOTHING: Mapping[str, Entry] = {}


class TreeView:
    """One tree. Made for one piece of work: it holds on to the directory that it looked into last."""

    def __init__(self, repository: Repository, tree: TreeId, revision: CommitId | None = None) -> None:
        self._repository = repository
        self._tree = tree
        self._revision = revision  # which errors are to name; None: the newest state, as everybody expects
        self._last: tuple[Path, Mapping[str, Entry]] | None = None  # one value, so that threads see both or neither

    @classmethod
    def at(cls, repository: Repository, revision: CommitId) -> "TreeView":
        """Return the view of a commit's tree; its errors name the commit."""
        return cls(repository, repository.commit(revision).tree, revision)

    def find(self, path: Path) -> Entry | None:
        """Return what stands at ``path``, None if nothing does; NotADirectoryConflict if a file is on the way to it.

        Cheap as long as the paths asked for one after the other are in one directory.
        """
        if not path:
            return self._follow(path)[0]
        if self._last is None or self._last[0] != path[:-1]:
            self._last = path[:-1], self._look_into(path[:-1])
        return self._last[1].get(path[-1])

    def expect(self, path: Path) -> Entry:
        """Return what stands at ``path``; NotFoundError if nothing does, else as ``find``."""
        entry = self.find(path)
        if entry is None:
            raise NotFoundError(f"No such file or directory: {self._named(path)}.")
        return entry

    def list(self, path: Path, *, recursive: bool) -> Iterator[tuple[Path, Mapping[str, Entry]]]:
        """Yield path and entries of the directory ``path`` and, if recursive, of those below, a parent before them.

        A file yields its parent with itself alone.
        """
        entry = self.expect(path)
        if not entry.is_directory:
            yield path[:-1], {path[-1]: entry}
            return
        waiting = [(path, entry)]
        while waiting:
            checkpoint()
            parent, directory = waiting.pop()
            entries = self._read(parent, directory)
            yield parent, entries
            if recursive:
                waiting += [((*parent, name), one) for name, one in entries.items() if one.is_directory][::-1]

    def read(self, path: Path, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a file's bytes in pieces of at most 8 MiB, each checked before it is given."""
        entry = self.expect(path)
        if entry.is_directory:
            raise IsADirectoryConflict(f"{self._named(path)} is a directory, expected a file.")
        if entry.kind not in (Kind.FILE, Kind.SYMLINK):
            raise ConflictError(f"{self._named(path)} is a {entry.kind.value}; it has no content.")
        for number in (offset, 0 if length is None else length):
            if not isinstance(number, int) or number < 0:
                raise InvalidError(f"offset and length must be numbers from 0 on; got {offset!r} and {length!r}.")
        with self._naming_damage(path):
            for piece in read_content(self._repository.objects, entry, offset, length):
                yield bytes(piece)

    def _look_into(self, path: Path) -> Mapping[str, Entry]:
        """Return what is in the directory ``path``, nothing where nothing stands."""
        found = self._follow(path)
        way, last = path[: len(found) - 1], found[-1]
        if not last.is_directory:
            raise NotADirectoryConflict(f"{self._named(way)} is a {last.kind.value}, not a directory.")
        return self._read(path, last) if way == path else _NOTHING

    def _follow(self, path: Path) -> Sequence[Entry]:
        """Return the entries on the way to ``path``, the root's first, as far as there are any."""
        found = []
        try:
            for entry in entries_to(self._repository.directories, self._tree, path):
                found.append(entry)  # one by one: how far it came names a directory that cannot be read
        except CorruptObjectError as error:
            raise self._damage(path[: max(len(found) - 1, 0)], error) from error
        return found

    def _read(self, path: Path, directory: Entry) -> Mapping[str, Entry]:
        tree = subtree(directory)
        assert tree is not None, "a directory that is stored has an id"
        with self._naming_damage(path):
            return self._repository.directories.read(tree).entries

    @contextmanager
    def _naming_damage(self, path: Path) -> Iterator[None]:
        try:
            yield
        except CorruptObjectError as error:
            raise self._damage(path, error) from error

    def _damage(self, path: Path, error: CorruptObjectError) -> CorruptObjectError:
        at = f" at revision {short_id(self._revision)}" if self._revision is not None else ""
        return CorruptObjectError(f"{shown(path)}{at} is damaged in the store: {error}.")

    def _named(self, path: Path) -> str:
        at = f" at {short_id(self._revision)}" if self._revision is not None else ""
        return f"{shown(path)!r}{at}"


def shown(path: Path) -> str:
    """Return a path of the volume as messages show it."""
    return printable(format_path(path)) or "/"
