"""Names: what volumes and environments may be called, and how ids are made.

A name has 1 to 64 characters of ``A-Z a-z 0-9 . _ -`` and is not ``.`` or
``..``. A volume's id is ``vo-`` and 22 base62 characters (131 random bits):
it names the repository's directory and never changes, while names may. So no
volume is given a name that looks like an id.
"""

import re

from vgit.clock import Clock
from vgit.errors import InvalidError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS = 22
_VOLUME_ID = re.compile(r"vo-[0-9A-Za-z]{22}\Z")


def check_volume_name(name: str) -> str:
    """Return ``name`` if a volume may be called so, else raise InvalidError."""
    return _check("Volume", name)


def check_new_volume_name(name: str) -> str:
    """Return ``name`` if a volume may be given it: not a name that would be taken for an id, either."""
    if _VOLUME_ID.match(check_volume_name(name)):
        raise InvalidError(f"Invalid Volume name: {name!r} is what the id of a volume looks like. Choose another name.")
    return name


def check_environment_name(name: str) -> str:
    """Return ``name`` if an environment may be called so, else raise InvalidError."""
    return _check("Environment", name)


def _check(what: str, name: object) -> str:
    if not isinstance(name, str) or not _NAME.match(name) or name in (".", ".."):
        raise InvalidError(
            f"Invalid {what} name: {name!r}. Names have 1 to 64 characters of A-Z, a-z, 0-9, '.', '_'"
            " and '-', and are not '.' or '..'."
        )
    return name


def check_volume_id(volume_id: str) -> str:
    """Return ``volume_id`` if it has the form of a volume id, else raise InvalidError."""
    if not isinstance(volume_id, str) or not _VOLUME_ID.match(volume_id):
        raise InvalidError(f"Invalid Volume id: {volume_id!r}. An id is 'vo-' and 22 letters or digits.")
    return volume_id


def new_volume_id(clock: Clock) -> str:
    """Return a fresh random volume id."""
    number = int.from_bytes(clock.random_bytes(17), "little")
    digits = []
    for _ in range(_ID_DIGITS):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "vo-" + "".join(digits)
