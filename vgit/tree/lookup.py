"""Lookup: the entry at a path of a tree."""

from vgit.ids import TreeId
from vgit.paths import Path
from vgit.tree.directory import DirectoryReader
from vgit.tree.entry import Entry


def find_entry(directories: DirectoryReader, tree: TreeId, path: Path) -> Entry | None:
    """Return what stands at ``path`` below ``tree``, None if nothing does; ``path`` is not the root."""
    entry: Entry | None = None
    for name in path:
        if entry is not None:
            if not entry.is_directory or entry.id is None:
                return None
            tree = TreeId(entry.id)
        entry = directories.read(tree).entries.get(name)
        if entry is None:
            return None
    return entry
