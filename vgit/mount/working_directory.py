"""Working directory: one mount, bound to a volume; scan, commit, reload and status in their fixed order.

Every operation holds the mount's lock, makes sure that the directory is still
the mount it was, and first settles what an operation that was cut off left.
What a commit does, and why in this order, is in docs/concurrency.md.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from vgit.backend.forks import start_afresh_after_fork
from vgit.clock import Clock
from vgit.errors import LockedError, NotMountedError, ReadOnlyError
from vgit.ids import CommitId, TreeId
from vgit.mount.changes import ChangeReader, Changes, Keeper, Unstable
from vgit.mount.checkout import Checkout
from vgit.mount.filesystem_clock import Probe, probe, trusted
from vgit.mount.keep import HashKeeper, PackKeeper
from vgit.mount.layout import (
    DATABASE_FILE,
    DISPLACED,
    LOCK_FILE,
    OWNER_FILE,
    STATE_DIRECTORY,
    TEMPORARY,
    MountRecord,
)
from vgit.mount.locks import FileLock
from vgit.mount.open_files import check_no_open_files, shared_writable_maps
from vgit.mount.place import Placer
from vgit.mount.plan import Action, Local, Planner, Step
from vgit.mount.recover import (
    commit_journal,
    decode_journal,
    reload_candidates,
    reload_journal,
    settle_commit,
    settle_reload,
    still_divergent,
)
from vgit.mount.reload import Reload, Waiting
from vgit.mount.results import Committed, Reloaded, Status
from vgit.mount.root import RootDirectory
from vgit.mount.rows import Row, untrusted
from vgit.mount.scan import Scan, Scanner
from vgit.mount.stat_cache import StatCache
from vgit.mount.store_check import check_base, check_published
from vgit.mount.syscalls import is_network_file_system, syncfs
from vgit.paths import ROOT, Path
from vgit.repository import Proposal, Published, Repository
from vgit.tree.entry import Entry
from vgit.tree.lookup import find_entry

_LOCK_SECONDS = 600.0  # another thread's or process's commit may have many GB to write
_TICK_SECONDS = 0.03  # longer than the margin within which a row is not trusted


_parents: list[StatCache] = []  # handles that a forked child inherited, never to be used and never to be closed


class WorkingDirectory:
    """One mount, open. A context manager; threads take turns; a forked child opens its own state."""

    def __init__(self, path: str, record: MountRecord, repository: Repository, clock: Clock) -> None:
        self.record = record
        self.repository = repository
        self._clock = clock
        self._turn = threading.RLock()
        self._root = RootDirectory(path)
        self._cache: StatCache | None = None
        start_afresh_after_fork(self)
        self._placer = Placer(repository.objects, read_only=record.read_only)
        self._owner = FileLock(
            self._state(OWNER_FILE), f"{self._root.path} is mounted by a running program already", clock=clock
        )

    def __enter__(self) -> "WorkingDirectory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The mount's root, absolute."""
        return self._root.path

    def close(self) -> None:
        """Let go of the directory; what is not committed stays in it as it is."""
        self._owner.release()
        if self._cache is not None:
            self._cache.close()
        self._cache = None
        self._root.close()

    def own(self) -> None:
        """Hold the mount for this program until ``close``; LockedError if another has it."""
        if not self._owner.try_acquire(note=f"pid {os.getpid()}"):
            raise LockedError(
                f"{self.path} is already mounted by a running program ({self._owner.read_note() or 'unknown'})."
                " Mount the volume at another directory, or end that program."
            )

    @property
    def base(self) -> CommitId | None:
        """The commit last reloaded from; None before the first checkout is done."""
        with self._operation() as cache:
            return cache.base

    def check_out(self, revision: CommitId) -> None:
        """Fill a directory that is new to this mount with ``revision``; done again if it was cut off."""
        with self._operation() as cache:
            checkout = Checkout(self.repository, self._root, self._placer)
            root_mode = checkout.run(revision, self.repository.commit(revision).tree)
            syncfs(self._root.fd)
            self._clock.sleep(_TICK_SECONDS)  # so that the rows of what was just written can be trusted
            before = self._probe().trusted_before_ns
            with cache.transaction():
                for directory, rows in checkout.rows.items():
                    for name, row in rows.items():
                        if row.stat[3] >= before:
                            rows[name] = Row(untrusted(row.stat), row.entry)
                    cache.replace(directory, rows)
                self._take_root_mode(cache, root_mode)
                cache.set_base(revision)

    def adopt(self, revision: CommitId) -> Reloaded:
        """Bind a directory that has files already: equal ones are clean, others local changes nobody has seen."""
        with self._operation() as cache:
            tree = self.repository.commit(revision).tree
            candidates: dict[Path, Entry | None] = {}
            waiting = [(ROOT, tree)]
            while waiting:
                path, directory = waiting.pop()
                for name, entry in self.repository.directories.read(directory).entries.items():
                    candidates[(*path, name)] = entry
                    if entry.is_directory and entry.id is not None:
                        waiting.append(((*path, name), TreeId(entry.id)))
            return self._reload(cache, revision, candidates, Local.ADOPT)

    def status(self) -> Status:
        """Compare the working directory with what was seen; reads files whose stat differs, writes none."""
        with self._operation() as cache:
            base = self._base(cache)
            scan, changes = self._read_changes(cache, HashKeeper(self.repository.format), Unstable.STORE)
            self._settle_rows(cache, changes)
            return Status(
                changes.edits, base, self.repository.head(), tuple(changes.problems), tuple(scan.skipped.items())
            )

    def commit(self, author: str, message: str | None = None, when_unstable: Unstable = Unstable.STORE) -> Committed:
        """Publish what this directory has that was not seen; ReadOnlyError for a read-only mount."""
        if self.record.read_only:
            raise ReadOnlyError(f"{self.path} is a read-only mount of {self.record.volume_name}; it cannot commit.")
        with self._operation() as cache:
            base = self._base(cache)
            with self.repository.objects.writer() as writer:
                keeper = PackKeeper(self.repository.objects, writer)
                scan, changes = self._read_changes(cache, keeper, when_unstable)
                published = None
                if changes.edits:
                    txn = self._clock.random_bytes(16).hex()
                    cache.write_journal(commit_journal(txn, base, changes.root_mode), changes.rows)
                    proposal = Proposal(changes.edits, author, txn, message, base, tuple(changes.unstable))
                    published = self.repository.publish(proposal, writer)
            self._finish_commit(cache, base, changes, published)
            return Committed(published, tuple(changes.unstable), tuple(changes.problems), tuple(scan.skipped.items()))

    def reload(self, local: Local = Local.KEEP) -> Reloaded:
        """Bring in what others published; local changes stay, or are given up."""
        with self._operation() as cache:
            base = self._base(cache)
            target = self.repository.head() if self.record.at is None else base
            divergent = cache.divergent()
            candidates = reload_candidates(self.repository, base, target, divergent)
            if local is Local.DISCARD:
                self._add_local_changes(cache, candidates, target)
            elif not candidates and base == target:
                return Reloaded(base, 0, moved=False, kept=())
            return self._reload(cache, target, candidates, local)

    def check_open_files(self) -> None:
        """Raise FilesOpenError if a process has files of the mount open or mapped, or works inside it."""
        with self._operation():  # another vgit that reads files here for a commit is no reason to refuse
            check_no_open_files(self.path, own={self._root.fd})

    def unmount(self, *, remove_files: bool) -> bool:
        """Make this no mount any more; say whether its files are gone, which needs that none has a local change.

        The mark goes first: whatever cuts this off, no commit can take what is missing for removed.
        """
        with self._operation() as cache:
            steps = self._removals(cache) if remove_files else None
            self._root.unmark()
            if steps is None:
                return False
            with self._areas() as areas:
                reload = Reload(self._root, self._placer, self._base(cache), areas, lambda waiting: None)
                reload.run(steps)
            return not reload.kept

    def _removals(self, cache: StatCache) -> list[Step] | None:
        """Return the steps that take all files away, None if one has a change that is not published."""
        _, changes = self._read_changes(cache, HashKeeper(self.repository.format), Unstable.STORE)
        if cache.base is None or changes.edits or changes.problems:
            return None
        rows = {(*at, name): row for at, packed in cache.directories().items() for name, row in packed.items()}
        check_published(self.repository, cache.base, (row.entry for row in rows.values()))
        return Planner(self._root, cache, self._reader(cache)).plan(dict.fromkeys(rows))

    def _base(self, cache: StatCache) -> CommitId:
        base = cache.base
        if base is None:
            raise NotMountedError(
                f"the first checkout of {self.path} was cut off, so that it cannot tell what is missing from what was"
                " removed. Mount the volume there again: that finishes it."
            )
        check_base(self.repository, base)
        return base

    def _read_changes(self, cache: StatCache, keeper: Keeper, when_unstable: Unstable) -> tuple[Scan, Changes]:
        now = self._probe()  # before the look at the maps: one that ends in between has dated its file by now
        mapped = frozenset(inode for _, inode in shared_writable_maps(self.path))
        scan = Scanner(self._root, cache.directories(), mapped).run()
        reader = ChangeReader(self._root, cache.directories(), keeper, now, when_unstable, self._later_probe, mapped)
        return scan, reader.read(scan, cache.root_mode)

    def _reader(self, cache: StatCache) -> ChangeReader:
        keeper = HashKeeper(self.repository.format)
        return ChangeReader(self._root, {}, keeper, self._probe(), Unstable.STORE, self._later_probe)

    def _settle_rows(self, cache: StatCache, changes: Changes) -> None:
        """Keep rows that were read again and are what was seen, so that the next scan need not read them."""
        rows = {
            directory: {name: row for name, row in names.items() if (*directory, name) not in changes.edits}
            for directory, names in changes.rows.items()
        }
        rows = {directory: names for directory, names in rows.items() if names}
        if rows:
            with cache.transaction():
                cache.put(rows)

    def _finish_commit(self, cache: StatCache, base: CommitId, changes: Changes, published: Published | None) -> None:
        """Step 5: rows, seen, base and divergent in one transaction; it drops the journal."""
        if not any(changes.rows.values()) and not changes.edits:
            return
        with cache.transaction():
            cache.put(changes.rows)
            cache.set_root_mode(changes.root_mode)
            if published is not None and published.parent.tree == self.repository.commit(base).tree:
                cache.set_base(published.id)
                cache.set_divergent(
                    still_divergent(self.repository, cache.divergent(), changes.edits, published.commit.tree)
                )
            elif changes.edits:
                cache.add_divergent(path for path in changes.edits if path)
            cache.drop_journal()

    def _reload(
        self, cache: StatCache, target: CommitId, candidates: dict[Path, Entry | None], local: Local
    ) -> Reloaded:
        base = cache.base
        steps = Planner(self._root, cache, self._reader(cache), local).plan(candidates)

        def note(waiting: list[Waiting]) -> None:
            if base is not None:  # without rows there is nothing to settle: the whole is done again
                cache.write_journal(reload_journal(target, waiting))

        with self._areas() as (temporary_fd, displaced_fd):
            reload = Reload(self._root, self._placer, target, (temporary_fd, displaced_fd), note)
            reload.run(steps)
            self._trust(reload)
            # Each was what the plan saw, so the store has it. They go before the journal, that none stays behind.
            for name in os.listdir(displaced_fd):
                os.unlink(name, dir_fd=displaced_fd)
            with cache.transaction():
                cache.put(reload.rows)
                cache.set_base(target)
                cache.set_divergent(reload.kept | reload.absent)
                self._take_root_mode(cache, self.repository.root(self.repository.commit(target).tree).mode, local)
                cache.drop_journal()
        quiet = (Action.NOTHING, Action.KEEP, Action.ADOPT)
        written = sum(step.action not in quiet and step.path not in reload.kept for step in steps)
        return Reloaded(target, written, base != target, tuple(sorted(reload.kept)))

    def _trust(self, reload: Reload) -> None:
        """Make the rows of what was just written ones to be trusted, if reading it again would cost more."""
        if reload.bytes_written >= 16 << 20:
            self._clock.sleep(_TICK_SECONDS)
        now = self._probe()
        for names in reload.rows.values():
            for name, row in names.items():
                if row is not None and not trusted(row.stat[3], now):
                    names[name] = Row(untrusted(row.stat), row.entry)

    def _add_local_changes(self, cache: StatCache, candidates: dict[Path, Entry | None], target: CommitId) -> None:
        scan = Scanner(self._root, cache.directories()).run()
        tree = self.repository.commit(target).tree
        changed = [(*directory, name) for directory, names in scan.changed.items() for name, _ in names]
        for path in [*changed, *scan.removed]:
            candidates[path] = find_entry(self.repository.directories, tree, path)
        new = [path for path in changed if path in scan.directories and cache.row(path) is None]
        for directory in new:  # all of a new directory is local: what is in it was listed as changed
            candidates.setdefault(directory, None)

    def _take_root_mode(self, cache: StatCache, recorded: int | None, local: Local = Local.DISCARD) -> None:
        """Give the mount's root the recorded mode, unless it was changed here; what it has then was seen."""
        seen = cache.root_mode
        if local is not Local.DISCARD and seen is not None and seen != os.fstat(self._root.fd).st_mode:
            return  # a local change, to be published
        if recorded is not None and not self.record.read_only:
            os.fchmod(self._root.fd, self._placer.permissions(recorded))
            os.fsync(self._root.fd)
        cache.set_root_mode(os.fstat(self._root.fd).st_mode)

    @contextmanager
    def _operation(self) -> Iterator[StatCache]:
        """Hold the mount's lock, on a directory that is still the mount, with nothing left half done."""
        with self._turn:
            self._root.check_unmoved()
            lock = FileLock(
                self._state(LOCK_FILE), f"another program is committing or reloading {self.path}", clock=self._clock
            )
            with self._hold(lock):
                self._root.check_unmoved()  # it may have been unmounted while we waited
                cache = self._open_cache()
                cache.refresh()
                self._recover(cache)
                yield cache

    @contextmanager
    def _hold(self, lock: FileLock) -> Iterator[None]:
        try:
            lock.acquire(_LOCK_SECONDS, note=f"pid {os.getpid()}")
        except FileNotFoundError:
            self._root.check_unmoved()
            raise
        try:
            yield
        finally:
            lock.release()

    def after_fork(self) -> None:
        """Leave the parent what is its own: a lock that a thread of it may hold, and its database handle."""
        self._turn = threading.RLock()
        if self._cache is not None:
            _parents.append(self._cache)  # closing it would drop the parent's locks on the file
            self._cache = None

    def _open_cache(self) -> StatCache:
        if self._cache is None:
            self._cache = StatCache(
                self._state(DATABASE_FILE),
                self.repository.format,
                network=is_network_file_system(self._root.fd),
            )
        return self._cache

    def _recover(self, cache: StatCache) -> None:
        data = cache.journal
        if data is None:
            return
        journal = decode_journal(data)
        if journal.txn:
            settle_commit(cache, self.repository, journal)
        else:
            planner = Planner(self._root, cache, self._reader(cache))
            settle_reload(cache, self.repository, planner, self._root, journal)

    @contextmanager
    def _areas(self) -> Iterator[tuple[int, int]]:
        """Open the places beside; what an earlier run left there is gone by now or not needed."""
        with ExitStack() as stack:
            descriptors = []
            for area in (TEMPORARY, DISPLACED):
                descriptor = self._root.open_directory((STATE_DIRECTORY, area))
                stack.callback(os.close, descriptor)
                for name in os.listdir(descriptor):
                    os.unlink(name, dir_fd=descriptor)
                descriptors.append(descriptor)
            yield descriptors[0], descriptors[1]

    def _probe(self) -> Probe:
        descriptor = self._root.open_directory((STATE_DIRECTORY,))
        try:
            return probe(descriptor)
        finally:
            os.close(descriptor)

    def _later_probe(self) -> Probe:
        self._clock.sleep(_TICK_SECONDS)
        return self._probe()

    def _state(self, name: str) -> str:
        return os.path.join(self._root.path, STATE_DIRECTORY, name)
