"""Identity: who a commit is by, ``Name <mail>``, and any text as bytes that git takes."""

import re

from vgit.paths import decode_name

_UNFIT = re.compile(r"[<>\x00-\x1f\x7f]")
_AROUND = ".,:;\"'\\ "  # git takes these off both ends of a name
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_NO_BYTES = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte


def clean_identity(text: str) -> str:
    """Return ``text`` as a ``Name <mail>`` that git accepts, whatever was given.

    >>> clean_identity("Ann")
    'Ann <ann>'
    >>> clean_identity(" <> ")
    'unknown <unknown>'
    """
    name, bracket, rest = decode_name(encode_text(text)).partition("<")
    mail = rest.partition(">")[0] if bracket else ""
    name = " ".join(_UNFIT.sub(" ", name).split()).strip(_AROUND)
    mail = "".join(_UNFIT.sub("", mail).split())
    name = name or mail.partition("@")[0].strip(_AROUND) or "unknown"
    mail = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", mail or "".join(name.lower().split()))
    return f"{name} <{mail}>"


def encode_text(text: str) -> bytes:
    """Return the UTF-8 of ``text``; a surrogate that stands for no byte becomes U+FFFD."""
    return _NO_BYTES.sub("\N{REPLACEMENT CHARACTER}", text).encode("utf-8", "surrogateescape")
