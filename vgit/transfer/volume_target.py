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

from vgit.errors import AlreadyExistsError, IsADirectoryConflict, NotADirectoryConflict
from vgit.ids import TreeId
from vgit.paths import Path
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView, shown
from vgit.runtime.cancel import checkpoint
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, Entry, directory_entry, same_content


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
        view = TreeView(self._repository, head.tree)
        for path in self._directories:
            checkpoint()
            there = view.find(path)
            if there is not None and not there.is_directory:
                raise NotADirectoryConflict(
                    f"{shown(path)!r} is a {there.kind.value} in the volume; a directory cannot replace it."
                )
        for path in self._files:
            checkpoint()
            there = view.find(path)
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
    view = TreeView(repository, head.tree)
    edits: dict[Path, Edit] = {}
    for path, entry in directories.items():
        there = view.find(path)
        edits[path] = Edit(entry if there is None else entry._replace(mode=there.mode), None)
    for path, entry in files.items():
        there = view.find(path)
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
