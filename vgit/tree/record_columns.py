"""Record columns: a directory that holds files and symlinks only, all with their lines, read at once.

A writer gives the record's lines in the tree's order. While they fit row by
row, each field of all lines is checked as one column: against git's rows, or
against the one way of writing its values. Where they do not (stock git made an
entry, a subdirectory, a name with a space), the caller reads line by line and
comes to the same entries.
"""

import re
from itertools import repeat

from vgit.objects.git_mode import MODES
from vgit.objects.git_tree import TreeRow
from vgit.tree.directory_record import file_mode
from vgit.tree.entry import Entry

_FIELDS = 6  # mode, mtime_ns, size, BLAKE3, id, name
_MODE = re.compile("1[02][0-7]{4}")  # of files and symlinks
_LONGEST_NUMBER = 19  # digits; a nanosecond of today has as many
_HASH_SIZE = 32


def read_columns(rows: list[TreeRow], names: list[str], lines: str) -> list[Entry] | None:
    """Return the entries of ``rows``; None if ``lines`` is anything but one line for each of them, in their order.

    ``names`` are those of the rows as text, none of which needs escapes in a line.
    """
    each = lines.split("\n")
    if each.pop() or not names or set(map(str.count, each, repeat(" "))) != {_FIELDS - 1}:
        return None
    fields = " ".join(each).split(" ")
    modes, mtimes, sizes, hashes, short_ids, written = (fields[at::_FIELDS] for at in range(_FIELDS))
    if written != names or short_ids != [id[:8].hex() for _, _, id in rows]:
        return None
    git_modes, _, ids = zip(*rows, strict=True)
    columns = (
        _modes(modes, git_modes),
        [MODES[one] for one in git_modes],
        ids,
        _numbers(sizes, at_least=0),
        _numbers(mtimes),
        _hashes(hashes),
    )
    if None in columns:
        return None
    # As Entry(…) of each row, without its way through Python.
    return list(map(tuple.__new__, repeat(Entry), zip(*columns, strict=True)))  # type: ignore[arg-type]


def _modes(recorded: list[str], git_modes: tuple[bytes, ...]) -> list[int | None] | None:
    if not all(map(_MODE.fullmatch, set(recorded))):
        return None
    modes = list(map(file_mode, recorded, git_modes))
    return None if None in modes else modes


def _numbers(texts: list[str], at_least: int | None = None) -> list[int] | None:
    """Return what a column of numbers says, None if one is not written as a writer does."""
    if max(map(len, texts)) > _LONGEST_NUMBER:  # int() of a text without bound is quadratic
        return None
    try:
        numbers = list(map(int, texts))
    except ValueError:
        return None
    if list(map(str, numbers)) != texts or (at_least is not None and min(numbers) < at_least):
        return None
    return numbers


def _hashes(texts: list[str]) -> list[bytes] | None:
    digits = "".join(texts)
    try:
        together = bytes.fromhex(digits)
    except ValueError:
        return None
    if set(map(len, texts)) != {2 * _HASH_SIZE} or together.hex() != digits:
        return None
    return [together[at : at + _HASH_SIZE] for at in range(0, len(together), _HASH_SIZE)]
