"""Root: the directory that is a mount, marked as one by what is in its ``.vgit``."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.errors import NotMountedError
from vgit.localfs.root_directory import RootDirectory, remove_entry
from vgit.paths import MOUNT_FILE, STATE_NAME, Path, printable

_TRIES = 5


class MountRoot(RootDirectory):
    """A mount's root, open by its descriptor. ``marker`` is the file in ``.vgit`` that says what the directory is."""

    def __init__(self, path: str, marker: str = MOUNT_FILE) -> None:
        self.marker = marker
        try:
            super().__init__(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            shown = printable(os.path.abspath(path))
            raise NotMountedError(f"{shown} is not a directory: {error.strerror}.") from error

    def check_unmoved(self) -> None:
        """Raise NotMountedError unless ``path`` still leads to this directory and it is marked as a mount.

        A directory that was removed and made again fails: our descriptor keeps the old inode number in use.
        """
        try:
            found = os.stat(self.path)
            marker = os.stat(STATE_NAME, dir_fd=self.fd, follow_symlinks=False)
            os.stat(f"{STATE_NAME}/{self.marker}", dir_fd=self.fd, follow_symlinks=False)
        except OSError as error:
            raise self._gone(error.strerror or "it cannot be read") from error
        if not os.path.samestat(found, os.fstat(self.fd)):
            raise self._gone("another directory stands there now")
        if not stat.S_ISDIR(marker.st_mode):
            raise self._gone(f"its {STATE_NAME} is not a directory")

    def is_mount(self, path: Path) -> bool:
        """Return whether the directory ``path`` is marked as a mount, as one that was moved in here is."""
        try:
            if not stat.S_ISDIR(self.lstat((*path, STATE_NAME)).st_mode):
                return False
        except OSError:
            return False
        try:
            return self.exists((*path, STATE_NAME, MOUNT_FILE))
        except PermissionError:
            return True  # another user's

    def mark_as(self, marker: str) -> None:
        """Say from now on that this directory is a mount no more, and how far its end is; durable on return."""
        with self.opened((STATE_NAME,)) as state:
            os.rename(self.marker, marker, src_dir_fd=state, dst_dir_fd=state)
            os.fsync(state)
        self.marker = marker

    def remove_state(self) -> None:
        """Remove ``.vgit``, its mark last. Another one that stands there by now is left: a descriptor leads to ours."""
        state = self.open_directory((STATE_NAME,))
        try:
            for _ in range(_TRIES):
                for name in sorted(os.listdir(state), key=self.marker.__eq__):
                    remove_entry(state, name)
                try:
                    os.rmdir(STATE_NAME, dir_fd=self.fd)
                except OSError as error:
                    if error.errno != errno.ENOTEMPTY:
                        raise
                    continue  # who waited for its lock made the file again
                return
        except FileNotFoundError:
            pass
        finally:
            os.close(state)

    @contextmanager
    def area(self, name: str) -> Iterator[int]:
        """Give a descriptor of the staging area ``.vgit/name``; made again if somebody tidied it away."""
        try:
            with self.opened((STATE_NAME,)) as state:
                os.mkdir(name, 0o700, dir_fd=state)
        except FileExistsError:
            pass
        with self.opened((STATE_NAME, name)) as descriptor:
            yield descriptor

    def _gone(self, reason: str) -> NotMountedError:
        path = printable(self.path)
        return NotMountedError(f"The mount at {path} is gone: {reason}. Mount the volume again.")
