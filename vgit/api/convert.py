"""Convert: what the engine returns, as the values that the API gives."""

from dataclasses import replace
from typing import TYPE_CHECKING

from vgit.history.file_changes import FileChange
from vgit.history.log import counts_of
from vgit.paths import Path, format_path
from vgit.repository.repository import Repository
from vgit.tree.change_kind import change_kind
from vgit.tree.edits import Edit
from vgit.types import Change, CommitInfo, FileEntry, LeftOut, ReloadInfo

if TYPE_CHECKING:
    from vgit.mount.reload import Reloaded
    from vgit.repository.publish import Published


def commit_info(
    repository: Repository, published: "Published | None", left_out: tuple[LeftOut, ...] = ()
) -> CommitInfo | None:
    """Return a commit just published, its receipt whole, of which the commit itself keeps the first 1,000 paths."""
    if published is None:
        return None
    info = CommitInfo.of(published.id, published.commit, counts_of(repository, published.commit))
    overwrote = tuple(format_path(lost.path) for lost in published.overwrote)
    return replace(info, overwrote=overwrote, overwrote_count=len(overwrote), left_out=left_out)


def conclude(repository: Repository, published: "Published | None") -> CommitInfo | None:
    """Return a commit just published; raise the interrupt instead that came after it was, if one did."""
    info = commit_info(repository, published)
    if published is not None:
        published.after.hand_on()
    return info


def reload_info(reloaded: "Reloaded") -> ReloadInfo:
    """Return what a mount's reload did."""
    kept = tuple(format_path(path) for path in reloaded.kept)
    return ReloadInfo(reloaded.base.hex(), reloaded.written, kept, tuple(map(LeftOut.of, reloaded.left_out)))


def change(one: FileChange) -> Change:
    """Return a change between two states."""
    return Change(
        format_path(one.path),
        one.kind,
        FileEntry.of(one.old_path or one.path, one.old) if one.old is not None else None,
        FileEntry.of(one.path, one.new) if one.new is not None else None,
    )


def local_change(path: Path, edit: Edit) -> Change:
    """Return what a mount has at ``path`` and did not publish."""
    new, seen = edit
    return Change(
        format_path(path),
        change_kind(seen, new),
        FileEntry.of(path, seen) if seen is not None else None,
        FileEntry.of(path, new) if new is not None else None,
    )
