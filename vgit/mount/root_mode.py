"""Root mode: the mode of a mount's root, which is that of the volume's only if somebody set it.

A mount's root is a directory that somebody made before there was a mount, for
himself alone perhaps. So it keeps its mode, and that is not published, until
somebody changes the mode of a mount's root and commits. From then on the volume
has a mode for its root, and every mount gets it.
"""

import os
import stat

from vgit.errors import CorruptObjectError
from vgit.files.entry_writer import EntryWriter
from vgit.ids import CommitId
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.policy import LocalChanges
from vgit.mount.scope import Scope
from vgit.mount.stat_cache import StatCache
from vgit.paths import ROOT
from vgit.repository.ancestry import first_parents
from vgit.repository.repository import Repository
from vgit.tree.edits import Edits
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, Entry, directory_entry

_NEEDED = stat.S_IRUSR | stat.S_IXUSR  # without them vgit, and whoever works there, does not find what is in a mount


class RootMode:
    """Takes over the mode that a volume has for a mount's root, and tells what the mount has for it."""

    def __init__(
        self, root: RootDirectory, scope: Scope, repository: Repository, entry_writer: EntryWriter, *, read_only: bool
    ) -> None:
        self._root = root
        self._scope = scope
        self._repository = repository
        self._entry_writer = entry_writer
        self._read_only = read_only

    def at_first(self, revision: CommitId) -> int | None:
        """Return the mode that a directory gets when it becomes a mount; None: it keeps its own."""
        recorded = self._scope.root_mode(revision)
        if recorded != DEFAULT_DIRECTORY_MODE or stat.S_IMODE(os.fstat(self._root.fd).st_mode) == stat.S_IMODE(
            recorded
        ):
            return recorded
        # Every directory of a volume has a mode: of one that is nothing special nobody can tell whether it was set.
        return None if self._scope.path or self._has_always_had_one(revision) else recorded

    def wanted(self, base: CommitId | None, target: CommitId, local: LocalChanges) -> int | None:
        """Return the mode that a mount at ``base`` gets when it comes to ``target``; None: it keeps its own."""
        if base is None:
            return self.at_first(target)
        before, after = self._scope.root_mode(base), self._scope.root_mode(target)
        if after == before and local is LocalChanges.DISCARD:  # a change of ours may have kept it away before
            return self.at_first(target)
        return after if after != before else None

    def take(self, cache: StatCache, wanted: int | None, local: LocalChanges = LocalChanges.KEEP) -> None:
        """Give the root the mode ``wanted`` unless it was changed here; what it has then was seen."""
        seen, now = cache.root_mode, os.fstat(self._root.fd).st_mode
        if seen is not None and seen != now:
            if local is not LocalChanges.DISCARD:
                return  # a local change, to be published
            wanted = wanted if wanted is not None else seen
        if self._read_only:
            if seen is not None:
                self._set(stat.S_IMODE(seen), stat.S_IMODE(now))  # its own, whatever the volume has
        elif wanted is not None:
            self._set(self._entry_writer.permissions(wanted) | _NEEDED, stat.S_IMODE(now))
        cache.set_root_mode(os.fstat(self._root.fd).st_mode)

    def to_publish(self, edits: Edits, now: int, base: CommitId) -> Entry:
        """Return the root as a directory of the volume, should the commit have to make one; ``now`` is its mode."""
        recorded = now if ROOT in edits else self._scope.root_mode(base)
        return directory_entry(recorded or DEFAULT_DIRECTORY_MODE, os.fstat(self._root.fd).st_mtime_ns)

    def commit(self, cache: StatCache, edits: Edits, now: int, head: CommitId) -> None:
        """Take the root's mode ``now`` for published; if ``head`` has no directory to have it, a later commit does."""
        if ROOT not in edits or self._scope.tree(head) is not None:
            cache.set_root_mode(now)

    def _set(self, wanted: int, now: int) -> None:
        if wanted == now:
            return
        try:
            os.fchmod(self._root.fd, wanted)
        except PermissionError:
            return  # somebody else's directory
        os.fsync(self._root.fd)

    def _has_always_had_one(self, revision: CommitId) -> bool:
        """Whether the volume was made by a vgit that gave each root the default mode, though nobody had set it."""
        try:
            *_, (_, first) = first_parents(self._repository, revision)
            return self._repository.root(first.tree).mode is not None
        except CorruptObjectError:  # a history that was cut
            return True
