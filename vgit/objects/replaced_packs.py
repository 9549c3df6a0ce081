"""Replaced packs: packs that another pack has taken the place of, and that are still there.

They go later (maintenance/drop_replaced.py), so that listings that others have taken, a
copy of the store, a stock git at work still find what they name. Until then nobody
relies on them, and nobody joins them again. A record says so:

    vgit/replaced/<40 hex>     durable, written when the pack that replaces them is durable

        vgit replaced 1
        by pack-<hex>
        pack-<hex>             each of the packs replaced, in a line

The record's own mtime says since when, by the clock that all files of the store have.
Its name is the SHA-1 of its text, so one that is known need not be read again.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vgit.backend.protocol import Backend
from vgit.errors import NotFoundError
from vgit.objects.pack_key import PACKS

REPLACED = "vgit/replaced/"

_HEADER = "vgit replaced 1"
_RECORD = re.compile(_HEADER + r"\nby (pack-[0-9a-f]+)\n((?:pack-[0-9a-f]+\n)+)")


class Replaced(NamedTuple):
    """One record: keys of packs."""

    by: str
    packs: tuple[str, ...]


def note_replaced(backend: Backend, by: str, packs: Sequence[str]) -> None:
    """Say that the pack ``by``, which is durable, has what ``packs`` have; durable on return."""
    lines = [_HEADER, "by " + _name(by), *map(_name, packs)]
    text = ("\n".join(lines) + "\n").encode()
    backend.put(REPLACED + hashlib.sha1(text).hexdigest(), text)


def read_replaced(backend: Backend, key: str) -> Replaced | None:
    """Return what a record says; None if it has gone, or is none: then nothing counts as replaced by it."""
    try:
        found = _RECORD.fullmatch(backend.get(key).decode("ascii", "replace"))
    except NotFoundError:
        return None
    return Replaced(_key(found[1]), tuple(map(_key, found[2].split()))) if found is not None else None


def list_records(backend: Backend) -> frozenset[str]:
    """Return the keys of the records there are."""
    return frozenset(backend.names(REPLACED))


class ReplacedPacks:
    """The packs that are replaced, by the records last listed."""

    def __init__(self, backend: Backend) -> None:
        self.packs: frozenset[str] = frozenset()
        self._backend = backend
        self._records: dict[str, frozenset[str]] = {}

    def is_as_listed(self, records: Iterable[str]) -> bool:
        """Say whether these are the records known."""
        return self._records.keys() == set(records)

    def take(self, records: Iterable[str]) -> None:
        """Read the records that are not known, and forget those that have gone."""
        known: dict[str, frozenset[str]] = {}
        for key in records:
            packs = self._records.get(key)
            if packs is None:
                record = read_replaced(self._backend, key)
                packs = frozenset(record.packs) if record is not None else frozenset()
            known[key] = packs
        self._records = known
        self.packs = frozenset().union(*known.values())


def _name(key: str) -> str:
    return key.removeprefix(PACKS + "/").removesuffix(".pack")


def _key(name: str) -> str:
    return f"{PACKS}/{name}.pack"
