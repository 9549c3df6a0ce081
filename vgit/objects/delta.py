"""Deltas: objects that stock git stored as changes to another; vgit reads them and never makes them."""

from typing import TYPE_CHECKING

from vgit.runtime.buffer import Buffer
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from dulwich import errors, pack
else:
    errors, pack = lazy_import("dulwich.errors"), lazy_import("dulwich.pack")

LONGEST_CHAIN = 4096  # git's own limit for --depth is 4,095.

# git makes no deltas of objects above core.bigFileThreshold (512 MiB); a few
# bytes of delta can claim any size.
_LARGEST_RESULT = 1 << 31

_CACHE_BYTES = 16 << 20


def delta_sizes(delta: bytes) -> tuple[int, int]:
    """Return the sizes of base and result that a delta begins with; ValueError if it is cut off."""
    base_size, at = _size(delta, 0)
    return base_size, _size(delta, at)[0]


def _size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    for place in range(at, min(len(delta), at + 10)):
        size |= (delta[place] & 0x7F) << shift
        if delta[place] < 0x80:
            return size, place + 1
        shift += 7
    raise ValueError("a delta is cut off in its sizes")


def patch(base: Buffer, delta: bytes) -> bytes:
    """Return ``base`` with ``delta`` applied; ValueError if they do not fit."""
    base_size, size = delta_sizes(delta)
    if base_size != len(base):
        raise ValueError(f"a delta is for a base of {base_size} bytes, the base has {len(base)}")
    if size > _LARGEST_RESULT:
        raise ValueError(f"a delta of {len(delta)} bytes claims a result of {size}")
    try:
        return b"".join(pack.apply_delta(bytes(base), delta))
    except errors.ApplyDeltaError as error:
        raise ValueError(f"a delta does not apply: {error}") from error


class BaseCache:
    """Objects that deltas were applied to or gave, so that a chain is not walked for each of its objects.

    Any thread may use it: every step is one operation on a dict. Full, it is
    simply emptied; chains are read together, so it fills again with what counts.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, int], tuple[int, Buffer]] = {}
        self._bytes = 0

    def get(self, key: str, offset: int) -> tuple[int, Buffer] | None:
        """Return (kind, data) of the object at ``offset`` of a pack, if it is here."""
        return self._objects.get((key, offset))

    def put(self, key: str, offset: int, kind: int, data: Buffer) -> None:
        """Keep an object for a while."""
        if self._bytes + len(data) > _CACHE_BYTES:
            self.clear()
        self._bytes += len(data)
        self._objects[key, offset] = (kind, data)

    def clear(self) -> None:
        """Forget all objects."""
        self._objects = {}
        self._bytes = 0
