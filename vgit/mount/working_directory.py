"""Working directory: one mount, bound to a volume; scan, commit, reload and status in their fixed order.

Every operation holds the mount's lock, makes sure that the directory is still
the mount it was, and first settles what an operation that was cut off left.
What a commit does, and why in this order, is in docs/concurrency.md.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.clock import Clock
from vgit.errors import ReadOnlyError
from vgit.files.content_sink import ContentSink, HashSink, PackSink
from vgit.files.entry_writer import EntryWriter
from vgit.files.left_out import Omitted, unread
from vgit.files.rows import Row, untrusted
from vgit.files.temporary_access import TemporaryAccess
from vgit.ids import CommitId
from vgit.localfs.filesystem_clock import TICK_SECONDS, trusted
from vgit.localfs.syscalls import syncfs
from vgit.mount.changes import ChangeReader, Changes
from vgit.mount.checkout import Checkout
from vgit.mount.divergence import reload_candidates, still_divergent
from vgit.mount.entry_reader import EntryReader
from vgit.mount.journal import JournalWriter, commit_journal, look_journal, reload_journal
from vgit.mount.layout import UNMOUNTED_FILE, UNMOUNTING_FILE, MountRecord
from vgit.mount.open_files import check_no_open_files, this_and_its_ancestors
from vgit.mount.plan import Action, Planner, without_refused
from vgit.mount.plan_execution import PlanExecution
from vgit.mount.policy import LocalChanges, UnstableFiles
from vgit.mount.recovery import recover
from vgit.mount.results import Committed, Reloaded, Status
from vgit.mount.root_mode import RootMode
from vgit.mount.scan import Scanner
from vgit.mount.scope import Scope
from vgit.mount.session import Session, without_base
from vgit.mount.staging_areas import StagingAreas
from vgit.mount.stat_cache import StatCache
from vgit.mount.store_check import check_content, check_history, check_present
from vgit.mount.submounts import KnownSubmounts
from vgit.mount.take_back import take_back
from vgit.mount.unmount import Unmount
from vgit.paths import MOUNT_FILE, ROOT, Path, parse_path
from vgit.repository.commit import new_transaction
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.runtime.cancel import shield
from vgit.runtime.side_thread import SideThread
from vgit.tree.entry import Entry


class WorkingDirectory:
    """One mount, open. A context manager; threads take turns; a forked child opens its own state."""

    def __init__(
        self, path: str, record: MountRecord, repository: Repository, clock: Clock, marker: str = MOUNT_FILE
    ) -> None:
        self.record = record
        self.repository = repository
        self._clock = clock
        self._scope = Scope(repository, parse_path(record.sub_path))
        self._session = Session(path, repository.format, clock, self._recover, marker)
        self._root = self._session.root
        self._entry_writer = EntryWriter(repository.objects, read_only=record.read_only)
        self._root_mode = RootMode(self._root, self._scope, repository, self._entry_writer, read_only=record.read_only)
        self._checked: tuple[CommitId, CommitId] | None = None  # a commit that was known, a head that descends from it
        self._first_checkout: Checkout | None = None  # as long as it may have to be taken back

    def __enter__(self) -> "WorkingDirectory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The mount's root, absolute."""
        return self._root.path

    @property
    def is_half_unmounted(self) -> bool:
        """Whether an unmount of it was cut off, which is all that can be gone on with."""
        return self._root.marker != MOUNT_FILE

    def close(self) -> None:
        """Let go of the directory; what is not committed stays in it as it is."""
        self._session.close()

    def own(self) -> None:
        """Hold the mount for this program until ``close``; LockedError if another has it."""
        self._session.own()

    @property
    def base(self) -> CommitId | None:
        """The commit last reloaded from; None before the first checkout is done."""
        with self._session.operation() as cache:
            return cache.base

    @property
    def left_out(self) -> tuple[Omitted, ...]:
        """What of base cannot be in this mount."""
        with self._session.operation() as cache:
            return cache.left_out()

    def check_out(self, revision: CommitId) -> None:
        """Fill a directory that is new to this mount with ``revision``; done again if it was cut off."""
        with self._session.operation() as cache:
            checkout = self._first_checkout = Checkout(
                self.repository,
                self._root,
                read_only=self.record.read_only,
                inherit=self._session.lock_descriptors(),
            )
            tree = self._scope.tree(revision)
            if tree is not None:
                checkout.run(revision, tree)
            syncfs(self._root.fd)
            self._clock.sleep(TICK_SECONDS)  # so that the rows of what was just written can be trusted
            before = self._session.probe().trusted_before_ns
            with cache.transaction():
                checkout.put_rows(cache, before)
                checkout.found[ROOT] = os.fstat(self._root.fd).st_mode
                self._root_mode.take(cache, self._root_mode.at_first(revision))
                cache.set_divergent(self._scope.with_all_below(checkout.kept))
                cache.set_left_out(checkout.left_out)
                cache.set_base(revision)

    def settle_in(self) -> None:
        """Say that the first checkout holds, and need not be taken back any more."""
        self._first_checkout = None

    def take_back(self) -> None:
        """Undo ``check_out``, and make the directory no mount any more; what others put there stays."""
        with shield(), self._session.unsettled():
            self._root.mark_as(UNMOUNTED_FILE)
            checkout, self._first_checkout = self._first_checkout, None
            if checkout is not None:
                take_back(self._root, self.repository, checkout)
            self._session.end()

    def adopt(self, revision: CommitId) -> Reloaded:
        """Bind a directory that has files already: equal ones are clean, others local changes nobody has seen."""
        with self._session.operation() as cache:
            top = self._scope.entries(self._scope.tree(revision))
            all_of_it = self._scope.with_all_below({(name,): entry for name, entry in top.items()})
            return self._reload(cache, revision, {**all_of_it}, LocalChanges.ADOPT)

    def status(self) -> Status:
        """Compare the working directory with what was seen; reads files whose stat differs, writes none."""
        with self._session.operation() as cache:
            base = self._base(cache)
            changes = self._read_changes(cache, HashSink(self.repository.format), UnstableFiles.STORE)
            self._settle_rows(cache, changes)
            left_out = (*cache.left_out(), *changes.left_out)
            return Status(changes.edits, base, self.repository.head(), left_out)

    def commit(
        self, author: str, message: str | None = None, when_unstable: UnstableFiles = UnstableFiles.STORE
    ) -> Committed:
        """Publish what this directory has that was not seen; ReadOnlyError for a read-only mount."""
        if self.record.read_only:
            raise ReadOnlyError(f"{self.path} is a read-only mount of {self.record.volume_name}; it cannot commit.")
        with self._session.operation() as cache:
            base = self._base(cache)
            with self.repository.writer() as writer:
                sink = PackSink(self.repository.objects, writer)
                changes = self._read_changes(cache, sink, when_unstable)
                published = None
                if changes.edits:
                    txn = new_transaction(self._clock)
                    journal = commit_journal(txn, base, changes.root_mode)
                    with SideThread(lambda: cache.write_journal(journal, changes.rows, changes.new_rows)) as noted:
                        edits = self._scope.to_volume(
                            changes.edits, self._root_mode.to_publish(changes.edits, changes.root_mode, base)
                        )
                        unstable = self._scope.paths_in_volume(changes.unstable)
                        proposal = Proposal(edits, author, txn, message, base, unstable, before_swap=noted.wait)
                        published = publish(self.repository, proposal, writer)
                        noted.wait()  # if nothing was to be published, it has not been asked for
            if published is None:
                self._finish_commit(cache, base, changes, published)
            else:
                with published.after.step("settling the mount's state, which the next command does,"):
                    self._finish_commit(cache, base, changes, published)
            return Committed(published, tuple(changes.unstable), tuple(changes.left_out), tuple(changes.held_back))

    def reload(self, local: LocalChanges = LocalChanges.KEEP) -> Reloaded:
        """Bring in what others published; local changes stay, or are given up."""
        with self._session.operation() as cache:
            base, target, candidates = self._behind(cache)
            if local is LocalChanges.DISCARD:
                self._add_local_changes(cache, candidates, target)
            elif not candidates and base == target:
                return Reloaded(base, 0, moved=False, kept=())
            return self._reload(cache, target, candidates, local)

    def catch_up(self) -> Reloaded:
        """Do as ``reload`` for a program that is about to use the mount; FilesOpenError if another does already.

        Only if there is something to bring in. Who waits for that program may work in the mount.
        """
        with self._session.operation() as cache:
            base, target, candidates = self._behind(cache)
            if not candidates and base == target:
                return Reloaded(base, 0, moved=False, kept=())
            if candidates:
                waiting = this_and_its_ancestors()
                check_no_open_files(self.path, own={self._root.fd}, may_work_inside=waiting)
            return self._reload(cache, target, candidates, LocalChanges.KEEP)

    def _behind(self, cache: StatCache) -> tuple[CommitId, CommitId, dict[Path, Entry | None]]:
        """Return base, what a reload brings in, and where that may differ."""
        base = self._base(cache)
        target = self.repository.head() if self.record.at is None else base
        return base, target, reload_candidates(self._scope, base, target, cache.divergent())

    def check_open_files(self) -> None:
        """Raise FilesOpenError if a process has files of the mount open or mapped, or works inside it."""
        with self._session.unsettled():  # another vgit that reads files here for a commit is no reason to refuse
            check_no_open_files(self.path, own={self._root.fd})

    def unmount(self, *, remove_files: bool) -> bool:
        """Make this no mount any more; say whether its files are gone, which needs that none has a local change.

        Without ``remove_files`` it is possible also where the store is not what it was, and nothing can be settled.
        """
        with self._session.operation() if remove_files else self._session.unsettled() as cache:
            return self._unmount(cache).run(self._removals(cache) if remove_files else None)

    def finish_unmount(self, *, remove_files: bool) -> bool:
        """Do what an unmount that was cut off has left to do; say whether all files are gone."""
        with self._session.unsettled() as cache:
            is_removing = remove_files and self._root.marker == UNMOUNTING_FILE
            return self._unmount(cache).run(dict.fromkeys(_rows(cache)) if is_removing else None)

    def _unmount(self, cache: StatCache) -> Unmount:
        def planner(access: TemporaryAccess) -> Planner:
            return self._planner(cache, access)

        return Unmount(self.repository, self.record, self._session, cache, self._entry_writer, planner)

    @contextmanager
    def _looking(self, cache: StatCache) -> Iterator[TemporaryAccess]:
        """Open closed directories for what needs no other journal; after a death their modes are set back."""
        notes = JournalWriter(cache.write_journal, look_journal())
        with TemporaryAccess(self._root, notes.note_modes) as access:
            yield access
        if notes.is_written:
            with cache.transaction(repeatable=True):
                cache.drop_journal()

    def _removals(self, cache: StatCache) -> dict[Path, Entry | None] | None:
        """Return the paths of all files, for none to be there; None if one has a change that is not published."""
        changes = self._read_changes(cache, HashSink(self.repository.format), UnstableFiles.STORE)
        if cache.base is None or changes.edits or unread(changes.left_out):
            return None
        rows = _rows(cache)
        self._base(cache)
        check_content(self.repository, (row.entry for row in rows.values()))
        return dict.fromkeys(rows)

    def _base(self, cache: StatCache) -> CommitId:
        base = cache.base
        if base is None:
            raise without_base(self._root)
        self._check_history(cache.newest or base)
        return base

    def _check_history(self, known: CommitId) -> None:
        """See that ``known``, which this mount took for published, still is; CorruptVolumeError if not."""
        if self.record.at is not None:  # it stays where it is, whatever becomes of head
            check_present(self.repository, known)
            return
        checked = self._checked if self._checked is not None and self._checked[0] == known else (known,)
        self._checked = known, check_history(self.repository, self.record, self.path, known, checked)

    def _read_changes(self, cache: StatCache, sink: ContentSink, when_unstable: UnstableFiles) -> Changes:
        watch = self._session.watch()
        with (
            ChangeReader(self._root, cache.directories(), sink, watch, when_unstable, self.repository.format) as reader,
            self._looking(cache) as access,
        ):
            inside = KnownSubmounts(self._root, cache)
            rows, mapped = cache.directories(), watch.mapped_inodes()
            scan = Scanner(self._root, rows, mapped, reader.offer, access=access, gone=inside.gone).run()
            changes = reader.read(scan, cache.root_mode)
        still_gone = {one.path for one in scan.left_out}
        if inside.has_news(still_gone):
            with cache.transaction(repeatable=True):
                inside.keep(still_gone)
        return changes

    def _planner(self, cache: StatCache, access: TemporaryAccess, local: LocalChanges = LocalChanges.KEEP) -> Planner:
        """Return what looks at paths and reads files to compare them, one by one."""
        sink = HashSink(self.repository.format)
        reader = EntryReader(self._root, sink, self._session.watch(), UnstableFiles.STORE, {})
        return Planner(self._root, cache, reader, access, local)

    def _settle_rows(self, cache: StatCache, changes: Changes) -> None:
        """Keep rows that were read again and are what was seen, so that the next scan need not read them."""
        rows = {
            directory: {name: row for name, row in names.items() if (*directory, name) not in changes.edits}
            for directory, names in changes.rows.items()
        }
        rows = {directory: names for directory, names in rows.items() if names}
        if rows:
            with cache.transaction(repeatable=True):
                cache.put(rows)

    def _finish_commit(self, cache: StatCache, base: CommitId, changes: Changes, published: Published | None) -> None:
        """Step 5: rows, seen, base and divergent in one transaction; it drops the journal."""
        if not any(changes.rows.values()) and not changes.edits:
            return
        # After a power loss that takes this the journal has set the rows, and head has the transaction; or nothing
        # was to be published, and the files are read again.
        with cache.transaction(repeatable=published is not None or not changes.edits):
            if not changes.edits:  # else the journal has set them
                cache.put(changes.rows)
            head = published.id if published is not None else self.repository.head()
            self._root_mode.commit(cache, changes.edits, changes.root_mode, head)
            if published is not None and self._scope.follows(published.commit, base):
                cache.set_base(published.id)
                cache.set_divergent(still_divergent(self._scope, cache.divergent(), changes.edits, published.id))
            elif changes.edits:
                cache.add_divergent(path for path, _ in changes.edits.unfolded() if path)
                if published is not None:
                    cache.set_newest(published.id)
            cache.drop_journal()

    def _reload(
        self, cache: StatCache, target: CommitId, candidates: dict[Path, Entry | None], local: LocalChanges
    ) -> Reloaded:
        base = cache.base
        # Without rows there is nothing to settle but modes: the whole is done again.
        notes = JournalWriter(cache.write_journal, reload_journal(target) if base is not None else look_journal())
        root_mode = self._root_mode.wanted(base, target, local)

        with StagingAreas(self._root) as areas, TemporaryAccess(self._root, notes.note_modes) as access:
            access.allow(path[:-1] for path in candidates)
            steps, refused = without_refused(self._planner(cache, access, local).plan(candidates), areas.submounts)
            note = notes.note_pending if base is not None else lambda waiting: None
            reload = PlanExecution(self._root, self._entry_writer, target, areas, access, note)
            reload.run(steps)
            self._trust(reload)
            # Each was what the plan saw, so the store has it. They go before the journal, that none stays behind.
            areas.empty_outgoing()
            inside = KnownSubmounts(self._root, cache)  # by the rows from before
            with cache.transaction():
                cache.put(reload.rows)
                cache.set_base(target)
                cache.set_divergent(reload.kept | reload.absent)
                inside.keep(inside.gone if local is not LocalChanges.DISCARD else ())
                cache.set_left_out([*reload.left_out.values(), *refused])
                self._root_mode.take(cache, root_mode, local)
                cache.drop_journal()
        quiet = (Action.NOTHING, Action.KEEP, Action.ADOPT)
        written = sum(step.action not in quiet and step.path not in reload.kept for step in steps)
        kept = {path for path in reload.kept if not reload.is_left_out(path) and not areas.submounts.is_read_only(path)}
        return Reloaded(target, written, base != target, tuple(sorted(kept)), cache.left_out())

    def _trust(self, reload: PlanExecution) -> None:
        """Make the rows of what was just written ones to be trusted, if reading it again would cost more."""
        if reload.bytes_written >= 16 << 20:
            self._clock.sleep(TICK_SECONDS)
        now = self._session.probe()
        for names in reload.rows.values():
            for name, row in names.items():
                if row is not None and not trusted(row.stat.ctime_ns, now):
                    names[name] = Row(untrusted(row.stat), row.entry)

    def _add_local_changes(self, cache: StatCache, candidates: dict[Path, Entry | None], target: CommitId) -> None:
        with self._looking(cache) as access:
            scan = Scanner(self._root, cache.directories(), access=access).run()
        changed = [(*directory, name) for directory, names in scan.changed.items() for name, _ in names]
        for path in [*changed, *scan.removed]:
            candidates[path] = self._scope.entry(target, path)
        new = [path for path in changed if path in scan.directories and cache.row(path) is None]
        for directory in new:  # all of a new directory is local: what is in it was listed as changed
            candidates.setdefault(directory, None)

    def _recover(self, cache: StatCache) -> None:
        def planner(access: TemporaryAccess) -> Planner:
            return self._planner(cache, access)

        recover(cache, self.repository, self._scope, self._root, planner, self._check_history)


def _rows(cache: StatCache) -> dict[Path, Row]:
    return {(*at, name): row for at, packed in cache.directories().items() for name, row in packed.items()}
