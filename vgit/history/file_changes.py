"""File changes: how two trees differ, as a person would tell it.

What counts is files, symlinks and the like: a directory is told of only where
nothing else would show it, that is when it is empty or its mode changed. A
directory's mtime is no change. A file that went and one that came with the
same content are one rename; the pair of equal base names goes first.

    before            after                 told as
    nothing           file                  added
    file              other bytes or kind   changed
    file, directory   same, other mode      mode
    file              same, other mtime     time
    file              directory with files  removed, and the files added
    empty directory   file                  changed
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from vgit.ids import TreeId
from vgit.paths import ROOT, Path
from vgit.repository.repository import Repository
from vgit.tree.change_kind import ChangeKind, change_kind
from vgit.tree.diff import Difference, diff_trees
from vgit.tree.directory import find_entry
from vgit.tree.edits import Counts, Edits
from vgit.tree.entry import Entry, Kind, same_content, subtree

_Key: TypeAlias = tuple[Kind, bytes, str]  # what a file that was renamed is recognised by


class FileChange(NamedTuple):
    """One file, symlink or the like that changed, or a directory that nothing else would show."""

    path: Path
    kind: ChangeKind
    old: Entry | None  # None: added
    new: Entry | None  # None: removed
    old_path: Path | None = None  # where it was, if renamed


def changes(repository: Repository, old_tree: TreeId, new_tree: TreeId, path: Path | None = None) -> list[FileChange]:
    """Return what differs between two trees, in path order; with ``path`` only what is there or below it.

    Cost follows the difference: subtrees of equal id are not read. What was
    renamed across the border of ``path`` is added or removed.
    """
    found = list(_classified(repository, diff_below(repository, old_tree, new_tree, path or ROOT)))
    return _with_renames(found)


def changes_of_edits(edits: Edits) -> list[FileChange]:
    """Return what a writer's edits change of what it saw, in path order, as ``changes`` tells it of two trees."""
    found: list[FileChange] = []
    parents = {path[:depth] for path in edits for depth in range(len(path))}
    for path, (new, old) in edits.items():
        if new is not None and old is not None and same_content(new, old):
            found += _of_same_content(path, old, new)
            continue
        # As everywhere: a directory with something in it is not told of, what is in it is.
        before = None if old is not None and old.is_directory and path in parents else old
        after = None if new is not None and new.is_directory and path in parents else new
        if before is not None or after is not None:
            found.append(FileChange(path, change_kind(before, after), before, after))
    return _with_renames(found)


def count_changes(repository: Repository, old_tree: TreeId | None, new_tree: TreeId) -> Counts:
    """Return how many files differ, renames as two and directories as none; ``old_tree`` None: there was nothing."""
    added = changed = removed = touched = 0
    for one in _classified(repository, diff_trees(repository.directories, old_tree, new_tree)):
        was_file = one.old is not None and not one.old.is_directory
        is_file = one.new is not None and not one.new.is_directory
        added += is_file and not was_file
        changed += is_file and was_file and one.kind is not ChangeKind.TIME
        touched += one.kind is ChangeKind.TIME
        removed += was_file and not is_file
    return Counts(added, changed, removed, touched=touched)


def diff_below(repository: Repository, old_tree: TreeId, new_tree: TreeId, path: Path) -> Iterator[Difference]:
    """Yield path, old and new entry of all that differs at ``path`` and below it, as ``diff_trees`` does."""
    directories = repository.directories
    old, new = find_entry(directories, old_tree, path), find_entry(directories, new_tree, path)
    if old == new:
        return
    yield path, old, new
    for below, before, after in diff_trees(directories, subtree(old), subtree(new)):
        yield path + below, before, after


def _classified(repository: Repository, differences: Iterable[Difference]) -> Iterator[FileChange]:
    """Yield those of ``differences`` that a person would tell of; renames are not seen yet."""

    def shown(entry: Entry | None) -> Entry | None:
        # A directory with something in it is not told of: what is in it is.
        tree = subtree(entry)
        return None if tree is not None and repository.directories.read(tree).entries else entry

    for path, old, new in differences:
        if old is not None and new is not None and same_content(old, new):
            yield from _of_same_content(path, old, new)
            continue
        before, after = shown(old), shown(new)
        if before is not None or after is not None:
            yield FileChange(path, change_kind(before, after), before, after)


def _of_same_content(path: Path, old: Entry, new: Entry) -> Iterator[FileChange]:
    kind = change_kind(old, new)
    if kind is ChangeKind.MODE or (old.mtime_ns != new.mtime_ns and not new.is_directory):
        yield FileChange(path, kind, old, new)


def _with_renames(found: list[FileChange]) -> list[FileChange]:
    """Return ``found`` with each file that went and came again, same content, as one rename."""
    gone = [one for one in found if one.kind is ChangeKind.REMOVED]
    came = [one for one in found if one.kind is ChangeKind.ADDED]
    if not gone or not came:
        return found
    sources: dict[Path, FileChange] = {}
    used: set[Path] = set()
    for keys in (_keys_with_name, _keys_without_name):
        waiting: dict[_Key, deque[FileChange]] = defaultdict(deque)
        for one in gone:
            for key in keys(one.path, one.old):
                waiting[key].append(one)
        for one in came:
            source = _take(waiting, keys(one.path, one.new), used) if one.path not in sources else None
            if source is not None:
                sources[one.path] = source
    return [
        _as_rename(one, sources.get(one.path))
        for one in found
        if not (one.kind is ChangeKind.REMOVED and one.path in used)
    ]


def _take(waiting: dict[_Key, deque[FileChange]], keys: Iterable[_Key], used: set[Path]) -> FileChange | None:
    """Return the first that waits under one of ``keys`` and is not used yet; it is from now on."""
    for key in keys:
        queue = waiting.get(key)
        while queue:
            one = queue.popleft()
            if one.path not in used:
                used.add(one.path)
                return one
    return None


def _as_rename(one: FileChange, source: FileChange | None) -> FileChange:
    if one.kind is not ChangeKind.ADDED or source is None:
        return one
    return one._replace(kind=ChangeKind.RENAMED, old=source.old, old_path=source.path)


def _keys_with_name(path: Path, entry: Entry | None) -> Iterator[_Key]:
    """Yield what a file is known by: its base name, and BLAKE3 or git's id, as stock git leaves only the latter."""
    if entry is None or entry.is_directory or entry.id is None:
        return
    if entry.hash is not None:
        yield entry.kind, entry.hash, path[-1]
    yield entry.kind, entry.id, path[-1]


def _keys_without_name(path: Path, entry: Entry | None) -> Iterator[_Key]:
    """Yield the same without the name; nothing for empty files, which are many and all alike."""
    if entry is not None and entry.size:
        for kind, content, _ in _keys_with_name(path, entry):
            yield kind, content, ""
