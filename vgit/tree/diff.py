"""Diff: which entries of two trees differ, at a cost that follows the change.

Subtrees of equal id are never read. Of the others each is read once, when its
turn comes, so a caller that stops early has not paid for the rest.
"""

from collections.abc import Iterator
from typing import TypeAlias

from vgit.ids import TreeId
from vgit.paths import ROOT, Path
from vgit.runtime.cancel import checkpoint
from vgit.tree.directory import DirectoryReader
from vgit.tree.entry import Entry, subtree

Difference: TypeAlias = tuple[Path, Entry | None, Entry | None]  # path, old, new


def diff_trees(reader: DirectoryReader, old: TreeId | None, new: TreeId | None) -> Iterator[Difference]:
    """Yield path, old and new entry of everything that differs between two trees, in path order.

    None: not there. Directories are entries too, each before what is in it: one
    that differs in its contents only has two ids. A directory that came or went is followed by
    all that is in it, also where a file stands in the other tree.
    """
    # A stack and not recursion: trees may be deeper than Python's call stack.
    pending = [_differences(reader, ROOT, old, new)]
    while pending:
        difference = next(pending[-1], None)
        if difference is None:
            pending.pop()
            continue
        yield difference
        path, before, after = difference
        below = subtree(before), subtree(after)
        if below[0] != below[1]:
            pending.append(_differences(reader, path, *below))


def _differences(reader: DirectoryReader, path: Path, old: TreeId | None, new: TreeId | None) -> Iterator[Difference]:
    """Yield what differs in one directory, in order of name; reads nothing before the first is asked for."""
    if old == new:
        return
    checkpoint()
    before = reader.read(old).entries if old is not None else {}
    after = reader.read(new).entries if new is not None else {}
    names = [name for name, entry in after.items() if before.get(name) != entry]
    names += [name for name in before if name not in after]
    for name in sorted(names):
        yield (*path, name), before.get(name), after.get(name)
