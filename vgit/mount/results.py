"""Results: what a commit, a reload and a look at a mount came to."""

from typing import NamedTuple

from vgit.files.left_out import Omitted
from vgit.ids import CommitId
from vgit.paths import Path
from vgit.repository.publish import Published
from vgit.tree.edits import Edits


class Committed(NamedTuple):
    """What a commit of a mount came to."""

    published: Published | None  # None: there was nothing to publish
    unstable: tuple[Path, ...] = ()
    left_out: tuple[Omitted, ...] = ()
    held_back: tuple[Path, ...] = ()  # in the background: what was being written, and stays at its published version


class Reloaded(NamedTuple):
    """What a reload came to."""

    base: CommitId
    written: int  # paths whose content, kind or metadata was brought in, removals included
    moved: bool  # to another commit than before
    kept: tuple[Path, ...]  # local changes that stay in the way of what others published
    left_out: tuple[Omitted, ...] = ()  # what cannot be in this mount


class Status(NamedTuple):
    """What a mount has that is not published, and how far it is behind."""

    edits: Edits
    base: CommitId
    head: CommitId
    left_out: tuple[Omitted, ...]
