"""Paths: where something is in a volume, as a tuple of names from its root.

In the API a path is text with ``/`` between names; a leading ``/``, ``.`` and
``//`` make no difference. Inside, a path is a tuple, so that ``a/b`` sorts
within ``a`` and no name is ever split twice. Names are ``str``; bytes that are
not UTF-8 are carried as surrogates (PEP 383). So does Python at the border to
the system, if it has UTF-8 for names of files: ``require_utf8``.
"""

import os
import sys
from typing import TypeAlias

from vgit.errors import Error, InvalidError

Path: TypeAlias = tuple[str, ...]

ROOT: Path = ()
STATE_NAME = ".vgit"  # in a mount's root, what makes it a mount
RECORD_NAME = b".vgit"  # in a git tree, what git cannot hold of it: a user's name is never stored as this one
MOUNT_FILE = "mount"  # in that, the file that says so
MODES_NAME = ".vgit-modes"  # while a directory that is no mount has closed ones opened: how their modes were
BESIDE_NAME = ".vgit-beside"  # where another file system is mounted in a mount: what is on its way in and out there
_KEPT_NAMES = {len(name): name for name in (STATE_NAME, MODES_NAME, BESIDE_NAME)}


def parse_path(text: str) -> Path:
    """Return the path that ``text`` names; raise InvalidError for ``..``, NUL and what no bytes stand for.

    >>> parse_path("/a/./b//c/")
    ('a', 'b', 'c')
    """
    if not isinstance(text, str):
        text = _from_path_like(text)
    if not text.isascii():
        text = _canonical(text)
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if ".." in parts:
        raise InvalidError(f"Invalid path: {text!r} has a '..'; give the path from the volume's root.")
    if "\0" in text:
        raise InvalidError(f"Invalid path: {text!r} has a NUL byte.")
    return parts


def local_path(path: object) -> str:
    """Return a path of this machine as text; raise InvalidError for what is none, and for an empty one.

    An empty path would mean the current directory, and is as a rule a variable that was not set.
    """
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if not text or "\0" in text:
        raise InvalidError(f"Invalid local path: {path!r}; expected text or a Path that is not empty.")
    return text


def expand_home(path: object) -> str:
    """Return a local path, of a store or a mount; ``~`` and ``~user`` at its beginning mean home.

    A shell sees to that only where it sees the ``~``: not behind a colon or ``=``, nor in a program or a container's
    settings. InvalidError if there is no home.
    """
    text = os.path.expanduser(local_path(path))
    if text.partition("/")[0] == "~":
        raise InvalidError(f"Invalid local path: {text!r}; this user has no home directory. Give the whole path.")
    return text


def _from_path_like(value: object) -> str:
    fspath = getattr(value, "__fspath__", None)
    text = fspath() if fspath else value
    if isinstance(text, bytes):
        return decode_name(text)
    if not isinstance(text, str):
        raise InvalidError(f"Invalid path: {value!r} is {type(value).__name__}, expected text.")
    return text


def _canonical(text: str) -> str:
    # Surrogates may spell bytes that are UTF-8 after all: one name must not have two keys in a tree.
    try:
        return decode_name(encode_name(text))
    except UnicodeEncodeError as error:
        raise InvalidError(f"Invalid path: {text!r} has a surrogate that stands for no byte.") from error


def format_path(path: Path) -> str:
    """Return ``path`` as the API shows it: no leading slash, the root as ``""``."""
    return "/".join(path)


def is_state_name(name: str) -> bool:
    """Return whether a name, in any directory, is kept for vgit: nothing of it is published or checked out.

    >>> is_state_name(".vgit"), is_state_name(".VGit"), is_state_name(".vgit-modes"), is_state_name(".vgit~x")
    (True, True, True, False)
    """
    return len(name) in _KEPT_NAMES and name.lower() == _KEPT_NAMES[len(name)]  # some file systems fold case


def has_state_name(path: Path) -> bool:
    """Return whether ``path`` leads to, or through, what is kept for mounts."""
    return any(map(is_state_name, path))


def encode_name(name: str) -> bytes:
    """Return the bytes of a name on disk and in git."""
    return name.encode("utf-8", "surrogateescape")


def decode_name(name: bytes) -> str:
    """Return the text of a name from disk or git; the inverse of ``encode_name``."""
    return name.decode("utf-8", "surrogateescape")


def require_utf8() -> None:
    """Raise Error if Python gives names of files to the system, and takes them from it, as other bytes than we mean.

    In a locale of another encoding ``é`` is one byte on disk, or none. Every name beyond ASCII would be another one
    than that in the volume: removed for the next commit, and added again, misspelled.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise Error(
            f"this process has names of files in the encoding {encoding}, from its locale; vgit needs UTF-8, so that a"
            " name is the same bytes everywhere. Start it with PYTHONUTF8=1 (or python -X utf8), or in a UTF-8 locale."
        )


def printable(text: str) -> str:
    r"""Return ``text`` fit for a message: bytes that are not UTF-8 shown as ``\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
