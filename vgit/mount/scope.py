"""Scope: the part of a volume that a mount shows: all of it, or what is below one directory.

The mount knows paths from its own root, the repository those from the
volume's. This is the only place that turns one into the other. Where a commit
has no directory at the scope's path (nobody made one yet, or a file is there),
the mount shows nothing; the first file committed from it makes the directory.
"""

from collections.abc import Iterable, Iterator, Mapping

from vgit.errors import InvalidError, NotADirectoryConflict, NotFoundError
from vgit.ids import CommitId, TreeId, short_id
from vgit.paths import ROOT, STATE_NAME, Path, format_path, has_state_name, printable
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository
from vgit.tree.diff import Difference, diff_trees
from vgit.tree.directory import find_entry
from vgit.tree.edits import Edits
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, Entry, subtree

_NOTHING: Mapping[str, Entry] = {}


class Scope:
    """What a mount sees of its volume's commits."""

    def __init__(self, repository: Repository, path: Path) -> None:
        self._repository = repository
        self._directories = repository.directories
        self.path = path  # from the volume's root

    def tree(self, commit: CommitId) -> TreeId | None:
        """Return the tree that the mount's root shows at a commit; None if there is no such directory."""
        return subtree(self.entry(commit, ROOT)) if self.path else self._repository.commit(commit).tree

    def root_mode(self, commit: CommitId) -> int | None:
        """Return the mode that a commit has for the mount's root; None if nobody has set that of a volume's root."""
        if not self.path:
            return self._repository.root(self._repository.commit(commit).tree).mode
        entry = self.entry(commit, ROOT)
        return entry.mode if entry is not None and entry.is_directory else DEFAULT_DIRECTORY_MODE

    def follows(self, commit: Commit, base: CommitId) -> bool:
        """Return whether a commit was made on what the mount shows at ``base``: then a mount there shows all of it."""
        return commit.parent is not None and self.tree(commit.parent) == self.tree(base)

    def entry(self, commit: CommitId, path: Path) -> Entry | None:
        """Return what stands at the mount's ``path`` at a commit."""
        return find_entry(self._directories, self._repository.commit(commit).tree, self.path + path)

    def entries(self, tree: TreeId | None) -> Mapping[str, Entry]:
        """Return what is in a directory; nothing where there is none."""
        return self._directories.read(tree).entries if tree is not None else _NOTHING

    def with_all_below(self, entries: Mapping[Path, Entry]) -> dict[Path, Entry]:
        """Return entries, and all that is in them."""
        found = dict(entries)
        waiting = list(entries.items())
        for path, entry in waiting:  # grows on the way
            below = {(*path, name): one for name, one in self.entries(subtree(entry)).items()}
            found |= below
            waiting += [(at, one) for at, one in below.items() if one.is_directory]
        return found

    def differences(self, old: CommitId, new: CommitId) -> Iterator[Difference]:
        """Yield what differs between two commits, as ``diff_trees`` does, in the mount's paths."""
        return diff_trees(self._directories, self.tree(old), self.tree(new))

    def to_volume(self, edits: Edits, root: Entry) -> Edits:
        """Return the mount's edits as the volume's; ``root`` is the mount's root as a directory."""
        if not self.path:
            return edits
        result = Edits({self.path + path: edit for path, edit in edits.items()})
        result.directories = {self.path + path: entry for path, entry in edits.directories.items()}
        result.directories[self.path] = root
        result.wholes = {self.path + path: whole for path, whole in edits.wholes.items()}
        return result

    def paths_in_volume(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Return the mount's paths as the volume's."""
        return tuple(self.path + path for path in paths)


def check_sub_path(repository: Repository, path: Path, revision: CommitId | None) -> None:
    """Raise NotADirectoryConflict if ``path`` is a file; NotFoundError if a given ``revision`` does not have it.

    At the newest state (None) it may be missing: a commit from the mount makes it.
    """
    if not path:
        return
    if has_state_name(path):
        raise InvalidError(f"cannot mount {printable(format_path(path))!r}: {STATE_NAME} is kept for mounts.")
    commit = revision or repository.head()
    entry = find_entry(repository.directories, repository.commit(commit).tree, path)
    shown = printable(format_path(path))
    if entry is None and revision is not None:
        raise NotFoundError(f"No such directory: {shown!r} at {short_id(commit)}; it cannot be mounted.")
    if entry is not None and not entry.is_directory:
        raise NotADirectoryConflict(f"{shown!r} at {short_id(commit)} is a file; give a directory as sub_path.")


def overlap(one: Path, other: Path) -> bool:
    """Return whether two directories are the same, or one is in the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]
