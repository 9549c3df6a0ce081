"""Restore: an old state, or some paths of it, published as the newest.

A restore is a commit like any other. Its edits lead from head to the old
state and name blobs and chunk trees that are stored already, so nothing is
copied and cost follows the difference. What others publish in between is
merged as ever: the restored version of a file is the last one written, a file
that differs in nothing is left alone, and the receipt names what head did not
have when the restore began. A whole state of a line that head does not descend
from (the store was set back to an older copy, say) brings its history along, as
far as the store has all of it: mounts that came from there can go on.
"""

from collections.abc import Sequence

from vgit.errors import CorruptObjectError, NotFoundError
from vgit.history.file_changes import diff_below
from vgit.history.unreachable_commits import objects_of, rely_on_unreachable
from vgit.ids import CommitId, TreeId, short_id
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import ROOT, Path, format_path, has_state_name, printable
from vgit.repository.ancestry import descends
from vgit.repository.commit import escape_path
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.tree.directory import find_entry
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry, Kind, same_content

_NAMED_PATHS = 3


def restore(
    repository: Repository, revision: CommitId, paths: Sequence[Path] | None, author: str, message: str | None = None
) -> Published | None:
    """Publish the state of ``revision``, or of ``paths`` in it, as the newest; None if head is the same already.

    Raise NotFoundError for a path that neither head nor the revision has, and
    CorruptObjectError if the revision is of no use any more: not reachable
    from head, and its files gone from the store.
    """
    head = repository.head()
    edits = restore_edits(repository, head, revision, paths)
    is_safe = descends(repository, head, {revision})
    if not edits and (is_safe or paths is not None):
        return None
    with repository.writer() as writer:
        joins: tuple[CommitId, ...] = ()
        if not is_safe:
            _rely_on_contents(repository, writer, edits)
            if paths is None and rely_on_unreachable(repository, writer, revision, head):
                joins = (revision,)
        if not edits and not joins:
            return None
        proposal = Proposal(
            edits=edits,
            author=author,
            message=message or _message(revision, paths),
            base=head,
            joins=joins,
        )
        return publish(repository, proposal, writer)


def restore_edits(repository: Repository, head: CommitId, revision: CommitId, paths: Sequence[Path] | None) -> Edits:
    """Return the edits that make of head's tree the revision's, or in ``paths`` alone; None means all.

    What the revision does not have is removed. The mtime of a directory comes
    back along with something in it, as it is no change by itself.
    NotFoundError for a path that neither head nor the revision has.
    """
    now, then = repository.commit(head).tree, repository.commit(revision).tree
    edits: dict[Path, Edit] = {}
    directories: dict[Path, Entry] = {}
    for path in [ROOT] if paths is None else paths:
        wanted = find_entry(repository.directories, then, path)
        if wanted is None and find_entry(repository.directories, now, path) is None:
            raise NotFoundError(
                f"No such file or directory: {printable(format_path(path))!r}, neither now nor at revision"
                f" {short_id(revision)}."
            )
        if wanted is not None:
            _make_way(repository, now, then, path, edits, directories)
        for where, seen, new in diff_below(repository, now, then, path):
            if new is not None and has_state_name(where):
                continue  # a mount's state, which an older vgit published: never again
            edit = _edit(seen, new)
            if edit is not None:
                edits[where] = edit
            elif new is not None:
                directories[where] = _bare(new)
    result = Edits(edits)
    result.directories.update(directories)
    return result


def _make_way(
    repository: Repository,
    now: TreeId,
    then: TreeId,
    path: Path,
    edits: dict[Path, Edit],
    directories: dict[Path, Entry],
) -> None:
    """See to the directories on the way to a path: as they are now or, where there is none now, as they were."""
    for depth in range(1, len(path)):
        parent = path[:depth]
        before, after = (
            find_entry(repository.directories, now, parent),
            find_entry(repository.directories, then, parent),
        )
        assert after is not None, "the revision has something below it"
        if before is not None and not before.is_directory:
            edits.setdefault(parent, Edit(_bare(after), before))
        else:
            directories.setdefault(parent, _bare(before or after))


def _edit(seen: Entry | None, new: Entry | None) -> Edit | None:
    """Return the edit from ``seen`` to ``new``; None for two directories, unless their modes differ."""
    if seen is not None and seen.is_directory:
        seen = _bare(seen)
    if new is not None and new.is_directory:
        new = _bare(new)
        if seen is not None and seen.mode == new.mode:
            return None
    elif new is not None and seen is not None and new.id != seen.id and same_content(new, seen):
        # The same bytes in another form: the merge must not take it for an edit of mode and mtime alone.
        seen = None
    return Edit(new, seen)


def _bare(directory: Entry) -> Entry:
    return directory._replace(id=None, size=0, hash=None)


def _rely_on_contents(repository: Repository, writer: ObjectWriter, edits: Edits) -> None:
    """Make sure that every file of ``edits`` is in the store and stays: no ref may hold the revision."""
    for path, edit in edits.items():
        new = edit.new
        if new is None or new.id is None or new.kind is Kind.GITLINK:
            continue
        for id in objects_of(repository, new.id, new.git_mode):
            if not writer.has_blob(id):
                raise CorruptObjectError(
                    f"{printable(format_path(path))} cannot be restored: its object {id.hex()} is gone from the store."
                )


def _message(revision: CommitId, paths: Sequence[Path] | None) -> str:
    message = f"Restore {short_id(revision)}"
    if paths is None:
        return message
    named = ", ".join(escape_path(path) or "/" for path in paths[:_NAMED_PATHS])
    more = len(paths) - _NAMED_PATHS
    return f"{message}: {named}" + (f" and {more} more" if more > 0 else "")
