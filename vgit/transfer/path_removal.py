"""Path removal: paths of a volume removed from its newest state, as the Unix ``rm`` does. Older states keep them.

What others add to a directory while it is being removed stays, and so does the
directory then (docs/merge.md). A parent that becomes empty stays too.
"""

from collections.abc import Sequence

from vgit.errors import ConflictError, InvalidError, NotADirectoryConflict
from vgit.ids import TreeId
from vgit.paths import Path, parse_path
from vgit.repository.commit import Commit
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView, shown
from vgit.transfer.volume_target import add_parents
from vgit.tree.diff import diff_trees
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import directory_entry


def remove(
    repository: Repository, paths: Sequence[str], *, recursive: bool, author: str, message: str | None = None
) -> Published | None:
    """Publish the removal of ``paths`` as one commit; None if others removed them meanwhile.

    Raise NotFoundError if one is not there, ConflictError for a directory that
    is not empty unless ``recursive``, InvalidError for the root; then nothing was removed.
    """
    if not paths:
        raise InvalidError("nothing to remove: no path was given.")
    head = repository.head()
    proposal = Proposal(
        edits=_edits(repository, repository.commit(head), paths, recursive=recursive),
        author=author,
        message=message,
        base=head,
    )
    with repository.writer() as writer:
        return publish(repository, proposal, writer)


def _edits(repository: Repository, head: Commit, paths: Sequence[str], *, recursive: bool) -> Edits:
    view = TreeView(repository, head.tree)
    found: dict[Path, Edit] = {}
    for text in paths:
        path = parse_path(text)
        if not path:
            raise InvalidError("the root of a volume cannot be removed; name what is in it, or delete the volume.")
        entry = view.expect(path)
        if not entry.is_directory:
            if text.endswith(("/", "/.")):
                raise NotADirectoryConflict(f"{shown(path)!r} is a {entry.kind.value}, not a directory.")
            found[path] = Edit(None, entry)
            continue
        assert entry.id is not None
        tree = TreeId(entry.id)
        if not recursive and repository.directories.read(tree).entries:
            raise ConflictError(
                f"{shown(path)!r} is a directory with files in it; removing it needs recursive=True (-r)."
            )
        found[path] = Edit(None, directory_entry(entry.mode, entry.mtime_ns))
        for below, _, one in diff_trees(repository.directories, None, tree):
            assert one is not None
            seen = directory_entry(one.mode, one.mtime_ns) if one.is_directory else one
            found[path + below] = Edit(None, seen)
    edits = Edits(found)
    add_parents(edits, repository.clock.now_ns())
    return edits
