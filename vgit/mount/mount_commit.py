"""Mount commit: what a mount has that was not seen becomes a commit of its volume.

What is done when, and why in this order, is in docs/concurrency.md.
"""

from typing import NamedTuple

from vgit.clock import Clock
from vgit.files.content_sink import PackSink
from vgit.files.left_out import Omitted
from vgit.ids import CommitId
from vgit.mount.changes import Changes
from vgit.mount.divergence import still_divergent
from vgit.mount.inspection import Inspector
from vgit.mount.journal import commit_journal
from vgit.mount.policy import UnstableFiles
from vgit.mount.root_mode import RootMode
from vgit.mount.scope import Scope
from vgit.mount.stat_cache import StatCache
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import Path
from vgit.repository.commit import new_transaction
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.runtime.side_thread import SideThread


class Committed(NamedTuple):
    """What a commit of a mount did."""

    published: Published | None  # None: there was nothing to publish
    unstable: tuple[Path, ...] = ()
    left_out: tuple[Omitted, ...] = ()
    held_back: tuple[Path, ...] = ()  # in the background: what was being written, and stays at its published version


class MountCommit:
    """Commits of one mount, whose lock the caller holds."""

    def __init__(
        self, repository: Repository, inspector: Inspector, scope: Scope, root_mode: RootMode, clock: Clock
    ) -> None:
        self._repository = repository
        self._inspector = inspector
        self._scope = scope
        self._root_mode = root_mode
        self._clock = clock

    def run(
        self, cache: StatCache, base: CommitId, author: str, message: str | None, when_unstable: UnstableFiles
    ) -> Committed:
        """Read what changed, publish it, and set rows, base and divergent paths."""
        with self._repository.writer() as writer:
            sink = PackSink(self._repository.objects, writer)
            changes = self._inspector.read_changes(cache, sink, when_unstable)
            published = self._publish(cache, base, changes, author, message, writer) if changes.edits else None
        if published is None:
            self._finish(cache, base, changes, published)
        else:
            with published.after.step("settling the mount's state, which the next command does,"):
                self._finish(cache, base, changes, published)
        return Committed(published, tuple(changes.unstable), tuple(changes.left_out), tuple(changes.held_back))

    def _publish(
        self,
        cache: StatCache,
        base: CommitId,
        changes: Changes,
        author: str,
        message: str | None,
        writer: ObjectWriter,
    ) -> Published | None:
        """Publish the changes; the journal is durable before the ref is swapped."""
        txn = new_transaction(self._clock)
        journal = commit_journal(txn, base, changes.root_mode)
        with SideThread(lambda: cache.write_journal(journal, changes.rows, changes.new_rows)) as noted:
            root = self._root_mode.to_publish(changes.edits, changes.root_mode, base)
            edits = self._scope.to_volume(changes.edits, root)
            unstable = self._scope.paths_in_volume(changes.unstable)
            proposal = Proposal(edits, author, txn, message, base, unstable, before_swap=noted.wait)
            published = publish(self._repository, proposal, writer)
            noted.wait()  # if nothing was to be published, it has not been asked for
        return published

    def _finish(self, cache: StatCache, base: CommitId, changes: Changes, published: Published | None) -> None:
        """Set rows, what was seen, base and divergent paths in one transaction; it drops the journal."""
        if not any(changes.rows.values()) and not changes.edits:
            return
        # After a power loss that takes this the journal has set the rows, and head has the transaction; or nothing
        # was to be published, and the files are read again.
        with cache.transaction(repeatable=published is not None or not changes.edits):
            if not changes.edits:  # else the journal has set them
                cache.put(changes.rows)
            head = published.id if published is not None else self._repository.head()
            self._root_mode.commit(cache, changes.edits, changes.root_mode, head)
            if published is not None and self._scope.follows(published.commit, base):
                cache.set_base(published.id)
                cache.set_divergent(still_divergent(self._scope, cache.divergent(), changes.edits, published.id))
            elif changes.edits:
                cache.add_divergent(path for path, _ in changes.edits.unfolded() if path)
                if published is not None:
                    cache.set_newest(published.id)
            cache.drop_journal()
