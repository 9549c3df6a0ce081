"""Unmount: a mount becomes an ordinary directory again, step by step, and each can be done again.

    1. the mark is renamed       no commit from here on can take what is missing for removed
    2. files are displaced       noted in the journal, so that a local change that slips in can be put back
    3. the lease is dropped
    4. ``.vgit`` goes, the mark last

A death after any of them leaves a directory that says what it was, and that an
unmount goes on with: what is clean by its rows is still to go.
"""

import os
from collections.abc import Callable, Mapping

from vgit.files.entry_writer import EntryWriter
from vgit.files.left_out import unread
from vgit.files.rows import Row
from vgit.files.temporary_access import TemporaryAccess, no_note
from vgit.ids import CommitId
from vgit.mount.inspection import Inspector
from vgit.mount.journal import JournalWriter, decode_journal, reload_journal
from vgit.mount.layout import UNMOUNTED_FILE, UNMOUNTING_FILE, MountRecord
from vgit.mount.lease import drop_lease
from vgit.mount.plan import without_refused
from vgit.mount.plan_execution import PlanExecution
from vgit.mount.session import Session
from vgit.mount.staging_areas import StagingAreas
from vgit.mount.staging_cleanup import clean_up
from vgit.mount.stat_cache import StatCache
from vgit.mount.store_check import check_content
from vgit.paths import STATE_NAME, Path
from vgit.repository.repository import Repository
from vgit.tree.entry import Entry


class Unmount:
    """The unmount of one mount, whose lock is held."""

    def __init__(
        self,
        repository: Repository,
        record: MountRecord,
        session: Session,
        inspector: Inspector,
        entry_writer: EntryWriter,
        cache: StatCache,
    ) -> None:
        self._repository = repository
        self._mount_id = record.mount_id
        self._session = session
        self._root = session.root
        self._inspector = inspector
        self._entry_writer = entry_writer
        self._cache = cache

    def clean_files(self, check_base: Callable[[StatCache], CommitId]) -> dict[Path, Entry | None] | None:
        """Return the paths of all files, for none to be there; None if one has a change that is not published.

        ``check_base``, and a look at their content, raise an error where the store does not have what was published.
        """
        changes = self._inspector.changes(self._cache)
        if self._cache.base is None or changes.edits or unread(changes.left_out):
            return None
        rows = self._rows()
        check_base(self._cache)
        check_content(self._repository, (row.entry for row in rows.values()))
        return dict.fromkeys(rows)

    def files_to_go(self) -> dict[Path, Entry | None] | None:
        """Return the paths of all files that an unmount which was cut off was to remove; None if they were to stay."""
        return dict.fromkeys(self._rows()) if self._root.marker == UNMOUNTING_FILE else None

    def run(self, paths: Mapping[Path, Entry | None] | None) -> bool:
        """Take all steps, ``paths`` with the files (None: they stay); say whether nothing is left in the directory."""
        self._put_back()
        if paths is None:
            self._root.mark_as(UNMOUNTED_FILE)
        else:
            self._remove(paths)
        is_empty = os.listdir(self._root.fd) == [STATE_NAME]
        drop_lease(self._repository, self._mount_id)
        self._session.end()
        return is_empty

    def _put_back(self) -> None:
        """Empty the staging areas of what was cut off: a local change in them is the only copy."""
        data = self._cache.journal
        journal = decode_journal(data) if data is not None else None
        with TemporaryAccess(self._root, no_note, journal.opened_modes() if journal is not None else None) as access:
            clean_up(self._root, journal, access)

    def _remove(self, paths: Mapping[Path, Entry | None]) -> None:
        base = self._cache.base
        if base is None:  # nothing was ever seen, so there are no paths either
            self._root.mark_as(UNMOUNTING_FILE)
            return
        notes = JournalWriter(self._cache.write_journal, reload_journal(base))
        with TemporaryAccess(self._root, notes.note_modes) as access, StagingAreas(self._root) as areas:
            access.allow(path[:-1] for path in paths)
            steps, _ = without_refused(self._inspector.planner(self._cache, access).plan(paths), areas.submounts)
            self._root.mark_as(UNMOUNTING_FILE)
            PlanExecution(self._root, self._entry_writer, base, areas, access, notes.note_pending).run(steps)
            areas.empty_outgoing()

    def _rows(self) -> dict[Path, Row]:
        directories = self._cache.directories()
        return {(*at, name): row for at, packed in directories.items() for name, row in packed.items()}
