"""Protocol: a backend, keys to bytes, with compare-and-swap; the seam below which disks, memory and clouds differ.

A key is relative text with ``/`` between parts, as ``objects/pack/pack-1.idx``.
A backend knows how git names its files, and nothing of its objects. What every
backend must keep:

- ``put``, ``put_if`` and a staged file's ``rename`` are atomic: a reader sees the
  old value or the new one, whole, never part of it.
- ``put`` and ``put_if`` are durable when they return; ``rename`` and ``mark``
  when the next ``sync`` of their prefix returns.
- ``put_if`` is the only conditional write and has no default condition.
- A key that ends in ``.pack`` or ``.idx`` has one value for ever: it may be kept.
- Times are by one clock, that of where the values are (``now_ns``).
- Any thread may call anything. A forked child harms nothing that its parent has
  open (reads are positional).
- Errors: NotFoundError for a key that is absent, LockedError for a foreign
  lock that stays, BackendUnavailableError (with the cause chained) for all
  that the world does: disk full, no permission, input/output error.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from vgit.runtime.buffer import Buffer


class KeyStat(NamedTuple):
    """What ``list`` and ``stat`` say of one key."""

    key: str
    size_bytes: int
    mtime_ns: int  # of the last write or touch, by the clock of ``now_ns``


class StagedFile(Protocol):
    """Bytes on their way into the store under no name yet; a context manager that discards what got none."""

    size_bytes: int

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append ``parts`` in order."""

    def patch(self, offset: int, data: Buffer) -> None:
        """Overwrite bytes that were written before; never beyond the end."""

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""

    def sync(self) -> None:
        """Make the bytes durable, so that ``rename`` finds it done; another thread may be the one that waits."""

    def rename(self, key: str) -> None:
        """Give the bytes, made durable first, the name ``key``; replaces what was there. Ends the staging."""

    def discard(self) -> None:
        """Drop the bytes; does nothing after ``rename`` or a first ``discard``."""

    def __enter__(self) -> "StagedFile": ...

    def __exit__(self, *exc: object) -> None: ...


class Held(Protocol):
    """A key that this process holds, while it lives."""

    @property
    def is_held(self) -> bool:
        """Whether this process holds it; False after ``release``, and in a forked child."""

    def release(self) -> None:
        """Let go; does nothing if it is not held."""


class Mark(Protocol):
    """An empty key that says that this process needs what is beside it, as long as it lives."""

    def remove(self) -> None:
        """Remove the key, unless another process or thread has marked it too; nothing a second time, or in a child."""


class Backend(Protocol):
    """Where a repository's bytes live."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return the value from ``start``, ``length`` bytes or to its end; fewer only at the end."""

    def get_into(self, key: str, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill ``buffers`` in order with the value from ``start``; return how many bytes there were."""

    def view(self, key: str) -> memoryview:
        """Return a read-only view of a whole value that is never written again (an index), in memory or mapped."""

    def list(self, prefix: str) -> Iterator[KeyStat]:
        """Yield every key that starts with ``prefix``, in order of key; no staged or lock files."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the keys that ``list`` yields, in any order, without a look at each."""

    def stat(self, key: str) -> KeyStat:
        """Return what ``list`` yields of one key; NotFoundError if it is absent."""

    def put(self, key: str, data: Buffer) -> None:
        """Set the value, durable on return."""

    def put_if(self, key: str, data: Buffer, expected: bytes | None) -> bool:
        """Set the value if it is ``expected`` (None: if the key is absent); say whether that was so.

        Takes ``exclusive()`` itself if the caller does not hold it.
        """

    def stage(self) -> StagedFile:
        """Begin a value of unknown size, wherever that is written before it has its name."""

    def mark(self, key: str) -> Mark:
        """Make an empty value, not durable before ``sync``, or use the one that is there; hold it until ``remove``."""

    def unmark(self, key: str, also: Sequence[str] = ()) -> bool:
        """Remove a mark that no living process holds, and before it the keys ``also``; say whether that was so.

        Who marks it meanwhile waits until all of that is done.
        """

    def now_ns(self) -> int:
        """Return what time it is by the clock of the mtimes: what a key written now would have."""

    def touch(self, key: str) -> None:
        """Renew the key's mtime; NotFoundError if it is absent."""

    def sync(self, prefix: str) -> None:
        """Make names given and deleted directly under the directory ``prefix`` durable."""

    def delete(self, key: str) -> None:
        """Remove the key; nothing if it is absent."""

    def sweep(self, older_than_seconds: float) -> int:
        """Remove staged values that a dead writer left, under ``exclusive``; return how many there were.

        Their age is by ``now_ns``. One whose writer lives stays, however old its time makes it look.
        """

    def clear(self) -> None:
        """Remove all keys, and whatever else is kept beside them, durably; for what nobody uses any more."""

    def hold(self, key: str) -> Held | None:
        """Hold a key, made empty if absent, until its release or this process's death, also by power loss.

        None if somebody else holds it, or may do so where that cannot be told
        from here. Its name is durable after ``sync``. Forked children hold nothing.
        """

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the lock under which refs move and packs go; short, re-entrant in a thread, freed by death."""

    def turn(self, timeout_seconds: float) -> AbstractContextManager[None]:
        """Let one writer of this repository go after the other, as far as that can be had within the time.

        Saves retries; nothing rests on it.
        """

    def child(self, prefix: str) -> "Backend":
        """Return the backend of the keys below ``prefix``, with an ``exclusive`` of its own."""
