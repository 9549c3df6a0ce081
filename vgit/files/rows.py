"""Rows: what a mount last saw of the names in one directory, packed for the stat cache.

A directory is one row of the database, three byte strings:

    names     the names, joined by NUL, in any order
    stats     36 bytes a name: st_mode u32, st_size i64, st_mtime_ns i64, st_ctime_ns i64, st_ino u64
    entries   what was *seen* there (last checked out or committed): mode u32, git_mode u32, size i64,
              mtime_ns i64, flags u8 (1: has an id, 2: has a BLAKE3), id, BLAKE3

all little-endian. ``stats`` holds what ``lstat`` gave back, so that a value
that the file system rounded is no change; mtimes beyond an i64 are cut to it. A ctime of 0 says: do not trust
this row, read the file again.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from struct import Struct
from typing import NamedTuple, TypeAlias

from vgit.ids import ObjectFormat, ObjectId
from vgit.localfs.file_stat import FARTHEST_NS, BareStat, Stat, bounded
from vgit.paths import decode_name, encode_name
from vgit.tree.entry import Entry

UNTRUSTED_CTIME = 0
_STAT = Struct("<IqqqQ")
_HASH_SIZE = 32
_HAS_ID = 1
_HAS_HASH = 2


class Row(NamedTuple):
    """One name as the mount last saw it."""

    stat: Stat
    entry: Entry


def untrusted(stat: Stat) -> Stat:
    """Return ``stat`` so that it never equals what ``lstat`` gives."""
    return Stat(stat.mode, stat.size, stat.mtime_ns, UNTRUSTED_CTIME, stat.ino)


class PackedRows:
    """The rows of one directory as stored: each is unpacked when it is asked for, as packed they take a fifth."""

    __slots__ = ("_entries", "_format", "_names", "_numbers", "_stats")

    def __init__(self, names: bytes, stats: bytes, entries: bytes, object_format: ObjectFormat) -> None:
        count, rest = divmod(len(stats), _STAT.size)
        entry_size = _entry_struct(object_format.id_size).size
        if rest or (names.count(b"\0") + 1 if count else 0) != count or len(entries) != count * entry_size:
            raise ValueError("names, stats and entries of a directory are not of one number")
        self._names = names
        self._stats = stats
        self._entries = entries
        self._format = object_format
        self._numbers: dict[str, int] | None = None

    def names(self) -> list[str]:
        """Return the names, as stored."""
        # No name has a slash, so all are decoded in one call.
        return decode_name(self._names.replace(b"\0", b"/")).split("/") if self._stats else []

    def __len__(self) -> int:
        return len(self._stats) // _STAT.size

    def by_name(self) -> dict[str, BareStat]:
        """Return name → stat; the caller may change the dict."""
        return dict(zip(self.names(), _STAT.iter_unpack(self._stats), strict=True))

    def row(self, name: str) -> Row | None:
        """Return what was last seen of ``name``, None if there is no row."""
        if self._numbers is None:
            self._numbers = {known: number for number, known in enumerate(self.names())}
        number = self._numbers.get(name)
        if number is None:
            return None
        return Row(
            Stat(*_STAT.unpack_from(self._stats, number * _STAT.size)),
            _unpack_entry(self._entries, number, self._format.id_size),
        )

    def items(self) -> Iterator[tuple[str, Row]]:
        """Yield every name with its row."""
        for number, (name, stat) in enumerate(self.by_name().items()):
            yield name, Row(Stat(*stat), _unpack_entry(self._entries, number, self._format.id_size))

    def entries(self) -> dict[str, Entry]:
        """Return name → what was seen there."""
        id_size = self._format.id_size
        return {name: _unpack_entry(self._entries, number, id_size) for number, name in enumerate(self.names())}


Packed: TypeAlias = tuple[bytes, bytes, bytes]  # names, stats and entries as they are stored


def join_rows(one: Packed, other: Packed) -> Packed:
    """Return the rows of both, which have no name in common."""
    if not one[1] or not other[1]:
        return one if one[1] else other
    return one[0] + b"\0" + other[0], one[1] + other[1], one[2] + other[2]


def untrust_from(packed: Packed, ctime_ns: int, object_format: ObjectFormat) -> Packed:
    """Return the rows so that those with this ctime or a later one are not trusted."""
    rows = dict(PackedRows(*packed, object_format).items())
    for name, row in rows.items():
        if row.stat.ctime_ns >= ctime_ns:
            rows[name] = Row(untrusted(row.stat), row.entry)
    return pack_rows(rows, object_format)


def pack_rows(rows: Mapping[str, tuple[BareStat, Entry]], object_format: ObjectFormat) -> Packed:
    """Return names, stats and entries as they are stored."""
    names = encode_name("\0".join(rows))
    pack_stat, pack_entry = _STAT.pack, _entry_struct(object_format.id_size).pack
    stats, entries = [], []
    for stat, (mode, git_mode, id, size, mtime_ns, hash) in rows.values():
        if not -FARTHEST_NS < mtime_ns < FARTHEST_NS:
            mtime_ns = bounded(mtime_ns)
        flags = (_HAS_ID if id is not None else 0) | (_HAS_HASH if hash is not None else 0)
        stats.append(pack_stat(*stat))
        entries.append(pack_entry(mode, git_mode, size, mtime_ns, flags, id or b"", hash or b""))
    return names, b"".join(stats), b"".join(entries)


def _unpack_entry(entries: bytes, number: int, id_size: int) -> Entry:
    form = _entry_struct(id_size)
    mode, git_mode, size, mtime_ns, flags, id, hash = form.unpack_from(entries, number * form.size)
    return Entry(
        mode,
        git_mode,
        ObjectId(id) if flags & _HAS_ID else None,
        size,
        mtime_ns,
        hash if flags & _HAS_HASH else None,
    )


@lru_cache(maxsize=4)
def _entry_struct(id_size: int) -> Struct:
    return Struct(f"<IIqqB{id_size}s{_HASH_SIZE}s")
