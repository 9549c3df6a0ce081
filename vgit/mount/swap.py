"""Swap: names given and taken in a mount, so that no local change can be lost.

What comes out of the mount is compared with what the plan saw there. If it is
anything else it was changed meanwhile: it goes back, as a local change. At any
moment a name is the old file or the new one, whole. What stands at the name when
a change is to go back is newer still, and stays: the change is called
``<name>.displaced-<n>`` then.
"""

import errno
import os
from itertools import count

from vgit.localfs.file_stat import Stat, same_but_ctime, to_stat
from vgit.localfs.file_systems import NAME_BYTES
from vgit.localfs.syscalls import exchange, rename_noreplace

# Somebody else's entry, or none, where one was planned; or another file system has been mounted there.
_IN_THE_WAY = (errno.EEXIST, errno.ENOENT, errno.EXDEV, errno.EBUSY)
_SUFFIX_ROOM = 20


class Swapper:
    """Knows what it has moved: a rename dates the other hard links of a file."""

    def __init__(self) -> None:
        self._moved: set[tuple[int, int]] = set()  # devices and inodes

    def displace(self, parent: int, name: str, planned: Stat, area: int, staged: str) -> bool:
        """Rename ``name`` to ``staged`` in ``area``; False if it was changed and stays."""
        if self._was_written(parent, name, planned):
            return False
        try:
            os.rename(name, staged, src_dir_fd=parent, dst_dir_fd=area)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EBUSY):
                raise
            return False
        if is_as_planned(area, staged, planned):
            return True
        put_back(area, staged, parent, name)
        return False

    def put_new(self, area: int, staged: str, parent: int, name: str) -> bool:
        """Give new content its name; False if something stands there."""
        try:
            rename_noreplace(area, staged, parent, name)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            os.unlink(staged, dir_fd=area)
            return False
        return True

    def put_over(self, area: int, staged: str, parent: int, name: str, planned: Stat) -> bool:
        """Put new content in the place of what was planned to be there; False if that was changed and stays."""
        try:
            written = self._was_written(parent, name, planned)
            if not written:
                exchange(area, staged, parent, name)
        except OSError as error:  # removed meanwhile: a local change too
            if error.errno not in _IN_THE_WAY:
                raise
            written = True
        if not written and not is_as_planned(area, staged, planned):
            exchange(area, staged, parent, name)
            written = True
        os.unlink(staged, dir_fd=area)
        return not written

    def _was_written(self, directory_fd: int, name: str, planned: Stat) -> bool:
        """Whether a file was written since the plan: a ctime tells also where the mtime was set back."""
        found = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        now, inode = to_stat(found), (found.st_dev, found.st_ino)
        if inode in self._moved:  # a hard link of what was displaced: its ctime moved with that
            now = now._replace(ctime_ns=planned.ctime_ns)
        self._moved.add(inode)
        return now != planned


def is_as_planned(directory_fd: int, name: str, planned: Stat | None) -> bool:
    """Whether what came out is what the plan saw there; a rename moves the ctime, so that does not count."""
    now = to_stat(os.stat(name, dir_fd=directory_fd, follow_symlinks=False))
    return planned is not None and same_but_ctime(now, planned)


def put_back(area_fd: int, staged: str, parent_fd: int, name: str) -> None:
    """Rename ``staged`` to ``name``, or to a free name made of it."""
    try:
        rename_noreplace(area_fd, staged, parent_fd, name)
    except FileExistsError:
        _put_at_free_name(area_fd, staged, parent_fd, name)


def _put_at_free_name(area_fd: int, staged: str, parent_fd: int, name: str) -> None:
    stem = name
    while len(stem.encode("utf-8", "surrogateescape")) > NAME_BYTES - _SUFFIX_ROOM:
        stem = stem[:-1]
    for number in count(1):
        try:
            rename_noreplace(area_fd, staged, parent_fd, f"{stem}.displaced-{number}")
        except FileExistsError:
            continue
        return
