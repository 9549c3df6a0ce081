"""Batch: files put into a volume together, as one commit at the end of a ``with`` or ``async with`` block."""

import os
from collections.abc import Callable
from types import TracebackType
from typing import IO

from vgit.api.aio import Both
from vgit.api.convert import commit_info
from vgit.api.user_warnings import warn_of_left_out
from vgit.errors import InvalidError
from vgit.repository.repository import Repository
from vgit.runtime.forks import reset_after_fork
from vgit.transfer.puts import Put, put_directory, put_file
from vgit.transfer.streams import Stream
from vgit.transfer.transfer_progress import Progress
from vgit.transfer.upload import upload
from vgit.types import CommitInfo, LeftOut


class Batch:
    """What ``Volume.batch_upload`` gives. An exception that passes through the block uploads nothing.

    Nor does a child that was forked inside the block: all of it is its parent's.

    ``commit`` says, after the block, what was published; None: the volume had all of it already. What was left out
    is in it, and each kind of that is a LeftOutWarning.
    """

    def __init__(
        self,
        find: Callable[[], Repository],
        author: str,
        *,
        force: bool,
        message: str | None,
        progress: Progress | None,
    ) -> None:
        if message is not None and not isinstance(message, str):
            raise InvalidError(f"Invalid message: {message!r} is {type(message).__name__}, expected text.")
        self.commit: CommitInfo | None = None
        self._find = find
        self._author = author
        self._force = force
        self._message = message
        self._progress = progress
        self._repository: Repository | None = None
        self._puts: list[Put] | None = None  # None: outside the block
        reset_after_fork(self)

    def after_fork(self) -> None:
        """Forget what was queued: it is the parent's, which uploads it."""
        self._puts = None

    def __enter__(self) -> "Batch":
        if self._repository is not None:
            raise InvalidError("this batch was used already; each `with` block needs a batch_upload() of its own.")
        self._repository = self._find()
        self._puts = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        puts, self._puts = self._puts, None
        if error is None and puts and self._repository is not None:
            uploaded = upload(
                self._repository,
                puts,
                author=self._author,
                message=self._message,
                force=self._force,
                progress=self._progress,
            )
            left_out = tuple(map(LeftOut.of, uploaded.left_out))
            self.commit = commit_info(self._repository, uploaded.published, left_out)
            if uploaded.published is not None:
                uploaded.published.after.hand_on()
            warn_of_left_out(left_out, self.commit)

    async def __aenter__(self) -> "Batch":
        return await Both(self).__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await Both(self).__aexit__(kind, error, traceback)

    def put_file(
        self,
        local_file: "str | os.PathLike[str] | IO[bytes] | Stream",
        remote_path: "str | os.PathLike[str]",
        mode: int | None = None,
    ) -> None:
        """Queue a local file or binary file object to be at ``remote_path``; ``mode`` None: its own. Source: Modal.

        It is read when the block ends: a path must still be there then, and a
        file object still be open. File objects are read from position 0, are
        not closed, and get the mode 0o644.
        """
        self._queue().append(put_file(local_file, remote_path, mode))

    def put_directory(
        self,
        local_path: "str | os.PathLike[str]",
        remote_path: "str | os.PathLike[str]",
        recursive: bool = True,  # noqa: FBT001, FBT002 - Modal's
    ) -> None:
        """Queue the contents of a local directory to be directly below ``remote_path``. Source: Modal.

        Symlinks, empty directories, modes and mtimes are kept. Without
        ``recursive`` only the directory's own files are taken.
        """
        self._queue().append(put_directory(local_path, remote_path, recursive=recursive))

    def _queue(self) -> list[Put]:
        if self._puts is None:
            raise InvalidError(
                "this batch is not open in this process; queue files inside `with volume.batch_upload() as batch:`,"
                " in a forked child inside one of its own."
            )
        return self._puts
