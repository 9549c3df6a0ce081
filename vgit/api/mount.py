"""Mount: a volume's working directory as the API gives it.

It commits and reloads by the engine's ``WorkingDirectory``, and adds what a program
wants of it: values of the API, warnings, commits in the background, and an end.
Which mounts a process has is in ``api/open_mounts.py``.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from vgit.api.aio import Both, Method
from vgit.api.background import Background, HeldBack, check_commit_every, log_left_out
from vgit.api.convert import change, commit_info, local_change, reload_info
from vgit.api.user_warnings import warn_of_left_out
from vgit.errors import Error, InvalidError, NotMountedError
from vgit.files.left_out import LeftOutKind
from vgit.history.file_changes import changes_of_edits
from vgit.mount.mount_commit import Committed
from vgit.mount.open import renew
from vgit.mount.policy import LocalChanges, UnstableFiles
from vgit.mount.reload import Reloaded
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import Path, parse_path, printable
from vgit.repository.aftermath import Aftermath
from vgit.repository.repository import Repository
from vgit.runtime.forks import reset_after_fork
from vgit.runtime.lazy_import import lazy_import
from vgit.types import Change, CommitInfo, LeftOut, MountStatus, ReloadInfo

if TYPE_CHECKING:
    import pathlib
else:
    pathlib = lazy_import("pathlib")


class Mount:
    """A working directory bound to a volume; a context manager that commits at its end and gives the path.

    Made by ``Volume.mount``. An exception that passes through the block keeps
    what was not committed in the directory, which can be mounted again. But one
    with ``commit_every`` commits then too: what its program had done when it
    failed is published as the commits in the background would have. A child
    that was forked has its parent's mounts to look at only: it neither commits,
    reloads nor ends them, and leaving the block or ``close`` does nothing there.
    """

    def __init__(
        self, working: WorkingDirectory, author: str, *, on_release: "Callable[[Mount], None] | None" = None
    ) -> None:
        self._working = working
        self._author = author
        self._on_release = on_release
        self._background: Background | None = None
        self._is_inherited = False
        self._is_closed = False
        self._closing = threading.RLock()  # a second close waits for the first
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Note that the mount is the parent's: what is half done in it is not this process's to publish."""
        self._is_inherited = True
        self._closing = threading.RLock()

    def __repr__(self) -> str:
        record = self._working.record
        return f"<vgit.Mount of {record.volume_name or record.volume_id} at {self._working.path}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be sent to another process: one program at a time has a mount. Send its path, where the"
            " files are, or the Volume, which can be read, and mounted at another directory."
        )

    def __enter__(self) -> "pathlib.Path":
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or self._background is not None:
            self.close()
        else:
            self.release()

    async def __aenter__(self) -> "pathlib.Path":
        return self.path

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await Both(self).__aexit__(kind, error, traceback)

    @property
    def path(self) -> "pathlib.Path":
        """The mount's root, absolute."""
        return pathlib.Path(self._working.path)

    @property
    def volume_id(self) -> str:
        """The id of the volume."""
        return self._working.record.volume_id

    @property
    def sub_path(self) -> Path:
        """The directory of the volume that the mount shows; empty: all of it."""
        return parse_path(self._working.record.sub_path)

    @property
    def read_only(self) -> bool:
        """Whether the mount refuses to commit."""
        return self._working.record.read_only

    @property
    def follows_head(self) -> bool:
        """Whether a reload brings in the newest state: the mount is not one of an old revision."""
        return self._working.record.at is None

    @property
    def repository(self) -> Repository:
        """The repository that the mount commits to."""
        return self._working.repository

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What is published and cannot be in this mount, as its file system takes two names for one."""
        return tuple(map(LeftOut.of, self._working.left_out))

    @property
    def background_error(self) -> Error | OSError | None:
        """What the last commit in the background failed with; None if it went well, or there was none."""
        return self._background.error if self._background is not None else None

    def _status(self) -> MountStatus:
        """Return what is here and not published. Reads files whose stat differs from what was seen."""
        self._refuse_closed()
        status = self._working.status()
        return MountStatus(
            base=status.base.hex(),
            head=status.head.hex(),
            changes=tuple(local_change(path, edit) for path, edit in status.edits.items()),
            left_out=tuple(map(LeftOut.of, status.left_out)),
        )

    def _commit(self, message: str | None = None) -> CommitInfo | None:
        """Publish what is here and not published; None if there is nothing. Raises ReadOnlyError.

        What it left out is in the answer, and each kind of it is a LeftOutWarning.
        """
        committed = self.commit_in_detail(message)
        info = self.info_of(committed)
        if committed.published is not None:
            committed.published.after.hand_on()
        warn_of_left_out(self.left_out_here(committed), info)
        return info

    def _reload(self, discard: bool = False) -> ReloadInfo:  # noqa: FBT001, FBT002 - the contract's spelling
        """Bring in what others published; raises FilesOpenError while a process has files of the mount open.

        Local changes that are not committed stay, or with ``discard`` are given up.
        """
        reloaded = self.reload_in_detail(LocalChanges.DISCARD if discard else LocalChanges.KEEP)
        if reloaded.moved:
            self.renew_lease()
        return reload_info(reloaded)

    def _close(self, commit: bool = True) -> CommitInfo | None:  # noqa: FBT001, FBT002 - the contract's spelling
        """Commit unless told not to, and let go of the directory, which can be mounted again.

        Ends the commits in the background, the one under way first. This last
        commit holds nothing back: it stores what is being written as it is, and
        names it ``unstable``. Closing again does nothing, also after a commit that failed.
        """
        with self._closing:
            if self._is_closed:
                return None
            try:
                self.stop_background()
                return self._commit() if commit and not self._is_inherited and not self.read_only else None
            finally:
                self.release()

    def _diff(self, path: str | None = None) -> list[Change]:
        """Return how the mount differs from the state that it was last reloaded from, in path order.

        As ``Volume.diff`` tells it: renames are found, mtimes alone are no difference. Paths, ``path`` too, are
        from the mount's root.
        """
        where = parse_path(path) if path is not None else ()
        self._refuse_closed()
        return [
            change(one) for one in changes_of_edits(self._working.status().edits) if one.path[: len(where)] == where
        ]

    status = Method(_status)
    diff = Method(_diff)
    commit = Method(_commit)
    reload = Method(_reload)
    close = Method(_close)

    def commit_in_detail(
        self, message: str | None = None, when_unstable: UnstableFiles = UnstableFiles.STORE
    ) -> Committed:
        """Commit, and return also what was unstable or left out; warns of nothing."""
        self._refuse_unless_ours()
        if message is not None and not isinstance(message, str):
            raise InvalidError(f"Invalid message: {message!r} is {type(message).__name__}, expected text.")
        return self._working.commit(self._author, message, when_unstable)

    def local_changes(self) -> list[Change]:
        """Return what is here and not published, in path order; takes a scan."""
        return [local_change(path, edit) for path, edit in self._working.status().edits.items()]

    def reload_in_detail(self, local: LocalChanges) -> Reloaded:
        """Bring in what others published, and tell the store nothing of it."""
        self._refuse_unless_ours()
        self.check_open_files()
        return self._working.reload(local)

    def renew_lease(self) -> None:
        """Tell the store where this mount is and what it needs, after a reload; that it fails is only logged."""
        after = Aftermath(f"{printable(self._working.path)} is reloaded")
        with after.step("renewing its lease"):
            renew(self._working, self._working.repository.clock)
        after.hand_on()

    def info_of(self, committed: Committed) -> CommitInfo | None:
        """Return the commit that was made; None if nothing changed."""
        return commit_info(self._working.repository, committed.published, self.left_out_of(committed))

    def left_out_of(self, committed: Committed) -> tuple[LeftOut, ...]:
        """Return what a commit left out, by the volume's paths."""
        return tuple(LeftOut.of(one, self.sub_path) for one in committed.left_out)

    def left_out_here(self, committed: Committed) -> tuple[LeftOut, ...]:
        """Return what a commit left out, by its paths on this machine."""
        return tuple(LeftOut.of(one, (self._working.path,)) for one in committed.left_out)

    def check_open_files(self) -> None:
        """Raise FilesOpenError if a process has files of the mount open or mapped, or works inside it."""
        self._working.check_open_files()

    def commit_in_background(self, every_seconds: float) -> None:
        """Commit every so many seconds from now on, until ``close``; InvalidError for a read-only mount."""
        check_commit_every(every_seconds, read_only=self.read_only)
        self._refuse_unless_ours()

        clock, where = self._working.repository.clock, printable(self._working.path)
        held_back = HeldBack(where, clock)

        told: set[LeftOutKind] = set()

        def commit() -> bool:
            committed = self.commit_in_detail(when_unstable=UnstableFiles.HOLD_BACK)
            held_back.note(committed.held_back)
            log_left_out(self.left_out_here(committed), told)
            return committed.published is not None

        self.stop_background()
        self._background = Background(commit, every_seconds, where, clock)

    def stop_background(self) -> None:
        """End the commits in the background; of a mount that another process forked this one from, nothing."""
        if self._background is not None:
            self._background.stop()

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise NotMountedError(
                f"the mount at {printable(self._working.path)} was closed. Its files are there; mount the volume there"
                " again to go on with it."
            )

    def _refuse_unless_ours(self) -> None:
        self._refuse_closed()
        if self._is_inherited:
            raise NotMountedError(
                f"the mount at {printable(self._working.path)} is of the process that forked this one, and only that"
                " commits, reloads or ends it. Do it there, or mount the volume at another directory here."
            )

    def release(self) -> None:
        """Let go of the directory; nothing is committed. Nothing if that was done."""
        self.stop_background()
        self._is_closed = True
        if self._on_release is not None:
            self._on_release(self)
        self._working.close()
