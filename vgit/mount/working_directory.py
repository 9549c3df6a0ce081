"""Working directory: one mount, bound to a volume; each operation on it in its fixed order.

Every operation holds the mount's lock, makes sure that the directory is still
the mount it was, and first settles what an operation that was cut off left. A
commit is in ``mount_commit``, a reload in ``reload``, the way back in ``unmount``.
"""

import os
from typing import NamedTuple

from vgit.clock import Clock
from vgit.errors import ReadOnlyError
from vgit.files.entry_writer import EntryWriter
from vgit.files.left_out import Omitted
from vgit.ids import CommitId
from vgit.localfs.filesystem_clock import TICK_SECONDS
from vgit.localfs.syscalls import syncfs
from vgit.mount.changes import Changes
from vgit.mount.checkout import Checkout
from vgit.mount.divergence import reload_candidates
from vgit.mount.inspection import Inspector
from vgit.mount.layout import UNMOUNTED_FILE, MountRecord
from vgit.mount.mount_commit import Committed, MountCommit
from vgit.mount.open_files import check_no_open_files, this_and_its_ancestors
from vgit.mount.policy import LocalChanges, UnstableFiles
from vgit.mount.recovery import recover
from vgit.mount.reload import Reload, Reloaded
from vgit.mount.root_mode import RootMode
from vgit.mount.scope import Scope
from vgit.mount.session import Session, without_base
from vgit.mount.stat_cache import StatCache
from vgit.mount.store_check import StoreCheck
from vgit.mount.take_back import take_back
from vgit.mount.unmount import Unmount
from vgit.paths import MOUNT_FILE, ROOT, Path, parse_path
from vgit.repository.repository import Repository
from vgit.runtime.cancel import shield
from vgit.tree.edits import Edits
from vgit.tree.entry import Entry


class Status(NamedTuple):
    """What a mount has that is not published, and how far it is behind."""

    edits: Edits
    base: CommitId
    head: CommitId
    left_out: tuple[Omitted, ...]


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
        self._store_check = StoreCheck(repository, record, self._root.path)
        self._entry_writer = EntryWriter(repository.objects, read_only=record.read_only)
        self._root_mode = RootMode(self._root, self._scope, repository, self._entry_writer, read_only=record.read_only)
        self._inspector = Inspector(self._session, repository.format)
        self._commit = MountCommit(repository, self._inspector, self._scope, self._root_mode, clock)
        self._reload = Reload(self._session, self._inspector, self._scope, self._entry_writer, self._root_mode, clock)
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
        """Whether an unmount of it was cut off; then it can only be unmounted."""
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
            before = self._session.clock.probe().trusted_before_ns
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
            return self._reload.run(cache, revision, {**all_of_it}, LocalChanges.ADOPT)

    def status(self) -> Status:
        """Compare the working directory with what was seen; reads files whose stat differs, writes none."""
        with self._session.operation() as cache:
            base = self._base(cache)
            changes = self._inspector.changes(cache)
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
            return self._commit.run(cache, self._base(cache), author, message, when_unstable)

    def reload(self, local: LocalChanges = LocalChanges.KEEP) -> Reloaded:
        """Bring in what others published; local changes stay, or are given up."""
        with self._session.operation() as cache:
            base, target, candidates = self._behind(cache)
            if local is LocalChanges.DISCARD:
                self._reload.add_local_changes(cache, candidates, target)
            elif not candidates and base == target:
                return Reloaded(base, 0, moved=False, kept=())
            return self._reload.run(cache, target, candidates, local)

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
            return self._reload.run(cache, target, candidates, LocalChanges.KEEP)

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
            unmount = self._unmount(cache)
            return unmount.run(unmount.clean_files(self._base) if remove_files else None)

    def finish_unmount(self, *, remove_files: bool) -> bool:
        """Do what an unmount that was cut off has left to do; say whether all files are gone."""
        with self._session.unsettled() as cache:
            unmount = self._unmount(cache)
            return unmount.run(unmount.files_to_go() if remove_files else None)

    def _unmount(self, cache: StatCache) -> Unmount:
        return Unmount(self.repository, self.record, self._session, self._inspector, self._entry_writer, cache)

    def _base(self, cache: StatCache) -> CommitId:
        base = cache.base
        if base is None:
            raise without_base(self._root)
        self._store_check.check(cache.newest or base)
        return base

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

    def _recover(self, cache: StatCache) -> None:
        check = self._store_check.check
        recover(cache, self.repository, self._scope, self._root, self._inspector, check)
