"""File metadata: mode and mtime of a file whose content stays, set in place unless it was changed since the plan."""

import os
import stat

from vgit.localfs.file_stat import Stat, same_but_ctime, to_stat
from vgit.localfs.fsync import FsyncSet
from vgit.tree.entry import Entry


def set_metadata(
    parent: int, name: str, target: Entry, permissions: int, planned: Stat, unsynced: FsyncSet
) -> Stat | None:
    """Set what ``target`` says, to be synced with ``unsynced``; return the new stat.

    None, and nothing is changed, if the file was written, or given another name, since the plan: mode and time belong
    to all its names.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found = os.fstat(descriptor)
        if not same_but_ctime(to_stat(found), planned) or found.st_nlink > 1:
            return None
        if not stat.S_ISLNK(target.mode):
            os.chmod(f"/proc/self/fd/{descriptor}", permissions)
            os.utime(f"/proc/self/fd/{descriptor}", ns=(target.mtime_ns, target.mtime_ns))
        else:
            os.utime(name, ns=(target.mtime_ns, target.mtime_ns), dir_fd=parent, follow_symlinks=False)
        now = to_stat(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    # The row must not be there before what it says: after a power loss the old mode would look like ours.
    if stat.S_ISREG(now.mode):
        unsynced.add_file(parent, name)
    else:
        unsynced.add_file_system(parent)
    return now
