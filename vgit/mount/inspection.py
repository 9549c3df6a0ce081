"""Inspection: look at a mount's files, and publish, bring in and remove nothing.

Directories that are closed to their owner are opened for the time of a look. The
journal knows their modes meanwhile, so that after a death they are set back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from vgit.files.content_sink import ContentSink, HashSink
from vgit.files.temporary_access import TemporaryAccess
from vgit.ids import ObjectFormat
from vgit.mount.changes import ChangeReader, Changes
from vgit.mount.entry_reader import EntryReader
from vgit.mount.journal import JournalWriter, look_journal
from vgit.mount.plan import Planner
from vgit.mount.policy import LocalChanges, UnstableFiles
from vgit.mount.scan import Scan, Scanner
from vgit.mount.session import Session
from vgit.mount.stat_cache import StatCache
from vgit.mount.submounts import KnownSubmounts


class Inspector:
    """Looks at one mount, whose lock the caller holds."""

    def __init__(self, session: Session, object_format: ObjectFormat) -> None:
        self._session = session
        self._root = session.root
        self._format = object_format

    def changes(self, cache: StatCache) -> Changes:
        """Return what the mount has that was not seen; what its content is, is known, and stored nowhere."""
        return self.read_changes(cache, HashSink(self._format), UnstableFiles.STORE)

    def read_changes(self, cache: StatCache, sink: ContentSink, when_unstable: UnstableFiles) -> Changes:
        """Return what the mount has that was not seen; content goes to ``sink``."""
        watch, rows = self._session.clock.watch(), cache.directories()
        with (
            ChangeReader(self._root, rows, sink, watch, when_unstable, self._format) as reader,
            self._access(cache) as access,
        ):
            submounts = KnownSubmounts(self._root, cache)
            mapped = watch.mapped_inodes()
            scan = Scanner(self._root, rows, mapped, reader.offer, access=access, gone=submounts.gone).run()
            changes = reader.read(scan, cache.root_mode)
        still_gone = {one.path for one in scan.left_out}
        if submounts.has_news(still_gone):
            with cache.transaction(repeatable=True):
                submounts.keep(still_gone)
        return changes

    def scan(self, cache: StatCache) -> Scan:
        """Return what differs from its row; no file is read."""
        with self._access(cache) as access:
            return Scanner(self._root, cache.directories(), access=access).run()

    def planner(self, cache: StatCache, access: TemporaryAccess, local: LocalChanges = LocalChanges.KEEP) -> Planner:
        """Return what looks at paths and reads files to compare them, one by one."""
        watch = self._session.clock.watch()
        reader = EntryReader(self._root, HashSink(self._format), watch, UnstableFiles.STORE, {})
        return Planner(self._root, cache, reader, access, local)

    @contextmanager
    def _access(self, cache: StatCache) -> Iterator[TemporaryAccess]:
        notes = JournalWriter(cache.write_journal, look_journal())
        with TemporaryAccess(self._root, notes.note_modes) as access:
            yield access
        if notes.is_written:
            with cache.transaction(repeatable=True):
                cache.drop_journal()
