"""Staging cleanup: empty the staging areas of an operation that was cut off, and lose no local change.

Unfinished new content goes, and so does old content that the store has. What
came out of the mount and is not what the plan saw was changed before it was
displaced: it goes back to its place.
"""

import os

from vgit.files.temporary_access import TemporaryAccess
from vgit.localfs.root_directory import remove_entry
from vgit.localfs.syscalls import EXCHANGE_SUFFIX, exchange
from vgit.mount.journal import Journal, PendingFile
from vgit.mount.layout import DISPLACED, TEMPORARY
from vgit.mount.root import MountRoot
from vgit.mount.staging_areas import found_area, point_of
from vgit.mount.swap import is_as_planned, put_back


def clean_up(root: MountRoot, journal: Journal | None, access: TemporaryAccess) -> list[PendingFile]:
    """Empty all staging areas; return what the journal says may have been in them."""
    pending = journal.pending_files() if journal is not None else []
    access.allow_if_possible([*(one.path[:-1] for one in pending), *(point_of(one.area) for one in pending)])
    known = {(one.area, one.name): one for one in pending}
    for area in dict.fromkeys((TEMPORARY, DISPLACED, *(one.area for one in pending))):
        _empty(root, area, known)
    return pending


def _empty(root: MountRoot, area: str, pending: dict[tuple[str, str], PendingFile]) -> None:
    with found_area(root, area) as area_fd:
        for name in os.listdir(area_fd) if area_fd is not None else ():
            assert area_fd is not None
            now = os.stat(name, dir_fd=area_fd, follow_symlinks=False)
            known = pending.get((area, name.removesuffix(EXCHANGE_SUFFIX)))
            if known is None or now.st_ino == known.inode or is_as_planned(area_fd, name, known.planned):
                remove_entry(area_fd, name)
            else:
                _return_change(root, area_fd, name, known)


def _return_change(root: MountRoot, area_fd: int, name: str, known: PendingFile) -> None:
    """Give a local change that was displaced its place again."""
    path = known.path
    try:
        with root.opened(path[:-1]) as parent:
            if known.inode and _inode(parent, path[-1]) == known.inode:
                exchange(area_fd, name, parent, path[-1])
                os.unlink(name, dir_fd=area_fd)
            else:
                put_back(area_fd, name, parent, path[-1])
    except (FileNotFoundError, NotADirectoryError):  # its directory is gone: it was a change in it all the same
        with root.opened(point_of(known.area)) as top:
            put_back(area_fd, name, top, path[-1])


def _inode(directory_fd: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0
