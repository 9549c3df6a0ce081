"""Checkout: a whole tree into a directory that nobody has seen yet.

Files are written in place, in path order, which is the order of their blobs in
the packs. If it is cut off the mount has no base, and it is simply done again.
Directory modes and mtimes come last, bottom-up, so that a directory without
``w`` can be filled first.
"""

import os

from vgit.cancel import checkpoint
from vgit.errors import InvalidError
from vgit.ids import CommitId, TreeId
from vgit.mount.layout import STATE_DIRECTORY
from vgit.mount.place import Placer, naming
from vgit.mount.root import RootDirectory, open_directory_at
from vgit.mount.rows import Row
from vgit.mount.scan import to_stat
from vgit.paths import ROOT, Path
from vgit.repository import Repository
from vgit.tree.entry import Entry, Kind

Rows = dict[Path, dict[str, Row]]


class Checkout:
    """One checkout: where it writes, and the rows of what it wrote."""

    def __init__(self, repository: Repository, root: RootDirectory, placer: Placer) -> None:
        self._repository = repository
        self._root = root
        self._placer = placer
        self._made: list[tuple[Path, Entry]] = []
        self.rows: Rows = {}

    def run(self, revision: CommitId, tree: TreeId) -> None:
        """Write the tree. Not durable before the caller's ``syncfs``."""
        waiting: list[tuple[Path, TreeId]] = [(ROOT, tree)]
        while waiting:
            path, tree = waiting.pop()
            below = self._fill(path, tree, revision)
            waiting += reversed(below)
        self._finish_directories()

    def _fill(self, path: Path, tree: TreeId, revision: CommitId) -> list[tuple[Path, TreeId]]:
        """Write what one directory holds; return the directories in it, which exist and are empty."""
        below: list[tuple[Path, TreeId]] = []
        rows = self.rows.setdefault(path, {})
        descriptor = self._root.open_directory(path)
        try:
            for name, entry in self._repository.directories.read(tree).entries.items():
                checkpoint()
                if not path and name == STATE_DIRECTORY:
                    raise InvalidError(
                        f"the volume has an entry {name} where the mount has its own. Remove it"
                        " from the volume (with git, `vgit rm`, or by restoring an older state)."
                    )
                if entry.kind is Kind.GITLINK:
                    continue
                with naming((*path, name), revision):
                    if entry.is_directory:
                        assert entry.id is not None
                        self._make_directory(descriptor, name)
                        below.append(((*path, name), TreeId(entry.id)))
                        self._made.append(((*path, name), entry))
                    else:
                        rows[name] = self._place(descriptor, name, entry)
        finally:
            os.close(descriptor)
        return below

    def _place(self, descriptor: int, name: str, entry: Entry) -> Row:
        try:
            return self._placer.place(descriptor, name, entry)
        except FileExistsError:  # a checkout that was cut off made it: nobody has seen it, so it goes
            os.unlink(name, dir_fd=descriptor)
            return self._placer.place(descriptor, name, entry)

    def _make_directory(self, descriptor: int, name: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=descriptor)
        except FileExistsError:  # as above
            own = open_directory_at(descriptor, name)
            try:
                os.fchmod(own, 0o700)
            finally:
                os.close(own)

    def _finish_directories(self) -> None:
        for path, entry in reversed(self._made):
            descriptor = self._root.open_directory(path)
            try:
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                os.fchmod(descriptor, self._placer.permissions(entry.mode))
                now = to_stat(os.fstat(descriptor))
            finally:
                os.close(descriptor)
            self.rows[path[:-1]][path[-1]] = Row(now, entry._replace(id=None))
