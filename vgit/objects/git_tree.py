"""Git tree: names, kinds and ids of one directory, as git itself stores them.

Layout, repeated to the end, in git's order (by name, a tree's with a ``/`` behind):

    mode    octal ASCII, no leading zero     40000 100644 100755 120000 160000
    space
    name    any bytes but NUL and "/"
    NUL
    id      raw, 20 bytes in a SHA-1 repository
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, TypeAlias

from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId
from vgit.objects.git_mode import MODES, TREE_MODE, TREE_TEXT

_NO_NAMES = frozenset((b".", b".."))

TreeRow: TypeAlias = tuple[bytes, bytes, ObjectId]  # mode as text, name, id


class GitEntry(NamedTuple):
    """One name in a git tree."""

    mode: int
    name: bytes
    id: ObjectId


@cache
def _entry_pattern(id_size: int) -> re.Pattern[bytes]:
    return re.compile(rb"(%b) ([^/\0]+)\0(.{%d})" % (b"|".join(MODES), id_size), re.DOTALL)


def parse_tree(data: bytes, id_size: int) -> list[GitEntry]:
    """Return the entries of a tree in git's order.

    Raise CorruptObjectError, before anything is returned, for a tree that
    git's fsck refuses or that must not reach a file system: cut short, not in
    order, an unknown mode, a name that is empty, ``.`` or ``..``, has a ``/``,
    or is there twice.
    """
    return [GitEntry(MODES[mode], name, id) for mode, name, id in split_tree(data, id_size)]


def split_tree(data: bytes, id_size: int) -> list[TreeRow]:
    """Return what ``parse_tree`` does, checked alike, as plain tuples, the mode as text, which costs half as much."""
    found: list[TreeRow] = _entry_pattern(id_size).findall(data)
    modes, names, _ = zip(*found, strict=True) if found else ((), (), ())
    # A search skips what it cannot match; only if nothing was skipped is every byte accounted for.
    if len(b"".join(modes)) + len(b"".join(names)) + (id_size + 2) * len(found) != len(data):
        raise CorruptObjectError("tree is malformed: expected '<mode> <name>\\0<id>' throughout, git's modes, no '/'")
    if len(set(names)) != len(found):
        raise CorruptObjectError("tree has the same name twice")
    if not _NO_NAMES.isdisjoint(names):
        raise CorruptObjectError("tree has an entry named '.' or '..'")
    keys = list(names)
    if TREE_TEXT in modes:
        keys = [name + b"/" if mode == TREE_TEXT else name for mode, name, _ in found]
    if keys != sorted(keys):
        raise CorruptObjectError("tree is not in git's order")
    return found


def sort_key(mode: int, name: bytes) -> bytes:
    """Return what git's order compares: a tree sorts as if its name ended in a slash."""
    return name + b"/" if mode == TREE_MODE else name


def serialise_tree(entries: Iterable[GitEntry]) -> bytes:
    r"""Return the stored form of ``entries``, which may come in any order; the names are not checked.

    >>> id = ObjectId(b"1" * 20)
    >>> serialise_tree([GitEntry(0o040000, b"a", id), GitEntry(0o100644, b"a.c", id)])
    b'100644 a.c\x001111111111111111111140000 a\x0011111111111111111111'
    """
    ordered = sorted(entries, key=lambda entry: sort_key(entry.mode, entry.name))
    return b"".join([b"%o %b\0%b" % entry for entry in ordered])
