"""Left out: what a commit or an upload could not take of the files that it was given, and why.

Some is not published at all (what cannot be read, devices, mounts in a mount, the
name that is kept for them). Of other files the content is published, and something
that a volume cannot hold is not: that is told of one file for each kind.
"""

import enum
import os
from collections.abc import Iterable
from typing import NamedTuple

from vgit.paths import Path


class LeftOutKind(enum.StrEnum):
    """Why something was left out."""

    UNREADABLE = "unreadable"  # what is published of it stays as it is
    DEVICE = "device"
    MOUNT = "mount"
    NAME = "name"
    SPELLING = "spelling"  # published, and not in a mount whose file system takes its name for another's
    MOUNTED = "mounted"  # published, and not in a mount where something else is mounted that cannot be changed
    HARD_LINK = "hard link"
    OWNER = "owner"
    ATTRIBUTES = "attributes"


REASONS = {
    LeftOutKind.MOUNT: "a mount of its own, which commits for itself",
    LeftOutKind.NAME: "a name that is kept for vgit",
    LeftOutKind.HARD_LINK: "hard link (each name becomes a file of its own)",
    LeftOutKind.OWNER: "owner other than the directory's (files come out as their reader's)",
    LeftOutKind.ATTRIBUTES: "extended attribute or ACL",
}

# The system labels files by itself, wherever they come from: nothing of a user's is lost.
_OF_THE_SYSTEM = frozenset({"security.selinux", "security.SMACK64", "security.ima", "security.evm"})


class Omitted(NamedTuple):
    """One path, and what of it was left out."""

    path: Path
    kind: LeftOutKind
    reason: str

    @classmethod
    def of(cls, kind: LeftOutKind, path: Path) -> "Omitted":
        """Return what is always left out for one reason."""
        return cls(path, kind, REASONS[kind])

    @classmethod
    def unreadable(cls, path: Path, error: Exception) -> "Omitted":
        """Return what could not be looked at."""
        return cls(path, LeftOutKind.UNREADABLE, getattr(error, "strerror", None) or str(error))


def unread(left_out: Iterable[Omitted]) -> list[Omitted]:
    """Return what could not be read: whoever can mend that has a commit to repeat."""
    return [one for one in left_out if one.kind is LeftOutKind.UNREADABLE]


class NotKept:
    """Looks for what a volume cannot hold of files, so that it is said once per kind and nobody relies on it."""

    def __init__(self) -> None:
        self._has_attributes = True

    def look(self, file: int, found: os.stat_result, owner: int, path: Path, kinds: dict[LeftOutKind, Path]) -> None:
        """Add to ``kinds`` what an open file has and none had before; ``owner`` is who would not be told of."""
        if found.st_nlink > 1:
            kinds.setdefault(LeftOutKind.HARD_LINK, path)
        if found.st_uid != owner:
            kinds.setdefault(LeftOutKind.OWNER, path)
        if self._has_attributes and LeftOutKind.ATTRIBUTES not in kinds:
            try:
                if not _OF_THE_SYSTEM.issuperset(os.listxattr(file)):
                    kinds[LeftOutKind.ATTRIBUTES] = path
            except OSError:
                self._has_attributes = False  # not on this file system: spare the other files the question
