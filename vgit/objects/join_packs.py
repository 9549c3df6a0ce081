"""Join packs: several small packs into one, entry by entry as they are, nothing inflated.

    1. read each pack whole, check it against its trailer; one that is damaged, or
       has deltas (stock git's), is left alone
    2. write one pack with every object once; make it and its index durable
    3. under the lock, remove the old ones, each index before its pack

A crash before 3 leaves objects twice, which harms nothing. A reader that meets
a pack gone lists again and finds the new one.
"""

from collections.abc import Iterator, Sequence

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import ObjectFormat
from vgit.objects.pack_index import PackIndex
from vgit.objects.pack_writer import PACKS, PackWriter

_DELTA_KINDS = (6, 7)  # of git's pack entries: offset delta, reference delta


def join_packs(backend: Backend, form: ObjectFormat, keys: Sequence[str]) -> int:
    """Replace the packs ``keys`` (``….pack``), which no writer marks, by one; return how many were replaced."""
    writer = PackWriter(backend, form)
    joined: list[str] = []
    for key in keys:
        try:
            entries = list(_entries(backend, form, key))
        except (CorruptObjectError, NotFoundError):
            continue  # damaged, with deltas, or gone meanwhile
        for id, entry in entries:
            if id not in writer.entries:
                writer.add_encoded(id, entry)
        joined.append(key)
    if len(joined) < 2:
        writer.discard()
        return 0
    written = writer.finish()
    backend.sync(PACKS)
    with backend.exclusive():
        for key in joined:
            if key != written.key:
                backend.delete(key.removesuffix(".pack") + ".idx")
                backend.delete(key)
        backend.delete(written.keep_key)
    return len(joined)


def _entries(backend: Backend, form: ObjectFormat, key: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield (id, entry) in pack order; CorruptObjectError if the pack cannot be taken as it is."""
    data = backend.get(key)
    end = len(data) - form.id_size
    if end < 0 or form.new(data[:end]).digest() != data[end:]:
        raise CorruptObjectError(f"{key} does not have the hash that it ends with")
    index = PackIndex(backend.view(key.removesuffix(".pack") + ".idx"), key, form)
    try:
        order = index.in_pack_order()
    finally:
        index.close()
    for number, (offset, id) in enumerate(order):
        if data[offset] >> 4 & 7 in _DELTA_KINDS:
            raise CorruptObjectError(f"{key} has deltas, which hold only where they are")
        stop = order[number + 1][0] if number + 1 < len(order) else end
        yield id, data[offset:stop]
