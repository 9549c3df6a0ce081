"""Take back: a first checkout that failed leaves the directory as it was, but for what others put there.

What goes is what the checkout wrote, as it wrote it: files whose stat is that of
their rows. Of parts that were cut off there are no rows, since a worker may have
been killed in the middle of one: there goes what is the beginning of what was to
be written. Directories that the checkout made go if nothing is left in them.
"""

import os
import stat

from vgit.errors import Error
from vgit.files.rows import PackedRows
from vgit.files.temporary_access import TemporaryAccess, no_note
from vgit.ids import TreeId
from vgit.localfs.file_stat import BareStat, Stat, to_stat
from vgit.localfs.root_directory import RootDirectory
from vgit.mount.checkout import Checkout
from vgit.mount.half_made import is_half_made
from vgit.paths import ROOT, STATE_NAME, Path
from vgit.repository.repository import Repository
from vgit.tree.entry import Entry


def take_back(root: RootDirectory, repository: Repository, checkout: Checkout) -> None:
    """Remove what ``checkout`` made. What cannot be removed stays: the error that led here says more."""
    _TakeBack(root, repository, checkout).run()


class _TakeBack:
    def __init__(self, root: RootDirectory, repository: Repository, checkout: Checkout) -> None:
        self._root = root
        self._repository = repository
        self._checkout = checkout
        self._cut_off: dict[Path, TreeId] = {part.path: part.tree for part in checkout.unfinished}

    def run(self) -> None:
        found = self._checkout.found
        paths = {ROOT, *self._checkout.rows, *self._cut_off, *self._checkout.made, *found}
        with TemporaryAccess(self._root, no_note) as access:
            try:
                access.allow(paths)
            except OSError:
                pass  # somebody else's by now
            for path in sorted(paths, key=len, reverse=True):
                try:
                    with self._root.opened(path) as descriptor:
                        self._clear(descriptor, path)
                except OSError:
                    continue
            for path in found:
                access.set_mode(path, stat.S_IMODE(found[path]))

    def _clear(self, descriptor: int, path: Path) -> None:
        packed = self._checkout.rows.get(path)
        rows = PackedRows(*packed, self._repository.format).by_name() if packed is not None else {}
        for name in os.listdir(descriptor):
            if not path and name == STATE_NAME:
                continue
            try:
                now = to_stat(os.stat(name, dir_fd=descriptor, follow_symlinks=False))
                if stat.S_ISDIR(now.mode):
                    if self._is_directory_of_ours((*path, name)):
                        os.rmdir(name, dir_fd=descriptor)
                elif self._is_file_of_ours(descriptor, (*path, name), now, rows.get(name)):
                    os.unlink(name, dir_fd=descriptor)
            except (OSError, Error):  # somebody's file is in it; it is gone; the store cannot say what it is
                continue

    def _is_directory_of_ours(self, path: Path) -> bool:
        if path in self._checkout.made or path in self._checkout.found:
            return path in self._checkout.made
        entry = self._cut_off_entry(path)
        return entry is not None and entry.is_directory

    def _is_file_of_ours(self, descriptor: int, path: Path, now: Stat, known: BareStat | None) -> bool:
        if known is not None:
            return now == known
        entry = self._cut_off_entry(path)
        return entry is not None and is_half_made(self._repository.objects, descriptor, path[-1], entry)

    def _cut_off_entry(self, path: Path) -> Entry | None:
        """Return what a part that was cut off may have made at ``path``."""
        tree = self._cut_off.get(path[:-1])
        return self._repository.directories.read(tree).entries.get(path[-1]) if tree is not None else None
