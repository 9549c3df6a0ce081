"""Edits: what a writer changed, path by path, and how much it came to.

Of a directory that the writer made and filled with files, the trees of a first
commit, it is enough to know the tree: see ``Whole``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sortedcontainers import SortedDict

from vgit.ids import TreeId
from vgit.paths import Path
from vgit.tree.entry import Entry


class Edit(NamedTuple):
    """One path that a writer changed."""

    new: Entry | None  # what is to be there; of a directory id is None; None: removed
    seen: Entry | None  # what the writer last checked out or committed; None: nothing


class Whole(NamedTuple):
    """What is in a directory whose edit stands for all of it: files in a tree that is written already.

    The writer had seen nothing there. ``entries`` gives the files by name, for whom the tree alone does not do.
    """

    tree: TreeId
    file_count: int
    entries: Callable[[], Mapping[str, Entry]]


class Edits(SortedDict):  # type: ignore[misc]
    """Path → Edit in path order, so that ``a/b`` comes after ``a`` and before ``a.txt``."""

    def __init__(self, edits: Mapping[Path, Edit] | None = None) -> None:
        super().__init__(edits or {})
        self.directories: dict[Path, Entry] = {}  # of edited paths' parents: mode and mtime as the writer has them
        self.wholes: dict[Path, Whole] = {}  # of edits of new directories; there are no edits below these

    def unfolded(self) -> Iterator[tuple[Path, Edit]]:
        """Yield every edit, and those that a directory's stands for; in no order."""
        yield from self.items()
        for path, whole in self.wholes.items():
            for name, entry in whole.entries().items():
                yield (*path, name), Edit(entry, None)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a commit did to its parent's tree, in files."""

    added: int = 0
    changed: int = 0  # other content, kind or mode
    removed: int = 0
    bytes_added: int = 0
    touched: int = 0  # another time, and nothing else

    def describe(self) -> str:
        """Return the message of a commit that was given none."""
        parts = [
            (self.added, "added"),
            (self.changed, "changed"),
            (self.removed, "removed"),
            (self.touched, "touched"),
        ]
        return ", ".join(f"{count} {word}" for count, word in parts if count) or "directories or modes changed"
