"""Journal: what an operation on a mount is about to do, noted before it does it.

The form is in docs/format/mount.md.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from vgit.errors import NotMountedError
from vgit.files.temporary_access import Modes
from vgit.ids import CommitId
from vgit.localfs.file_stat import Stat
from vgit.mount.layout import DISPLACED
from vgit.mount.stage import Waiting
from vgit.paths import STATE_NAME

_COMMIT = "commit"
_RELOAD = "reload"
_LOOK = "look"


class Journal(NamedTuple):
    """What was under way."""

    kind: str
    txn: str = ""  # of a commit
    base: str = ""  # hex, of a commit
    target: str = ""  # hex, of a reload
    root_mode: int = 0  # of a commit: the root directory's mode that it publishes
    waiting: Sequence[Sequence[object]] = ()  # of a reload: the fields of each ``Waiting``
    modes: Sequence[Sequence[object]] = ()  # path and permission bits of directories that were opened for a while

    def encode(self) -> bytes:
        """Return the stored form."""
        return json.dumps(self._asdict()).encode()

    @property
    def is_look(self) -> bool:
        """Whether nothing but modes of directories was changed."""
        return self.kind == _LOOK

    def decode_modes(self) -> Modes:
        """Return the modes that are to be set back."""
        return {tuple(cast(list[str], path)): cast(int, mode) for path, mode in self.modes}

    def decode_waiting(self) -> list[Waiting]:
        """Return the names beside."""
        found = []
        for area, name, path, planned, inode in self.waiting:
            where = tuple(cast(list[str], path))
            stat = Stat(*cast(list[int], planned)) if planned is not None else None
            found.append(Waiting(str(area), str(name), where, stat, cast(int, inode)))
        return found


class Notes:
    """The journal of an operation on files: grows, and is written by ``write`` each time, durably."""

    def __init__(self, write: Callable[[bytes], None], journal: Journal) -> None:
        self._write = write
        self._journal = journal
        self.is_written = False

    def note_modes(self, modes: Modes) -> None:
        """Note which modes are to be set back."""
        self._note(self._journal._replace(modes=tuple(modes.items())))

    def note_waiting(self, waiting: Sequence[Waiting]) -> None:
        """Note what is beside."""
        self._note(self._journal._replace(waiting=tuple(waiting)))

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
