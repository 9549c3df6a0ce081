"""Keys: which text may name a value, and which file names are not keys at all.

A key is parts joined by ``/``; no part is empty, ``.`` or ``..``. Beside the
keys lie files that no key may name and no listing shows:

    *.lock               locks: git's, and vgit.lock
    objects/**/tmp_*     unfinished values; the name under which stock git sweeps its own
    .tmp_*               unfinished values elsewhere; git takes no such name for a ref

Keys that end in ``.pack`` or ``.idx`` are never written twice with different
bytes, so a descriptor of one may be kept.
"""

from vgit.clock import Clock
from vgit.errors import InvalidError

LOCK_SUFFIX = ".lock"
_NO_PART = frozenset(("", ".", ".."))
_IMMUTABLE = (".pack", ".idx")


def check_key(key: str) -> str:
    """Return ``key`` if a value may be called so, else raise InvalidError.

    >>> check_key("refs/heads/main")
    'refs/heads/main'
    """
    _check_parts(key, key.split("/"))
    if is_hidden(key):
        raise InvalidError(f"Invalid key: {key!r} is the name of a lock or a temporary file.")
    return key


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if keys may start with it, else raise InvalidError."""
    _check_parts(prefix, prefix.split("/")[:-1])
    return prefix


def _check_parts(key: str, parts: list[str]) -> None:
    if "\0" in key or not _NO_PART.isdisjoint(parts):
        raise InvalidError(f"Invalid key: {key!r}; no part of it may be empty, '.', '..' or have a NUL.")
    try:
        key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidError(f"Invalid key: {key!r} cannot be written as bytes: {error.reason}.") from error


def check_range(start: int, length: int | None) -> None:
    """Raise InvalidError if ``start`` or ``length`` is negative."""
    if start < 0 or (length is not None and length < 0):
        raise InvalidError(f"Invalid range: start {start}, length {length}; neither may be negative.")


def is_hidden(key: str) -> bool:
    """Say whether the file of that name is a lock or temporary, so no value."""
    return key.endswith(LOCK_SUFFIX) or is_temporary(key)


def is_temporary(key: str) -> bool:
    """Say whether the file of that name is an unfinished value.

    >>> is_temporary("objects/pack/tmp_pack_01"), is_temporary("refs/tags/tmp_1")
    (True, False)
    """
    name = key[key.rfind("/") + 1 :]
    return name.startswith(".tmp_") or (name.startswith("tmp_") and key.startswith("objects/"))


def is_immutable(key: str) -> bool:
    """Say whether the key's value, once there, is never another."""
    return key.endswith(_IMMUTABLE)


def temporary_name(key: str, clock: Clock) -> str:
    """Return a fresh name, in the directory of ``key``, that ``is_temporary``."""
    directory = key[: key.rfind("/") + 1]
    if directory == "objects/pack/":
        first = "tmp_pack_"
    else:
        first = "tmp_obj_" if key.startswith("objects/") else ".tmp_"
    return directory + first + clock.random_bytes(8).hex()
