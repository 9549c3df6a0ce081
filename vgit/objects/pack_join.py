"""Pack join: several small packs into one, entry by entry as they are, nothing inflated.

    1. read each pack whole; what it ends with, its index's own hash and the CRC-32 of
       each entry must be right. One that is damaged in any way, or has deltas (stock
       git's), is left alone: a copy made by a wrong index would be of wrong bytes, and
       the pack that could have been read with a new index would be gone
    2. write one pack with every object once; make it and its index durable
    3. under the lock, say that the old ones are replaced (replaced_packs.py). They go later

A crash before 3 leaves objects twice, which harms nothing; so does an error, which
leaves no mark and no temporary file.
"""

from collections.abc import Sequence
from typing import NamedTuple

from isal import isal_zlib

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectFormat
from vgit.objects.named_pack import NamedPack
from vgit.objects.object_kind import DELTAS
from vgit.objects.pack_header import HEADER_SIZE, parse_pack_header
from vgit.objects.pack_index import PackIndex, open_index
from vgit.objects.pack_key import PACKS, index_key
from vgit.objects.pack_writer import PackWriter
from vgit.objects.replaced_packs import note_replaced

_Entry = tuple[bytes, bytes]  # id, and the entry as it is in the pack


class Joined(NamedTuple):
    """What became of the packs that were to be joined; those with deltas are in neither."""

    replaced: tuple[str, ...]
    damaged: dict[str, CorruptObjectError]


def join_packs(backend: Backend, object_format: ObjectFormat, keys: Sequence[str]) -> Joined:
    """Have the packs ``keys`` (``….pack``), which no writer marks, replaced by one; say which were."""
    writer = PackWriter(backend, object_format)
    joined: list[str] = []
    damaged: dict[str, CorruptObjectError] = {}
    try:
        for key in keys:
            try:
                entries = _entries(backend, object_format, key)
            except CorruptObjectError as error:
                damaged[key] = error
                continue
            for id, entry in entries:
                if id not in writer.entries:
                    writer.add_encoded(id, entry)
            if entries:
                joined.append(key)
        if len(joined) < 2:
            return Joined((), damaged)
        written = writer.finish()
    finally:
        writer.discard()
    _replace(backend, joined, written)
    return Joined(tuple(joined), damaged)


def _replace(backend: Backend, keys: Sequence[str], written: NamedPack) -> None:
    try:
        backend.sync(PACKS)
        with backend.exclusive():
            note_replaced(backend, written.key, [key for key in keys if key != written.key])
    finally:
        written.mark.remove()


def ids_of_whole_pack(backend: Backend, object_format: ObjectFormat, key: str) -> frozenset[bytes] | None:
    """Return what a pack holds, all its bytes held against its hashes; None if it has gone. CorruptObjectError."""
    try:
        data, index = backend.get(key), open_index(backend, object_format, key)
    except NotFoundError:
        return None
    try:
        _check(data, index, key, object_format)
        return frozenset(id for _, id, _ in index.in_pack_order())
    finally:
        index.close()


def _entries(backend: Backend, object_format: ObjectFormat, key: str) -> list[_Entry]:
    """Return the entries in pack order; none if it has gone or has deltas. CorruptObjectError if it is damaged."""
    try:
        data, index = backend.get(key), open_index(backend, object_format, key)
    except NotFoundError:
        return []
    try:
        _check(data, index, key, object_format)
        return _cut(data, index, key, len(data) - object_format.id_size)
    finally:
        index.close()


def _check(data: bytes, index: PackIndex, key: str, object_format: ObjectFormat) -> None:
    index.check()
    end = len(data) - object_format.id_size
    if end < HEADER_SIZE or object_format.new(memoryview(data)[:end]).digest() != data[end:]:
        raise CorruptObjectError(f"{key} does not have the hash that it ends with")
    if index.pack_hash != data[end:] or index.count != parse_pack_header(data):
        raise CorruptObjectError(f"{index_key(key)} is the index of another pack than {key}")


def _cut(data: bytes, index: PackIndex, key: str, end: int) -> list[_Entry]:
    found: list[_Entry] = []
    order = index.in_pack_order()
    starts = [offset for offset, _, _ in order]
    if starts and starts[0] != HEADER_SIZE:
        raise CorruptObjectError(f"{index_key(key)} lacks what {key} begins with")
    for (offset, id, crc), stop in zip(order, [*starts[1:], end], strict=False):  # an empty pack has no start
        entry = data[offset:stop]
        if not entry or isal_zlib.crc32(entry) != crc:
            raise CorruptObjectError(f"{key} at {offset}: the entry of {id.hex()} is not what the index says")
        if entry[0] >> 4 & 7 in DELTAS:
            return []  # they hold only where they are
        found.append((id, entry))
    return found
