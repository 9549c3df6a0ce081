r"""Escape: any name as one piece of text without control characters, and back.

A name that is clean stays as it is. In others each of these bytes becomes
``%`` and two upper-case hex digits: control characters (below 0x20), DEL
(0x7F), ``%``, and every byte that is not part of valid UTF-8. Nothing else is
escaped, so a name has exactly one escaped form.

>>> escape_name(b"caf\xc3\xa9 100%\n\xff")
'café 100%25%0A%FF'
"""

import re

from vgit.errors import InvalidError
from vgit.paths import decode_name, encode_name

CLEAN = r"[^\x00-\x1f\x7f\ud800-\udfff]"  # what text outside of escapes consists of ("%" starts an escape)
_ESCAPED = re.compile(r"[\x00-\x1f\x7f%\udc80-\udcff]")
_ESCAPE = re.compile(r"%([0-9A-F]{2})")


def escape_name(name: bytes) -> str:
    """Return the one escaped form of ``name``."""
    return escape_text(decode_name(name))


def escape_text(name: str) -> str:
    """Return the escaped form of a name that is text already, bytes that are not UTF-8 as surrogates."""
    # A surrogate stands for the byte in its low eight bits, so both cases print alike.
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)


def needs_escape(text: str) -> bool:
    """Return whether a name that is part of ``text`` (many, put together) may have to be escaped."""
    return _ESCAPED.search(text) is not None


def unescape_name(text: str) -> bytes:
    """Return the name that ``escape_name`` wrote as ``text``; raise InvalidError for any other text."""
    try:
        # By way of surrogates, so that an escape and the raw byte are told apart from valid UTF-8.
        name = encode_name(_ESCAPE.sub(_unescape_byte, text))
    except UnicodeEncodeError:
        raise InvalidError(f"Invalid escaped name: {text!r} has surrogates.") from None
    if escape_name(name) != text:
        raise InvalidError(f"Invalid escaped name: {text!r} is not what escaping {name!r} gives.")
    return name


def _unescape_byte(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
