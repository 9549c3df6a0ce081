"""User warnings: what a program is told beside its answer, as Python warnings, since the library prints nothing.

A warning is shown with the line of the program that called vgit. Who turns warnings
into errors gets them when all is done; the answer is their ``published`` then.
"""

import shlex
import sys
import warnings
from collections.abc import Sequence

from vgit.files.left_out import LeftOutKind
from vgit.ids import short_id
from vgit.paths import printable
from vgit.types import Change, CommitInfo, LeftOut

_EFFECTS = {
    LeftOutKind.UNREADABLE: "could not be read, so that what is published there stays as it was",
    LeftOutKind.DEVICE: "cannot be in a volume",
    LeftOutKind.MOUNT: "is left to its own commits",
    LeftOutKind.NAME: "is never published",
    LeftOutKind.SPELLING: "is published and cannot be in this mount",
    LeftOutKind.MOUNTED: "is published and cannot be in this mount",
}
_OF_FILES = "is published without what a volume cannot hold"


class LeftOutWarning(UserWarning):
    """A commit or an upload left something out; one warning for each kind of it."""


class LocalChangesWarning(UserWarning):
    """A read-only mount has what its volume does not have, or lacks what it has."""


def warn_of_local_changes(where: str, changes: Sequence[Change]) -> None:
    """Warn that a read-only mount was changed, and so does not show its volume's state."""
    if changes:
        warnings.warn(local_changes_text(where, changes), LocalChangesWarning, stacklevel=_level_of_caller())


def local_changes_text(where: str, changes: Sequence[Change]) -> str:
    """Return a few sentences for people: there is one change at least."""
    first = printable(changes[0].path) or "its own directory"
    shown = shlex.quote(printable(where))
    return (
        f"{printable(where)} is mounted read-only, and was changed all the same: it differs from the volume at {first}"
        + (f" and {len(changes) - 1} more." if changes[1:] else ".")
        + f" That is published by nothing, and stays. `vgit status {shown}` lists it; `vgit reload --discard {shown}`"
        " brings the volume's state back."
    )


def warn_of_left_out(left_out: Sequence[LeftOut], info: CommitInfo | None) -> None:
    """Warn of each kind of thing that was left out of ``info`` (None: nothing was published), with local paths."""
    try:
        for text in left_out_texts(left_out).values():
            warnings.warn(text, LeftOutWarning, stacklevel=_level_of_caller())
    except LeftOutWarning as raised:
        vars(raised).update(published=info)
        if info is not None:
            raised.add_note(f"commit {short_id(info.id)} is published all the same.")
        raise


def left_out_texts(left_out: Sequence[LeftOut]) -> dict[LeftOutKind, str]:
    """Return a sentence for each kind of thing that was left out."""
    kinds: dict[LeftOutKind, list[LeftOut]] = {}
    for one in left_out:
        kinds.setdefault(one.kind, []).append(one)
    return {kind: _sentence(kind, found) for kind, found in kinds.items()}


def _sentence(kind: LeftOutKind, found: list[LeftOut]) -> str:
    more = f" And {len(found) - 1} more: `left_out` of the commit, or of Mount.status(), has all." if found[1:] else ""
    return f"{printable(found[0].path)} {_EFFECTS.get(kind, _OF_FILES)}: {found[0].reason}.{more}"


def _level_of_caller() -> int:
    """Return how many frames up, from who calls this, the first is that is not vgit's."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "vgit":
        level, frame = level + 1, frame.f_back
    return level
