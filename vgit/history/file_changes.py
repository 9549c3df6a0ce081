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
from typing import Literal, NamedTuple, TypeAlias

from vgit.ids import TreeId
from vgit.paths import ROOT, Path
from vgit.repository.repository import Repository
from vgit.tree.diff import diff_trees
from vgit.tree.directory import find_entry
from vgit.tree.edits import Counts, Edits
from vgit.tree.entry import Entry, Kind, same_content, subtree

DifferenceKind: TypeAlias = Literal["added", "changed", "removed", "renamed", "mode", "time"]
_Key: TypeAlias = tuple[Kind, bytes, str]  # what a file that was renamed is recognised by


class Difference(NamedTuple):
    """One path that differs."""

    path: Path
    kind: DifferenceKind
    old: Entry | None  # None: added
    new: Entry | None  # None: removed
    old_path: Path | None = None  # where it was, if renamed


def changes(repository: Repository, old_tree: TreeId, new_tree: TreeId, path: Path | None = None) -> list[Difference]:
    """Return what differs between two trees, in path order; with ``path`` only what is there or below it.

    Cost follows the difference: subtrees of equal id are not read. What was
    renamed across the border of ``path`` is added or removed.
    """
    found = list(_classified(repository, diff_below(repository, old_tree, new_tree, path or ROOT)))
    return _with_renames(found)


def edited(edits: Edits) -> list[Difference]:
    """Return what a writer's edits change of what it saw, in path order, as ``changes`` tells it of two trees."""
    found: list[Difference] = []
    parents = {path[:depth] for path in edits for depth in range(len(path))}
    for path, (new, old) in edits.items():
        if new is not None and old is not None and same_content(new, old):
            found += _of_same_content(path, old, new)
            continue
        # As everywhere: a directory with something in it is not told of, what is in it is.
        before = None if old is not None and old.is_directory and path in parents else old
        after = None if new is not None and new.is_directory and path in parents else new
        if before is not None or after is not None:
            kind: DifferenceKind = "added" if before is None else "removed" if after is None else "changed"
            found.append(Difference(path, kind, before, after))
    return _with_renames(found)


def count_changes(repository: Repository, old_tree: TreeId | None, new_tree: TreeId) -> Counts:
    """Return how many files differ, renames as two and directories as none; ``old_tree`` None: there was nothing."""
    added = changed = removed = touched = 0
    for one in _classified(repository, diff_trees(repository.directories, old_tree, new_tree)):
        was_file = one.old is not None and not one.old.is_directory
        is_file = one.new is not None and not one.new.is_directory
        added += is_file and not was_file
        changed += is_file and was_file and one.kind != "time"
        touched += one.kind == "time"
        removed += was_file and not is_file
    return Counts(added, changed, removed, touched=touched)


def diff_below(
    repository: Repository, old_tree: TreeId, new_tree: TreeId, path: Path
) -> Iterator[tuple[Path, Entry | None, Entry | None]]:
    """Yield path, old and new entry of all that differs at ``path`` and below it, as ``diff_trees`` does."""
    directories = repository.directories
    old, new = find_entry(directories, old_tree, path), find_entry(directories, new_tree, path)
    if old == new:
        return
    yield path, old, new
    for below, before, after in diff_trees(directories, subtree(old), subtree(new)):
        yield path + below, before, after


def _classified(
    repository: Repository, differences: Iterable[tuple[Path, Entry | None, Entry | None]]
) -> Iterator[Difference]:
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
        if before is None and after is not None:
            yield Difference(path, "added", None, after)
        elif before is not None and after is None:
            yield Difference(path, "removed", before, None)
        elif before is not None:
            yield Difference(path, "changed", before, after)


def _of_same_content(path: Path, old: Entry, new: Entry) -> Iterator[Difference]:
    if old.mode != new.mode:
        yield Difference(path, "mode", old, new)
    elif old.mtime_ns != new.mtime_ns and not new.is_directory:
        yield Difference(path, "time", old, new)


def _with_renames(found: list[Difference]) -> list[Difference]:
    """Return ``found`` with each file that went and came again, same content, as one rename."""
    gone = [one for one in found if one.kind == "removed"]
    came = [one for one in found if one.kind == "added"]
    if not gone or not came:
        return found
    sources: dict[Path, Difference] = {}
    used: set[Path] = set()
    for keys in (_keys_with_name, _keys_without_name):
        waiting: dict[_Key, deque[Difference]] = defaultdict(deque)
        for one in gone:
            for key in keys(one.path, one.old):
                waiting[key].append(one)
        for one in came:
            source = _take(waiting, keys(one.path, one.new), used) if one.path not in sources else None
            if source is not None:
                sources[one.path] = source
    return [_as_rename(one, sources.get(one.path)) for one in found if not (one.kind == "removed" and one.path in used)]


def _take(waiting: dict[_Key, deque[Difference]], keys: Iterable[_Key], used: set[Path]) -> Difference | None:
    """Return the first that waits under one of ``keys`` and is not used yet; it is from now on."""
    for key in keys:
        queue = waiting.get(key)
        while queue:
            one = queue.popleft()
            if one.path not in used:
                used.add(one.path)
                return one
    return None


def _as_rename(one: Difference, source: Difference | None) -> Difference:
    if one.kind != "added" or source is None:
        return one
    return one._replace(kind="renamed", old=source.old, old_path=source.path)


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
