"""Object database: every git object of a repository, by id.

Reading never locks and never trusts: ``read`` recomputes the id; damage and
absence are CorruptObjectError. What becomes of copies that are damaged, and of
packs that vanish, is in object_search.py.
"""

from typing import TypeVar

from vgit.backend.protocol import Backend
from vgit.errors import CorruptObjectError, NotFoundError
from vgit.ids import SHA1, ObjectFormat, ObjectId
from vgit.objects.blob_run import BlobRun
from vgit.objects.delta import BaseCache
from vgit.objects.loose_object import loose_header, read_loose
from vgit.objects.object_kind import KIND_NAMES
from vgit.objects.object_search import Ask, Search, checked
from vgit.objects.object_writer import ObjectWriter
from vgit.objects.pack_reader import Elsewhere, Ids, PackReader
from vgit.objects.pack_set import PackSet
from vgit.objects.pack_windows import PackWindows
from vgit.runtime.buffer import Buffer

T = TypeVar("T")

_MOST_HOPS = 50  # packs that one chain of deltas may lead through


class ObjectDatabase:
    """Git objects of the repository in ``backend``. Any thread may read; a writer belongs to one thread."""

    def __init__(self, backend: Backend, object_format: ObjectFormat = SHA1) -> None:
        self.backend = backend
        self.format = object_format
        self._windows = PackWindows(backend)
        self._bases = BaseCache()
        self._elsewhere = Elsewhere(self._base_header, self._base)
        self._packs = PackSet(backend, object_format.id_size, self._open_pack)

    def read(self, id: ObjectId) -> tuple[int, bytes]:
        """Return (kind, whole data); the id is checked."""
        return self._read(id, ())

    def read_kind(self, id: ObjectId, kind: int) -> bytes:
        """Return the data, checked to have this id and to be of this kind."""
        found, data = self._read(id, ())
        if found != kind:
            names = KIND_NAMES[found].decode(), KIND_NAMES[kind].decode()
            raise CorruptObjectError(f"object {id.hex()} is a {names[0]}, expected a {names[1]}")
        return data

    def read_unverified(self, id: ObjectId, room: memoryview | None = None) -> Buffer:
        """Return the data without computing its id, for callers that check its BLAKE3.

        Stored data is returned as it lies on disk; only its framing is checked. It may be put into ``room``,
        whose beginning is then what is returned: memory that is used again costs no page faults.
        """
        return self._find(
            id,
            Ask(
                lambda pack, position: pack.read(position, (), room)[1],
                lambda: read_loose(self.backend, id)[1],
                lambda kind, data: data,
            ),
        )

    def blob_run(self) -> BlobRun:
        """Return what reads small blobs in the order in which they lie."""
        return BlobRun(self.backend, self._packs)

    def header(self, id: ObjectId) -> tuple[int, int]:
        """Return (kind, size in bytes) without reading the data."""
        return self._header(id, ())

    def contains(self, id: ObjectId) -> bool:
        """Say whether the object is there: a yes as of the last listing; a no is sure, and costs two listings."""
        try:
            return self._find(id, Ask(lambda pack, position: True, lambda: True, lambda kind, data: True))
        except CorruptObjectError:
            return False

    def pack_of(self, id: ObjectId) -> str | None:
        """Return the key of a pack that holds the object; None if it is loose or absent."""
        key = self._packs.holder(id)
        return key if key is not None and key.endswith(".pack") else None

    def pack_sizes(self) -> dict[str, int]:
        """Return key and size of each pack of the last listing, or made since, that is not replaced; oldest first."""
        return {pack.key: pack.size_bytes for pack in reversed(self._packs.packs)}

    def count_replaced(self) -> int:
        """Return how many packs of the last listing have been replaced and wait to be removed."""
        return self._packs.count_replaced()

    def refresh(self) -> None:
        """List packs and loose objects again: another process may have added or removed some."""
        self._packs.refresh()

    def writer(self) -> ObjectWriter:
        """Begin a transaction. Lists again, so that what others published is not written twice."""
        self._packs.refresh()
        return self.writer_as_listed()

    def writer_as_listed(self) -> ObjectWriter:
        """Begin a transaction that may write again what others have written since the last listing."""
        return ObjectWriter(self.backend, self.format, self._packs)

    def damage(self) -> dict[str, CorruptObjectError]:
        """Return what is wrong with the packs whose indexes were found to be damaged, by the packs' keys."""
        return self._packs.damage()

    def close(self) -> None:
        """Release indexes and windows."""
        self._packs.close()
        self._windows.clear()
        self._bases.clear()

    def _open_pack(self, key: str, size_bytes: int) -> PackReader:
        return PackReader(key, size_bytes, self.backend, self.format, self._windows, self._bases, self._elsewhere)

    def _read(self, id: ObjectId, for_ids: Ids) -> tuple[int, bytes]:
        def verified(kind: int, data: Buffer) -> tuple[int, bytes]:
            return kind, checked(self.format, id, kind, data)

        return self._find(
            id,
            Ask(
                lambda pack, position: verified(*pack.read(position, for_ids)),
                lambda: verified(*read_loose(self.backend, id)),
                lambda kind, data: (kind, bytes(data)),
            ),
            for_ids,
        )

    def _header(self, id: ObjectId, for_ids: Ids) -> tuple[int, int]:
        return self._find(
            id,
            Ask(
                lambda pack, position: pack.header(position, for_ids),
                lambda: loose_header(self.backend, id),
                lambda kind, data: (kind, len(data)),
            ),
            for_ids,
        )

    def _base(self, id: ObjectId, for_ids: Ids) -> tuple[int, Buffer]:
        return self._read(id, _onward(id, for_ids))

    def _base_header(self, id: ObjectId, for_ids: Ids) -> tuple[int, int]:
        return self._header(id, _onward(id, for_ids))

    def _find(self, id: ObjectId, ask: Ask[T], for_ids: Ids = ()) -> T:
        """Return what is asked for of the first copy of ``id`` that is whole."""
        located = self._packs.locate(id)
        search = None
        if located is not None:
            try:
                return ask.in_pack(*located)
            except (NotFoundError, CorruptObjectError) as error:
                search = Search(self._packs, self.format, id, ask, for_ids)
                search.note(located[0], error)
        return (search or Search(self._packs, self.format, id, ask, for_ids)).run()


def _onward(id: ObjectId, for_ids: Ids) -> Ids:
    if id in for_ids or len(for_ids) > _MOST_HOPS:
        raise CorruptObjectError("the chain of deltas through the packs has no end")
    return (*for_ids, id)
