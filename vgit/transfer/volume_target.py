"""Volume target: the paths that a transfer is to write, and what of a tree is in their way.

    there                     a file is wanted           a directory is wanted
    nothing                   fine                       fine
    file, symlink, ...        AlreadyExistsError, or     NotADirectoryConflict
                              overwritten if allowed
    directory                 IsADirectoryConflict       fine: they become one
    a file on the way to it   NotADirectoryConflict      NotADirectoryConflict

Others publish meanwhile, so this is asked of every head that the transfer could go onto.
"""

from collections.abc import Collection, Mapping

from vgit.errors import AlreadyExistsError, IsADirectoryConflict, NotADirectoryConflict, NotFoundError
from vgit.ids import TreeId
from vgit.paths import Path
from vgit.repository.commit import Commit
from vgit.repository.merge import DEFAULT_DIRECTORY_MODE
from vgit.repository.repository import Repository
from vgit.runtime.cancel import checkpoint
from vgit.transfer.puts import shown
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry, directory_entry, same_content

_NOTHING: Mapping[str, Entry] = {}


class TreeLooker:
    """Finds entries of one tree; cheap as long as the paths asked for one after the other are in one directory."""

    def __init__(self, repository: Repository, tree: TreeId) -> None:
        self._directories = repository.directories
        self._tree = tree
        self._at: Path | None = None
        self._entries = _NOTHING

    def find(self, path: Path) -> Entry | None:
        """Return what is at ``path``, which is not the root; NotADirectoryConflict if a file is on the way to it."""
        if path[:-1] != self._at:
            self._entries = self._list(path[:-1])
            self._at = path[:-1]
        return self._entries.get(path[-1])

    def expect(self, path: Path) -> Entry:
        """Return what is at ``path``; NotFoundError if nothing is."""
        entry = self.find(path)
        if entry is None:
            raise NotFoundError(f"No such file or directory: {shown(path)!r}.")
        return entry

    def _list(self, path: Path) -> Mapping[str, Entry]:
        entries: Mapping[str, Entry] = self._directories.read(self._tree).entries
        for depth, name in enumerate(path, 1):
            entry = entries.get(name)
            if entry is None:
                return _NOTHING
            if not entry.is_directory or entry.id is None:
                raise NotADirectoryConflict(f"{shown(path[:depth])!r} is a {entry.kind.value}, expected a directory.")
            entries = self._directories.read(TreeId(entry.id)).entries
        return entries


class Targets:
    """What is to be written. A path that is in neither collection is made as a directory if something is below it."""

    def __init__(
        self, repository: Repository, files: Collection[Path], directories: Collection[Path], *, overwrite: bool
    ) -> None:
        self._repository = repository
        self._files = files
        self._directories = directories
        self._overwrite = overwrite
        self._fine: TreeId | None = None

    def check(self, head: Commit) -> None:
        """Raise a conflict, or AlreadyExistsError, that names the first path which cannot be written onto ``head``."""
        if head.tree == self._fine:
            return
        looker = TreeLooker(self._repository, head.tree)
        for path in self._directories:
            checkpoint()
            there = looker.find(path) if path else None
            if there is not None and not there.is_directory:
                raise NotADirectoryConflict(
                    f"{shown(path)!r} is a {there.kind.value} in the volume; a directory cannot replace it."
                )
        for path in self._files:
            checkpoint()
            there = looker.find(path)
            if there is not None:
                self._check_file(path, there)
        self._fine = head.tree

    def _check_file(self, path: Path, there: Entry) -> None:
        if there.is_directory:
            raise IsADirectoryConflict(f"{shown(path)!r} is a directory in the volume; a file cannot replace it.")
        if not self._overwrite:
            raise AlreadyExistsError(
                f"{shown(path)!r} exists in the volume already, and nothing was uploaded. force=True replaces files."
            )


def to_edits(
    repository: Repository, head: Commit, files: Mapping[Path, Entry], directories: Mapping[Path, Entry], now_ns: int
) -> Edits:
    """Return the edits that put ``files`` and ``directories`` onto ``head``; parents that are missing are made.

    A directory that is there keeps its mode. What is put wins over what others
    publish meanwhile, whatever was there before: only content that was seen,
    and differs, is named as such.
    """
    looker = TreeLooker(repository, head.tree)
    edits: dict[Path, Edit] = {}
    for path, entry in directories.items():
        there = looker.find(path)
        edits[path] = Edit(entry if there is None else entry._replace(mode=there.mode), None)
    for path, entry in files.items():
        there = looker.find(path)
        # As if nothing had been seen where the content is the same: the merge must not take it for a chmod alone.
        edits[path] = Edit(entry, None if same_content(entry, there) else there)
    result = Edits(edits)
    add_parents(result, now_ns)
    return result


def add_parents(edits: Edits, now_ns: int) -> None:
    """Say of the directories on the way to what was edited that they changed now, and how a new one is made."""
    parent_entry = directory_entry(DEFAULT_DIRECTORY_MODE, now_ns)
    known = edits.directories
    for path in edits:
        for depth in range(len(path) - 1, 0, -1):
            parent = path[:depth]
            if parent in known:
                break
            known[parent] = parent_entry
