"""Journal: what an operation on a mount is about to do, noted before it does it.

The operation that finds a journal settles what it says (``recovery``). The form
is in docs/format/mount.md; ``StatCache.write_journal`` keeps it, with the rows.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from vgit.errors import NotMountedError
from vgit.files.temporary_access import Modes
from vgit.ids import CommitId
from vgit.localfs.file_stat import Stat
from vgit.mount.layout import DISPLACED
from vgit.paths import STATE_NAME, Path

_COMMIT = "commit"
_RELOAD = "reload"
_LOOK = "look"


class PendingFile(NamedTuple):
    """What a death may leave under one name in a staging area."""

    area: str
    name: str
    path: Path  # where it goes, or came from
    planned: Stat | None  # what the plan saw at the path; None: nothing
    inode: int  # of new content that waits; 0: only what came out of the mount can be there


class Journal(NamedTuple):
    """What was under way."""

    kind: str
    txn: str = ""  # of a commit
    base: str = ""  # hex, of a commit
    target: str = ""  # hex, of a reload
    root_mode: int = 0  # of a commit: the root directory's mode that it publishes
    waiting: Sequence[Sequence[object]] = ()  # of a reload: the fields of each ``PendingFile``
    modes: Sequence[Sequence[object]] = ()  # path and permission bits of directories that were opened for a while

    def encode(self) -> bytes:
        """Return the stored form."""
        return json.dumps(self._asdict()).encode()

    @property
    def is_look(self) -> bool:
        """Whether nothing but modes of directories was changed."""
        return self.kind == _LOOK

    def opened_modes(self) -> Modes:
        """Return the modes that are to be set back."""
        return {tuple(cast(list[str], path)): cast(int, mode) for path, mode in self.modes}

    def pending_files(self) -> list[PendingFile]:
        """Return what may be in the staging areas."""
        found = []
        for area, name, path, planned, inode in self.waiting:
            where = tuple(cast(list[str], path))
            stat = Stat(*cast(list[int], planned)) if planned is not None else None
            found.append(PendingFile(str(area), str(name), where, stat, cast(int, inode)))
        return found


class JournalWriter:
    """The journal of an operation on files: grows, and each time ``write`` makes it durable."""

    def __init__(self, write: Callable[[bytes], None], journal: Journal) -> None:
        self._write = write
        self._journal = journal
        self.is_written = False

    def note_modes(self, modes: Modes) -> None:
        """Note which modes are to be set back."""
        self._note(self._journal._replace(modes=tuple(modes.items())))

    def note_pending(self, pending: Sequence[PendingFile]) -> None:
        """Note what is in the staging areas, or is about to be."""
        self._note(self._journal._replace(waiting=tuple(pending)))

    def _note(self, journal: Journal) -> None:
        self._journal = journal
        self._write(journal.encode())
        self.is_written = True


def commit_journal(txn: str, base: CommitId, root_mode: int) -> bytes:
    """Return the journal of a commit about to be published."""
    return Journal(_COMMIT, txn=txn, base=base.hex(), root_mode=root_mode).encode()


def reload_journal(target: CommitId) -> Journal:
    """Return the journal of a reload, with nothing in it yet."""
    return Journal(_RELOAD, target=target.hex())


def look_journal() -> Journal:
    """Return the journal of what changes no content and no rows, or none that would have to be settled."""
    return Journal(_LOOK)


def decode_journal(data: bytes) -> Journal:
    """Parse a journal; NotMountedError if this vgit did not write it."""
    try:
        return Journal(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise NotMountedError(
            f"the mount's journal is damaged ({error}). Copy out what you changed, and what is in"
            f" {STATE_NAME}/{DISPLACED}; remove {STATE_NAME} and mount there again with --adopt (adopt=True)."
        ) from error
