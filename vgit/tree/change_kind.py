"""Change kind: in what way a path differs between two states."""

import enum

from vgit.tree.entry import Entry, is_touched, same_content


class ChangeKind(enum.StrEnum):
    """How a path differs between two states."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    RENAMED = "renamed"
    MODE = "mode"
    TIME = "time"


def change_kind(old: Entry | None, new: Entry | None) -> ChangeKind:
    """Return how two versions of a path differ, which they do; a rename is not seen from one path."""
    if old is None or new is None:
        return ChangeKind.ADDED if old is None else ChangeKind.REMOVED
    if is_touched(new, old):
        return ChangeKind.TIME
    return ChangeKind.MODE if same_content(new, old) else ChangeKind.CHANGED
