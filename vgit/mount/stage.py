"""Stage: new content on its way into a mount: written in a staging area, checked, durable, then in the journal."""

import os
import stat
from typing import NamedTuple

from vgit.files.entry_writer import EntryWriter, errors_with_path
from vgit.ids import CommitId
from vgit.localfs.file_stat import Stat
from vgit.localfs.fsync import FsyncSet
from vgit.mount.journal import PendingFile
from vgit.mount.plan import Step
from vgit.mount.staging_areas import StagingAreas
from vgit.runtime.cancel import checkpoint
from vgit.tree.entry import Entry


class Staged(NamedTuple):
    """New content in a staging area, which waits for its step."""

    step: Step
    area: str
    name: str
    stat: Stat
    entry: Entry

    def as_pending(self) -> PendingFile:
        """Return it as the journal has it."""
        return PendingFile(self.area, self.name, self.step.path, self.step.replaces, self.stat.ino)


class Stager:
    """Writes what a reload brings in."""

    def __init__(self, entry_writer: EntryWriter, target: CommitId, areas: StagingAreas) -> None:
        self._entry_writer = entry_writer
        self._target = target
        self._areas = areas
        self._count = 0
        self.bytes_written = 0

    def next_name(self) -> str:
        """Return a name that nothing else in a staging area has."""
        self._count += 1
        return f"{self._target.hex()[:8]}-{self._count}"

    def stage(self, writes: list[Step]) -> list[Staged]:
        """Write new content in staging areas; durable on return."""
        staged: list[Staged] = []
        try:
            with FsyncSet() as unsynced:
                for step in writes:
                    checkpoint()
                    staged.append(self._stage_one(step))
                    if stat.S_ISREG(staged[-1].stat.mode):  # others are durable with their names
                        unsynced.add_new_file(self._areas.descriptor(staged[-1].area), staged[-1].name)
                unsynced.sync()
        except BaseException:
            for new in staged:  # no journal names them yet
                self.discard(new)
            raise
        return staged

    def discard(self, new: Staged) -> None:
        """Remove what is not to be placed."""
        os.unlink(new.name, dir_fd=self._areas.descriptor(new.area))

    def _stage_one(self, step: Step) -> Staged:
        assert step.target is not None
        name = self.next_name()
        area = self._areas.incoming(step.path[:-1])
        with errors_with_path(step.path, self._target):
            row = self._entry_writer.write(self._areas.descriptor(area), name, step.target)
        self.bytes_written += step.target.size
        return Staged(step, area, name, *row)
