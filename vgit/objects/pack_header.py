"""Pack header: what a pack begins with: ``PACK``, its version and how many objects it has (u32 BE each)."""

HEADER_SIZE = 12

_START = b"PACK\0\0\0\2"
_READABLE = (_START, b"PACK\0\0\0\3")  # git reads version 3 as well, and writes none


def encode_pack_header(count: int) -> bytes:
    """Return the header of a pack of ``count`` objects."""
    return _START + count.to_bytes(4, "big")


def parse_pack_header(data: bytes) -> int | None:
    """Return how many objects a pack has that begins with ``data``; None: it is no pack of a known version."""
    return int.from_bytes(data[8:HEADER_SIZE], "big") if data[:8] in _READABLE else None
