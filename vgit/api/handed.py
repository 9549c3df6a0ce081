"""Handed: mounts that another program made, taken up for one operation.

The command line works on those that `vgit mount` made. A program works, beside its
own, on those that ``vgit run`` **handed** to it: that holds them open and commits
them in the background, the program takes one up for each operation.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from vgit.api.client import Client
from vgit.api.convert import reload_info
from vgit.api.mounts import Mount, mounts_of
from vgit.errors import NotMountedError
from vgit.mount.layout import MountRecord, read_record
from vgit.mount.open import reopen_mount, unbind
from vgit.mount.plan import Local
from vgit.mount.working_directory import WorkingDirectory
from vgit.repository.repository import Repository
from vgit.types import ReloadInfo


@contextmanager
def expect_mounts(volume_id: str, client: Client, repository: Repository, shown: str) -> "Iterator[list[Mount]]":
    """Give this process's mounts of a volume, those handed to it too; NotMountedError if there is none."""
    with ExitStack() as stack:
        found = mounts_of(volume_id)
        known = {os.path.realpath(mount.path) for mount in found}
        for path in client.handed_mounts:
            record = _record_or_none(path)
            if record is None or os.path.realpath(path) in known:
                continue
            if record.volume_id == volume_id and os.path.realpath(record.store) == os.path.realpath(client.store):
                found.append(stack.enter_context(MountedDirectory(path, repository, client.author)).mount)
        if not found:
            raise NotMountedError(
                f"{shown} is not mounted by this process. Mount it (with vol.mount(path)), or start the program by"
                " `vgit run`; in a directory that `vgit mount` made, run `vgit commit` or `vgit reload`."
            )
        yield found


def _record_or_none(path: str) -> MountRecord | None:
    try:
        return read_record(path)
    except (NotMountedError, OSError):
        return None  # unmounted since it was handed over, or of another machine


class MountedDirectory:
    """A mount that another program made, taken up for one operation; a context manager. For the command line."""

    def __init__(
        self, path: str, repository: Repository, author: str, reopen: "Callable[..., WorkingDirectory]" = reopen_mount
    ) -> None:
        self.working = reopen(path, repository, repository.clock)
        self.mount = Mount(self.working, author)

    def __enter__(self) -> "MountedDirectory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.working.close()

    def reload(self, local: Local) -> ReloadInfo:
        """Do as ``Mount.reload``; the lease is renewed also if nothing was brought in: somebody uses the mount."""
        reloaded = self.mount.reload_in_detail(local)
        self.mount.renew_lease()
        return reload_info(reloaded)

    def unmount(self, *, remove_files: bool) -> bool:
        """End the mount; say whether its files are gone too, which needs that none has a local change."""
        self.working.check_open_files()
        return unbind(self.working, remove_files=remove_files)
