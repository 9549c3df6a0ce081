r"""Chunk tree record: the two texts named ``.vgit`` inside a chunk tree.

Lines end with ``\n`` only; numbers are decimal without leading zeros, hex is
lower case (normative text: docs/format/content.md):

    vgit file 1                                     the file record
    size <bytes>
    blake3 <64 hex>                                 of the whole file
    chunking fastcdc-2020 <min> <average> <max> <normalization>
    groups <64 hex>                                 digest of the tree's other entries

    vgit group 1                                    the group record
    <bytes> <64 hex>                                size and BLAKE3 of each chunk, in order

Records are data from outside: what is not exactly of this form is refused.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from blake3 import blake3

from vgit.content.chunker import AVERAGE_SIZE, GROUP_MAX, MAX_SIZE, MIN_SIZE, NORMALIZATION

FILE_RECORD_START = b"vgit file "  # of any version: what tells a chunk tree from a directory
CHUNKING = f"fastcdc-2020 {MIN_SIZE} {AVERAGE_SIZE} {MAX_SIZE} {NORMALIZATION}"

_HEX = r"[0-9a-f]{64}"
_FILE_RECORD = re.compile(
    rf"vgit file 1\nsize (0|[1-9][0-9]{{0,18}})\nblake3 ({_HEX})\n"
    rf"chunking ([ -~]{{1,100}})\ngroups ({_HEX})\n".encode()
)
_GROUP_START = b"vgit group 1\n"
_GROUP_RECORD = re.compile(rf"vgit group 1\n(?:[1-9][0-9]{{0,7}} {_HEX}\n)+".encode())
_READABLE_CHUNK = 16 << 20  # other parameters than ours may come: a reader takes what FastCDC can be told


class FileRecord(NamedTuple):
    """What a chunk tree says of its file."""

    size: int  # bytes
    hash: bytes  # BLAKE3 of the whole file, raw
    chunking: str  # algorithm and parameters of the cuts
    digest: bytes  # of the tree's entries but the record: ``entries_digest``


def entries_digest(entries: bytes) -> bytes:
    """Return the digest of ``entries``, a raw git tree without its record: their BLAKE3.

    Each entry holds the id of a group's tree, so the digest covers all that is below.
    """
    return blake3(entries).digest()


def encode_file_record(record: FileRecord) -> bytes:
    """Return the text of ``record``."""
    return (
        f"vgit file 1\nsize {record.size}\nblake3 {record.hash.hex()}\n"
        f"chunking {record.chunking}\ngroups {record.digest.hex()}\n"
    ).encode()


def parse_file_record(data: bytes) -> FileRecord | None:
    """Return what ``encode_file_record`` wrote; None if ``data`` is anything else."""
    match = _FILE_RECORD.fullmatch(data)
    if match is None:
        return None
    size, whole_hash, chunking, digest = (part.decode("ascii") for part in match.groups())
    return FileRecord(int(size), bytes.fromhex(whole_hash), chunking, bytes.fromhex(digest))


def encode_group_record(chunks: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the text for ``chunks``: size in bytes and raw BLAKE3 of each."""
    return _GROUP_START + b"".join([b"%d %s\n" % (size, digest.hex().encode()) for size, digest in chunks])


def parse_group_record(data: bytes) -> list[tuple[int, bytes]] | None:
    """Return what ``encode_group_record`` was given; None if ``data`` is anything else."""
    if _GROUP_RECORD.fullmatch(data) is None:
        return None
    words = data[len(_GROUP_START) :].decode("ascii").split()
    sizes = [int(word) for word in words[::2]]
    if len(sizes) > GROUP_MAX or max(sizes) > _READABLE_CHUNK:
        return None
    return list(zip(sizes, map(bytes.fromhex, words[1::2]), strict=True))
