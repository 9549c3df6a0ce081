"""Writable: writing to a volume without a mount; each call is one commit, visible to everyone at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vgit.api.aio import Method
from vgit.api.convert import conclude
from vgit.api.handle import Handle
from vgit.errors import InvalidError
from vgit.runtime.lazy_import import lazy_import
from vgit.types import CommitInfo

if TYPE_CHECKING:
    from vgit.api import batch
    from vgit.transfer import path_copy, path_removal
    from vgit.transfer.transfer_progress import Progress
else:
    batch, path_copy, path_removal = (
        lazy_import("vgit.api.batch"),
        lazy_import("vgit.transfer.path_copy"),
        lazy_import("vgit.transfer.path_removal"),
    )


class Writable(Handle):
    """What can be written to: a volume."""

    def batch_upload(
        self,
        force: bool = False,  # noqa: FBT001, FBT002 - Modal's
        *,
        message: str | None = None,
        progress: "Progress | None" = None,
    ) -> "batch.Batch":
        """Return a batch, for ``with`` or ``async with``, whose files are uploaded when its block ends. Source: Modal.

        All of them become one commit. If a path exists already the batch fails
        and nothing is written; ``force`` replaces files, but never a directory.
        """
        self._refuse_read_only()
        return batch.Batch(
            lambda: self.repository, self._client.author, force=force, message=message, progress=progress
        )

    def _copy_files(
        self,
        src_paths: Sequence[str],
        dst_path: str,
        recursive: bool = False,  # noqa: FBT001, FBT002 - Modal's
    ) -> CommitInfo | None:
        """Copy files within the volume as the Unix ``cp`` does; their contents are shared, not copied. Source: Modal.

        Files that exist are replaced. Several sources need a directory as
        destination, directories need ``recursive``. None if the volume has it all already.
        """
        self._refuse_read_only()
        if isinstance(src_paths, str):  # each letter would be a path
            raise InvalidError(f"src_paths must be a list; got the text {src_paths!r}. Give [{src_paths!r}].")
        author = self._client.author
        return conclude(
            self.repository, path_copy.copy(self.repository, src_paths, dst_path, recursive=recursive, author=author)
        )

    def _remove_file(self, path: str, recursive: bool = False) -> CommitInfo | None:  # noqa: FBT001, FBT002 - Modal's
        """Remove a file, or a directory: one that is not empty needs ``recursive``. Source: Modal."""
        self._refuse_read_only()
        removed = path_removal.remove(self.repository, [path], recursive=recursive, author=self._client.author)
        return conclude(self.repository, removed)

    copy_files = Method(_copy_files)
    remove_file = Method(_remove_file)
