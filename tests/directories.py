"""Directories: trees in memory for tests of merging, their ids made of what they hold."""

import hashlib
import stat
from collections.abc import Mapping
from typing import TypeAlias

from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import FILE_MODE, SYMLINK_MODE, TREE_MODE
from vgit.paths import Path
from vgit.repository.merge import Merged, NewDirectory
from vgit.tree.directory import Directory
from vgit.tree.entry import NO_GIT_ENTRY, Entry

Plain: TypeAlias = "dict[str, Entry | Plain]"  # an Entry where something is stored, a dict for a directory

ROOT_MODE = 0o040755


def file(content: str, *, bits: int = 0o644, mtime_ns: int = 1) -> Entry:
    """Return a file whose content is told from others by ``content``."""
    hash = hashlib.sha256(content.encode()).digest()
    git_mode = FILE_MODE | (0o111 if bits & 0o100 else 0)
    return Entry(stat.S_IFREG | bits, git_mode, ObjectId(hash[:20]), len(content), mtime_ns, hash)


def symlink(target: str) -> Entry:
    hash = hashlib.sha256(target.encode()).digest()
    return Entry(stat.S_IFLNK | 0o777, SYMLINK_MODE, ObjectId(hash[:20]), len(target), 1, hash)


def fifo() -> Entry:
    return Entry(stat.S_IFIFO | 0o600, NO_GIT_ENTRY, None, 0, 1, None)


def directory(bits: int = 0o755, mtime_ns: int = 0) -> Entry:
    """Return a directory as an edit names it: without an id."""
    return Entry(stat.S_IFDIR | bits, TREE_MODE, None, 0, mtime_ns, None)


class Directories:
    """A ``DirectorySource``; ``reads`` are the ids it was asked for."""

    def __init__(self) -> None:
        self._stored: dict[TreeId, Directory] = {}
        self.reads: list[TreeId] = []

    def read(self, tree_id: TreeId) -> Directory:
        self.reads.append(tree_id)
        return self._stored[tree_id]

    def store(
        self, plain: Plain, mode: int | None = ROOT_MODE, modes: Mapping[Path, int] | None = None, path: Path = ()
    ) -> TreeId:
        """Keep a tree and return its id; ``modes`` are those of directories that are not 0o755."""
        entries = {}
        for name, value in plain.items():
            if isinstance(value, dict):
                below = (*path, name)
                id = self.store(value, None, modes, below)
                value = Entry((modes or {}).get(below, 0o040755), TREE_MODE, id, 0, 0, None)
            entries[name] = value
        return self._keep(Directory(mode, entries))

    def write(self, new: NewDirectory, *, is_root: bool = True) -> TreeId:
        """Keep what a merge came to, as a repository would write it."""
        entries = {}
        for name, entry in new.entries.items():
            if isinstance(entry, NewDirectory):
                entry = Entry(entry.mode, TREE_MODE, self.write(entry, is_root=False), 0, entry.mtime_ns, None)
            entries[name] = entry
        return self._keep(Directory(new.mode if is_root else None, entries))

    def after(self, head: TreeId, merged: Merged) -> TreeId:
        """Return the tree that a merge onto ``head`` leaves."""
        return head if merged.root is None else self.write(merged.root)

    def plain(self, tree_id: TreeId) -> Plain:
        """Return the whole tree, without modes and times of directories."""
        entries = self._stored[tree_id].entries
        return {name: self.plain(TreeId(e.id)) if e.is_directory and e.id else e for name, e in entries.items()}

    def flat(self, tree_id: TreeId, path: Path = ()) -> dict[Path, Entry]:
        """Return every entry by its path, directories included."""
        found: dict[Path, Entry] = {}
        for name, entry in self._stored[tree_id].entries.items():
            found[(*path, name)] = entry
            if entry.is_directory and entry.id is not None:
                found |= self.flat(TreeId(entry.id), (*path, name))
        return found

    def _keep(self, made: Directory) -> TreeId:
        text = repr((made.mode, sorted(made.entries.items())))
        id = TreeId(ObjectId(hashlib.sha1(text.encode()).digest()))
        self._stored[id] = made
        return id
