"""Directory record: what git cannot hold of a directory's entries, as text beside them.

A blob named ``.vgit`` in the tree. A header, then a line for each entry in
the tree's order (normative text: docs/format/directory.md):

    vgit-directory 1[ <mode>]                          mode: the root's own, in the root's record only
    <mode> <mtime_ns> <size> <blake3> <id> <name>      regular files and symlinks
    <mode> <mtime_ns> 0 - - <name>                     directories, FIFOs, sockets

The name is the stored one, escaped. ``id`` is the first 16 hex digits of the
git id: a line is about that version of that name and no other. A directory's
line has none, so that a change deep below leaves it, and this blob, alone.

A record may come from outside. Every line stands by itself: one that is not
exactly as a writer makes it is as if it were not there.
"""

import re
import stat
from functools import cache
from typing import NamedTuple, TypeAlias

from vgit.errors import InvalidError
from vgit.objects.git_mode import EXECUTABLE_TEXT, FILE_TEXT, OLD_FILE_TEXT, SYMLINK_TEXT, TREE_TEXT
from vgit.paths import decode_name
from vgit.tree.escape import CLEAN, unescape_name

_VERSION = "1"
_HEADER = re.compile(r"vgit-directory ([1-9][0-9]{0,9})(?: (4[0-7]{4}))?\n")

# Bounded numbers, because int() of a text without bound is quadratic: mtimes reach seconds of 64 bits.
_LINE = re.compile(
    r"^((?:1[024]?|4)[0-7]{4}) (0|-?[1-9][0-9]{0,27}) (0|[1-9][0-9]{0,18}) ([0-9a-f]{64}|-)"
    rf" ((?:[0-9a-f]{{16}}|-) {CLEAN}+)\n",
    re.MULTILINE,
)

RecordLine: TypeAlias = tuple[str, str, str, str, str]  # mode, mtime_ns, size, BLAKE3, "<id> <name>": as read


class Record(NamedTuple):
    """A directory record, read."""

    mode: int | None  # the root's own st_mode, if the header has one
    lines: dict[str, RecordLine]  # by "<id> <stored name, not escaped>"; the last of several
    specials: dict[str, RecordLine]  # of these, FIFOs and sockets, by stored name: no git entry stands for them


NO_RECORD = Record(None, {}, {})


def split_header(data: bytes) -> tuple[int | None, str]:
    """Return the mode in the header and the lines behind it as text; no lines if the header is not as it should be."""
    text = decode_name(data)
    header = _HEADER.match(text)
    if header is None or header[1] != _VERSION:
        return None, ""
    return int(header[2], 8) if header[2] else None, text[header.end() :]


def parse_record(data: bytes) -> Record:
    """Return what is well-formed in ``data``, whatever that is.

    A header of another version makes all lines void; one that is damaged only loses the mode.
    """
    text = decode_name(data)
    header = _HEADER.match(text)
    if header and header[1] != _VERSION:
        return NO_RECORD
    mode = int(header[2], 8) if header and header[2] else None
    lines: dict[str, RecordLine] = {line[4]: line for line in _LINE.findall(text)}
    if "%" in text:
        lines = _unescape(lines)
    specials = {key[2:]: line for key, line in lines.items() if _is_special(line)} if " 0 - - " in text else {}
    return Record(mode, lines, specials)


def _unescape(lines: dict[str, RecordLine]) -> dict[str, RecordLine]:
    plain = {}
    for key, line in lines.items():
        if "%" in key:
            id, _, name = key.partition(" ")
            try:
                key = f"{id} {decode_name(unescape_name(name))}"
            except InvalidError:
                continue
        plain[key] = line
    return plain


@cache
def file_mode(recorded: str, git_mode: bytes) -> int | None:
    """Return the st_mode of a file or symlink whose line says ``recorded``; None if git says another kind."""
    mode = int(recorded, 8)
    if stat.S_ISLNK(mode):
        return mode if git_mode == SYMLINK_TEXT else None
    if not stat.S_ISREG(mode) or git_mode not in (TREE_TEXT, FILE_TEXT, OLD_FILE_TEXT, EXECUTABLE_TEXT):
        return None
    if git_mode == TREE_TEXT or bool(mode & 0o100) == (git_mode == EXECUTABLE_TEXT):
        return mode
    # Stock git changed the one bit it knows: x where there is r, or nowhere.
    return mode | 0o100 | (mode & 0o444) >> 2 if git_mode == EXECUTABLE_TEXT else mode & ~0o111


def is_bare(line: RecordLine) -> bool:
    """Return whether ``line`` has no size, hash and id, as those of directories, FIFOs and sockets must."""
    return line[2] == "0" and line[3] == "-" and line[4][0] == "-"


def _is_special(line: RecordLine) -> bool:
    return is_bare(line) and stat.S_IFMT(int(line[0], 8)) in (stat.S_IFIFO, stat.S_IFSOCK)


def serialise_record(lines: list[str], mode: int | None) -> bytes:
    """Return the stored form of a record; each of ``lines`` ends in a line feed."""
    header = f"vgit-directory {_VERSION}\n" if mode is None else f"vgit-directory {_VERSION} {mode:o}\n"
    return "".join([header, *lines]).encode()
