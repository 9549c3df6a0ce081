r"""Stored name: what a name is called in the git tree, so that git neither refuses it nor acts on it.

Git's ``fsck --strict`` refuses ``.git`` and checks ``.gitmodules`` and the
like, in every spelling that some file system takes for the same; a checkout
acts on them. Such names, and those that start with ``.vgit``, are stored as
``.vgit~`` and the name with ``%`` and ``\`` written ``%25`` and ``%5C``. All
other names are stored as they are. Normative text: docs/format/names.md.

>>> encode_stored_name(b".GIT", 0o040000), encode_stored_name(b".gitignore", 0o100644)
(b'.vgit~.GIT', b'.gitignore')
>>> encode_stored_name(b".gitignore", 0o120000)  # as a symlink it could point outside
b'.vgit~.gitignore'
"""

import re
from functools import cache

from vgit.objects.git_mode import SYMLINK_MODE

PREFIX = b".vgit~"

# U+200C–200F, U+202A–202E, U+206A–206F, U+FEFF: HFS+ does not see them, nor does git's check.
_IGNORED = re.compile(rb"\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf")

# A reserved name starts with one of these or with an ignored code point, unless it has a backslash.
_FIRST_BYTES = frozenset(b".~gGmM\xe2\xef")


def _spellings(name: bytes, hashed: bytes) -> bytes:
    """Return a pattern of ``.name`` and its NTFS short names: numbered, and hashed once numbers ran out."""
    by_hash = [hashed[:kept] + rb"~[1-9][0-9]{%d}" % (6 - kept) for kept in range(7)]
    return b"|".join([rb"\." + name, name[:6] + b"~[1-9]", *by_hash])


def _reserved(*spellings: bytes) -> re.Pattern[bytes]:
    # After the name: dots and spaces, which Windows drops; then the end, a stream's colon, or a backslash,
    # which Windows takes for a slash. Git's check for HFS+ also ends at malformed UTF-8: any byte from 0x80.
    names = rb"(?:\A|\\)(?:%b)[. ]*(?:\Z|[:\\\x80-\xff])" % b"|".join(spellings)
    return re.compile(rb"\A\.vgit|" + names, re.IGNORECASE)


@cache
def _patterns() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what is reserved, and what is for symlinks; compiled when the first name needs a closer look."""
    always = (rb"\.git|git~[1-9]", _spellings(b"gitmodules", b"gi7eba"), _spellings(b"gitattributes", b"gi7d29"))
    of_symlinks = (_spellings(b"gitignore", b"gi250a"), _spellings(b"mailmap", b"maba30"))
    return _reserved(*always), _reserved(*always, *of_symlinks)


def encode_stored_name(name: bytes, git_mode: int) -> bytes:
    """Return how ``name``, of an entry with ``git_mode``, is stored; no two names are stored alike."""
    if not _is_reserved(name, git_mode):
        return name
    return PREFIX + name.replace(b"%", b"%25").replace(b"\\", b"%5C")


def decode_stored_name(stored: bytes, git_mode: int) -> bytes:
    """Return the name that ``encode_stored_name`` stores as ``stored``; ``stored`` if there is none."""
    if not stored.startswith(PREFIX):
        return stored
    name = stored[len(PREFIX) :].replace(b"%5C", b"\\").replace(b"%25", b"%")
    return name if encode_stored_name(name, git_mode) == stored else stored


def _is_reserved(name: bytes, git_mode: int) -> bool:
    # Cheap for the many: a name is looked at for every entry written, and the patterns take twenty times as long.
    if not name or (name[0] not in _FIRST_BYTES and b"\\" not in name):
        return False
    pattern = _patterns()[git_mode == SYMLINK_MODE]
    return pattern.search(_IGNORED.sub(b"", name)) is not None
