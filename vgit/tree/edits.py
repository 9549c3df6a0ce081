"""Edits: what a writer changed, path by path, and how much it came to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sortedcontainers import SortedDict

from vgit.paths import Path
from vgit.tree.entry import Entry


class Edit(NamedTuple):
    """One path that a writer changed."""

    new: Entry | None  # what is to be there; of a directory id is None; None: removed
    seen: Entry | None  # what the writer last checked out or committed; None: nothing


class Edits(SortedDict):  # type: ignore[misc]
    """Path → Edit in path order, so that ``a/b`` comes after ``a`` and before ``a.txt``."""

    def __init__(self, edits: Mapping[Path, Edit] | None = None) -> None:
        super().__init__(edits or {})
        self.directories: dict[Path, Entry] = {}  # of edited paths' parents: mode and mtime as the writer has them

    def below(self, path: Path) -> Iterator[tuple[Path, Edit]]:
        """Yield the edits of ``path`` itself and of what lies below it."""
        for key in self.irange(path):
            if key[: len(path)] != path:
                return
            yield key, self[key]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a commit did to its parent's tree."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    bytes_added: int = 0

    def describe(self) -> str:
        """Return the message of a commit that was given none."""
        parts = [(self.added, "added"), (self.changed, "changed"), (self.removed, "removed")]
        return ", ".join(f"{count} {word}" for count, word in parts if count) or "directories or modes changed"
