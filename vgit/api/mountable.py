"""Mountable: a volume's mounts: made, committed and reloaded."""

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from vgit.api.aio import Method
from vgit.api.handle import Handle, MountOptions
from vgit.history.revision import resolve_revision
from vgit.paths import expand_home, parse_path
from vgit.runtime.lazy_import import lazy_import
from vgit.types import CommitInfo, ReloadInfo

if TYPE_CHECKING:
    from vgit.api import joint_operation, open_mounts
    from vgit.api.mount import Mount
    from vgit.mount import binding as mount_binding
    from vgit.mount import scope
else:
    joint_operation, open_mounts = lazy_import("vgit.api.joint_operation"), lazy_import("vgit.api.open_mounts")
    mount_binding, scope = lazy_import("vgit.mount.binding"), lazy_import("vgit.mount.scope")


class Mountable(Handle):
    """What can be mounted: a volume."""

    def _commit(self, message: str | None = None) -> CommitInfo | None:
        """Publish what this process's mounts have; None if nothing changed. The receipt is in it. Source: Modal.

        Of several mounts the answer is the last commit, with the counts and lists of all. If one fails, the others
        are committed, and its error has their answer as ``published``. NotMountedError without a mount of the volume,
        ReadOnlyError for a read-only handle.
        """
        self._refuse_read_only()
        with self._mounts() as opened:
            return joint_operation.commit_all(opened, message)

    def _reload(self) -> ReloadInfo:
        """Bring the newest published state into this process's mounts. Source: Modal.

        Of several mounts the answer has the counts and lists of all, with the volume's paths; another error of one is
        raised when the others are reloaded. FilesOpenError, before anything is touched, while a process has files
        open in one; NotMountedError without a mount.
        """
        with self._mounts() as opened:
            return joint_operation.reload_all(opened)

    def _mount(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool | None = None,
        at: str | None = None,
        sub_path: str | None = None,
        commit_every: float | None = None,
        adopt: bool = False,
    ) -> "Mount":
        """Check the newest commit out into ``path`` and return the mount, a context manager that gives the path.

        ``at`` mounts an old revision, read-only. ``sub_path`` mounts what is
        below one directory of the volume: only that is checked out and
        committed. ``commit_every`` commits in the background after so many
        seconds, and at the end after an exception too. ``adopt`` takes a
        directory that has files: equal ones are clean, others are local changes.
        A directory that is a mount of this volume is used again, and brought up to date; one that `vgit run` holds
        open is used as it is.
        InvalidError for a directory that cannot be one, AlreadyExistsError if it, or the volume, is
        mounted by this process, FilesOpenError for a mount that is behind while files are open there.
        """
        resolved = self._resolve()
        revision = resolve_revision(resolved.repository, at) if at is not None else None
        options = self._mount_options or MountOptions()
        shown = parse_path(sub_path) if sub_path is not None else options.sub_path
        scope.check_sub_path(resolved.repository, shown, revision)
        is_read_only = options.read_only if read_only is None else read_only
        binding = mount_binding.Binding(
            store=self._client.store,
            volume_id=resolved.record.id,
            volume_name=self._name,
            environment=resolved.record.environment,
            read_only=self._read_only or at is not None or is_read_only,
            at=revision,
            adopt=adopt,
            sub_path=shown,
        )
        return open_mounts.open_for_program(
            expand_home(path),
            binding,
            resolved.repository,
            self._client.author,
            commit_every=commit_every,
            run_mounts=self._client.run_mounts,
        )

    commit = Method(_commit)
    reload = Method(_reload)
    mount = Method(_mount, undo=lambda made: made.release())

    def _mounts(self) -> "AbstractContextManager[list[Mount]]":
        resolved = self._resolve()
        return open_mounts.expect_mounts(resolved.record.id, self._client, resolved.repository, repr(self))
