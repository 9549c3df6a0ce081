"""Existing mount: one that another program made, taken up for one operation.

The command line works on those that `vgit mount` made, and a program, beside its own, on those that `vgit run`
holds open for it.
"""

from collections.abc import Callable

from vgit.api.convert import reload_info
from vgit.api.mount import Mount
from vgit.mount.open import reopen_mount, unbind
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory
from vgit.repository.repository import Repository
from vgit.types import ReloadInfo


class ExistingMount:
    """A mount while one operation is done on it; a context manager. It stays a mount afterwards."""

    def __init__(
        self, path: str, repository: Repository, author: str, reopen: "Callable[..., WorkingDirectory]" = reopen_mount
    ) -> None:
        self.working = reopen(path, repository, repository.clock)
        self.mount = Mount(self.working, author)

    def __enter__(self) -> "ExistingMount":
        return self

    def __exit__(self, *exc: object) -> None:
        self.working.close()

    def reload(self, local: LocalChanges) -> ReloadInfo:
        """Do as ``Mount.reload``; the lease is renewed also if nothing was brought in: somebody uses the mount."""
        reloaded = self.mount.reload_in_detail(local)
        self.mount.renew_lease()
        return reload_info(reloaded)

    def unmount(self, *, remove_files: bool) -> bool:
        """End the mount; say whether its files are gone too, which needs that none has a local change."""
        self.working.check_open_files()
        return unbind(self.working, remove_files=remove_files)
