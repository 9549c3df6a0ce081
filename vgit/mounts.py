"""Mounts: a volume's working directories as the API gives them, and which of them this process has open.

``Volume.commit()`` and ``reload()`` act on the mounts that this process opened,
through whatever handle, so the list of them is the process's and not a
handle's. It is the one piece of state that the library keeps by itself.
"""

import threading
from pathlib import Path as FilePath
from types import TracebackType

from vgit.aio import Method
from vgit.backend.forks import start_afresh_after_fork
from vgit.errors import AlreadyExistsError, InvalidError, NotMountedError
from vgit.maintenance.roll_up import roll_up
from vgit.maintenance.sweep import sweep
from vgit.mount.changes import Unstable
from vgit.mount.open import Binding, open_mount, renew, reopen_mount, unbind
from vgit.mount.plan import Local
from vgit.mount.results import Committed
from vgit.mount.scan import describe_problem
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import format_path, printable
from vgit.repository import Repository
from vgit.results import commit_info, local_change, reload_info
from vgit.types import CommitInfo, MountStatus, ReloadInfo


class _OpenMounts:
    """The mounts that this process has open. A forked child has none: its parent's stay its parent's."""

    def __init__(self) -> None:
        self._mounts: list[Mount] = []
        self._guard = threading.Lock()
        start_afresh_after_fork(self)

    def after_fork(self) -> None:
        self._mounts = []
        self._guard = threading.Lock()

    def add(self, mount: "Mount") -> None:
        with self._guard:
            self._mounts.append(mount)

    def discard(self, mount: "Mount") -> None:
        with self._guard:
            self._mounts = [one for one in self._mounts if one is not mount]

    def of(self, volume_id: str) -> "list[Mount]":
        with self._guard:
            return [mount for mount in self._mounts if mount.volume_id == volume_id]


_open = _OpenMounts()


class Mount:
    """A working directory bound to a volume; a context manager that commits at its end and gives the path.

    Made by ``Volume.mount``. An exception that passes through the block keeps
    what was not committed in the directory, which can be mounted again.
    """

    def __init__(self, working: WorkingDirectory, author: str) -> None:
        self._working = working
        self._author = author

    def __repr__(self) -> str:
        record = self._working.record
        return f"<vgit.Mount of {record.volume_name or record.volume_id} at {self._working.path}>"

    def __enter__(self) -> FilePath:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._release()

    async def __aenter__(self) -> FilePath:
        return self.path

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.close.aio()
        else:
            self._release()

    @property
    def path(self) -> FilePath:
        """The mount's root, absolute."""
        return FilePath(self._working.path)

    @property
    def volume_id(self) -> str:
        """The id of the volume."""
        return self._working.record.volume_id

    @property
    def read_only(self) -> bool:
        """Whether the mount refuses to commit."""
        return self._working.record.read_only

    def _status(self) -> MountStatus:
        """Return what is here and not published. Reads files whose stat differs from what was seen."""
        status = self._working.status()
        return MountStatus(
            base=status.base.hex(),
            head=status.head.hex(),
            changes=tuple(local_change(path, edit) for path, edit in status.edits.items()),
            problems=tuple(describe_problem(problem) for problem in status.problems),
            skipped=tuple(f"{printable(format_path(path))}: {kind}" for kind, path in status.skipped),
        )

    def _commit(self, message: str | None = None) -> CommitInfo | None:
        """Publish what is here and not published; None if there is nothing. Raises ReadOnlyError."""
        return commit_info(self._working.repository, self.commit_in_detail(message).published)

    def _reload(self, discard: bool = False) -> ReloadInfo:  # noqa: FBT001, FBT002 - the contract's spelling
        """Bring in what others published; raises FilesOpenError while a process has files of the mount open.

        Local changes that are not committed stay, or with ``discard`` are given up.
        """
        self._working.check_open_files()
        reloaded = self._working.reload(Local.DISCARD if discard else Local.KEEP)
        if reloaded.moved:
            renew(self._working, self._working.repository.clock)
        return reload_info(reloaded)

    def _close(self, commit: bool = True) -> CommitInfo | None:  # noqa: FBT001, FBT002 - the contract's spelling
        """Commit unless told not to, and let go of the directory, which can be mounted again."""
        try:
            info = self._commit() if commit and not self.read_only else None
        finally:
            self._release()
        return info

    status = Method(_status)
    commit = Method(_commit)
    reload = Method(_reload)
    close = Method(_close)

    def commit_in_detail(self, message: str | None = None, when_unstable: Unstable = Unstable.STORE) -> Committed:
        """Commit, and return also what was unstable, unreadable or skipped."""
        if message is not None and not isinstance(message, str):
            raise InvalidError(f"Invalid message: {message!r} is {type(message).__name__}, expected text.")
        committed = self._working.commit(self._author, message, when_unstable)
        if committed.published is not None:
            roll_up(self._working.repository)
        return committed

    def _release(self) -> None:
        _open.discard(self)
        self._working.close()


def open_for_program(path: str, binding: Binding, repository: Repository, author: str) -> Mount:
    """Mount for this process; AlreadyExistsError if it has the volume mounted for writing elsewhere."""
    if not binding.read_only:
        for mount in mounts_of(binding.volume_id):
            if not mount.read_only:
                raise AlreadyExistsError(
                    f"this process has the volume mounted for writing at {mount.path} already;"
                    " close that mount first, or mount read-only."
                )
    mount = Mount(open_mount(path, binding, repository, repository.clock), author)
    if not binding.read_only:
        sweep(repository)
    _open.add(mount)
    return mount


def mounts_of(volume_id: str) -> "list[Mount]":
    """Return this process's open mounts of a volume."""
    return _open.of(volume_id)


def expect_mounts(volume_id: str, shown: str) -> "list[Mount]":
    """Return this process's mounts of a volume; NotMountedError if there is none."""
    found = mounts_of(volume_id)
    if not found:
        raise NotMountedError(
            f"{shown} is not mounted by this process. Mount it (with vol.mount(path)), or in a directory that"
            " `vgit mount` made, run `vgit commit` or `vgit reload`."
        )
    return found


class MountedDirectory:
    """A mount that another program made, taken up for one operation; a context manager. For the command line."""

    def __init__(self, path: str, repository: Repository, author: str) -> None:
        self.working = reopen_mount(path, repository, repository.clock)
        self.mount = Mount(self.working, author)

    def __enter__(self) -> "MountedDirectory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.working.close()

    def renew(self) -> None:
        """Renew the mount's lease."""
        renew(self.working, self.working.repository.clock)

    def unmount(self, *, remove_files: bool) -> bool:
        """End the mount; say whether its files are gone too, which needs that none has a local change."""
        self.working.check_open_files()
        return unbind(self.working, remove_files=remove_files)
