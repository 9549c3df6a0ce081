"""Unreachable commits: those that head does not descend from, and whether the store still has all of them."""

from collections.abc import Iterator

from vgit.errors import CorruptObjectError
from vgit.ids import CommitId, ObjectId, TreeId
from vgit.objects.git_mode import TREE_MODE
from vgit.objects.git_tree import parse_tree
from vgit.objects.object_kind import TREE
from vgit.objects.object_writer import ObjectWriter
from vgit.repository.ancestry import ancestors
from vgit.repository.repository import Repository
from vgit.tree.diff import diff_trees
from vgit.tree.entry import Kind


def rely_on_unreachable(repository: Repository, writer: ObjectWriter, tip: CommitId, head: CommitId) -> bool:
    """Return whether the store has all of ``tip`` and its ancestors that head lacks; the writer then relies on them.

    Costs a look at every commit of the history, and at what each of the lost ones changed.
    """
    held = ancestors(repository, head)
    waiting, seen = [tip], {tip}
    try:
        while waiting:
            id = waiting.pop()
            commit = repository.commit(id)
            below = repository.commit(commit.parent).tree if commit.parent is not None else None
            if not all(map(writer.has_blob, (id, *_new_objects(repository, below, commit.tree)))):
                return False
            new = [parent for parent in commit.parents if parent not in held and parent not in seen]
            seen.update(new)
            waiting += new
    except CorruptObjectError:
        return False
    return True


def objects_of(repository: Repository, id: ObjectId, git_mode: int) -> Iterator[ObjectId]:
    """Yield a file's blob, or its chunk tree with all that is in it."""
    yield id
    if git_mode == TREE_MODE:
        for row in parse_tree(repository.objects.read_kind(id, TREE), repository.format.id_size):
            yield from objects_of(repository, ObjectId(row.id), row.mode)


def _new_objects(repository: Repository, old: TreeId | None, new: TreeId) -> Iterator[ObjectId]:
    """Yield what the tree ``new`` has and ``old`` has not."""
    yield new
    for _, _, entry in diff_trees(repository.directories, old, new):
        if entry is None or entry.id is None or entry.kind is Kind.GITLINK:
            continue
        if entry.is_directory:
            yield entry.id  # what is in it follows by itself
        else:
            yield from objects_of(repository, entry.id, entry.git_mode)
