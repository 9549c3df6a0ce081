"""Memory: the reference for what a backend does, stricter than any disk.

Two tables of values: ``_now``, which readers see, and ``_durable``, which a
power loss leaves. ``lose_unsynced`` makes the second the first, so that a
caller who forgot a ``sync`` is found out; a real disk would lose names now and
then only.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from sortedcontainers import SortedDict

from vgit.backend.keys import check_key, check_prefix, check_range
from vgit.backend.protocol import KeyStat
from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.errors import (
    InvalidError,
    IsADirectoryConflict,
    LockedError,
    NotADirectoryConflict,
    NotFoundError,
)
from vgit.runtime.buffer import Buffer

_WAIT_SECONDS = 60.0


class _Value(NamedTuple):
    data: bytes
    mtime_ns: int


class _Space:
    """What a backend and its children share: all values under their whole keys, and the locks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.mutex = threading.Lock()
        self.now: SortedDict[str, _Value] = SortedDict()
        self.durable: dict[str, _Value] = {}
        self.exclusive: dict[str, threading.RLock] = {}
        self.held: set[str] = set()
        self.marks: dict[str, int] = {}  # how many hold each
        self.open_staged_count = 0

    def read(self, key: str) -> bytes:
        return self.value(key).data

    def value(self, key: str) -> _Value:
        with self.mutex:
            return self._find(key)

    def write(self, key: str, data: bytes, *, durable: bool) -> None:
        with self.mutex:
            self._check_room(key)
            self.now[key] = value = _Value(data, self.clock.now_ns())
            if durable:
                self.durable[key] = value

    def mark(self, key: str) -> None:
        with self.mutex:
            if key not in self.now:
                self._check_room(key)
                self.now[key] = _Value(b"", self.clock.now_ns())

    def touch(self, key: str) -> None:
        with self.mutex:
            self.now[key] = _Value(self._find(key).data, self.clock.now_ns())

    def sync(self, directory: str) -> None:
        """Make the names directly under ``directory`` (empty, or ends in ``/``) durable, gone ones gone."""
        with self.mutex:
            here = [key for key in {*self.now, *self.durable} if key.rpartition("/")[0] == directory.rstrip("/")]
            for key in here:
                if key in self.now:
                    self.durable[key] = self.now[key]
                else:
                    del self.durable[key]

    def _find(self, key: str) -> _Value:
        value: _Value | None = self.now.get(key)
        if value is None:
            raise NotFoundError(f"{key} does not exist.")
        return value

    def _check_room(self, key: str) -> None:
        """Raise unless ``key`` may stand beside the other keys, as files and directories may."""
        parent = key.rpartition("/")[0]
        while parent:
            if parent in self.now:
                raise NotADirectoryConflict(f"could not write {key}: a value stands at {parent}.")
            parent = parent.rpartition("/")[0]
        below = next(self.now.irange(key + "/"), "")
        if below.startswith(key + "/"):
            raise IsADirectoryConflict(f"could not write {key}: {below} is there.")


class MemoryHeld:
    """A key held in memory."""

    def __init__(self, space: _Space, key: str) -> None:
        self._space = space
        self._key = key
        self.is_held = True

    def release(self) -> None:
        """Let go; does nothing a second time."""
        if self.is_held:
            self.is_held = False
            with self._space.mutex:
                self._space.held.discard(self._key)


class MemoryMark:
    """A mark in memory."""

    def __init__(self, space: _Space, key: str) -> None:
        self._space = space
        self._key = key
        self._is_held = True
        space.mark(key)
        with space.mutex:
            space.marks[key] = space.marks.get(key, 0) + 1

    def remove(self) -> None:
        """Remove the mark, unless somebody else has it too or it has text; nothing a second time."""
        space, key = self._space, self._key
        if not self._is_held:
            return
        self._is_held = False
        with space.mutex:
            left = space.marks[key] = space.marks.get(key, 1) - 1
            if left <= 0 and key in space.now and not space.now[key].data:
                del space.now[key]


class MemoryStagedFile:
    """A ``StagedFile`` in memory."""

    def __init__(self, space: _Space, prefix: str) -> None:
        self._space = space
        self._prefix = prefix
        self._data: bytearray | None = bytearray()
        self.size_bytes = 0
        space.open_staged_count += 1

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append ``parts`` in order."""
        data = self._open()
        for part in parts:
            data += part
        self.size_bytes = len(data)

    def patch(self, offset: int, data: Buffer) -> None:
        """Overwrite bytes that were written before; InvalidError beyond the end."""
        staged = self._open()
        check_range(offset, None)
        if offset + len(data) > len(staged):
            raise InvalidError(f"patch of {len(data)} bytes at {offset} ends beyond {len(staged)}.")
        staged[offset : offset + len(data)] = data

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        check_range(offset, length)
        return bytes(self._open()[offset : offset + length])

    def sync(self) -> None:
        """Nothing here outlives the process."""
        self._open()

    def rename(self, key: str) -> None:
        """Give the bytes the name ``key``, which a power loss may still take away."""
        self._space.write(self._prefix + check_key(key), bytes(self._open()), durable=False)
        self.discard()

    def discard(self) -> None:
        """Drop the bytes; does nothing after ``rename`` or a first ``discard``."""
        if self._data is not None:
            self._data = None
            self._space.open_staged_count -= 1

    def __enter__(self) -> "MemoryStagedFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def _open(self) -> bytearray:
        if self._data is None:
            raise InvalidError("a staged file was used after it was renamed or discarded.")
        return self._data


class MemoryBackend:
    """Values in this process, gone with it. ``clock`` gives mtimes."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._space = _Space(clock)
        self._prefix = ""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return the value from ``start``, ``length`` bytes or to its end; fewer only at the end."""
        check_range(start, length)
        data = self._space.read(self._key(key))
        return data[start:] if length is None else data[start : start + length]

    def get_into(self, key: str, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill ``buffers`` in order with the value from ``start``; return how many bytes there were."""
        check_range(start, None)
        # A view: a copy of the rest would be most of a pack, for each chunk that is read from it.
        rest = memoryview(self._space.read(self._key(key)))[start:]
        done = 0
        for buffer in buffers:
            piece = rest[done : done + len(buffer)]
            memoryview(buffer)[: len(piece)] = piece
            done += len(piece)
        return done

    def view(self, key: str) -> memoryview:
        """Return a read-only view of a whole value."""
        return memoryview(self.get(key))

    def list(self, prefix: str) -> Iterator[KeyStat]:
        """Yield every key that starts with ``prefix``, in order of key."""
        whole = self._prefix + check_prefix(prefix)
        with self._space.mutex:
            found = []
            for key in self._space.now.irange(whole):
                if not key.startswith(whole):
                    break
                value = self._space.now[key]
                found.append(KeyStat(key[len(self._prefix) :], len(value.data), value.mtime_ns))
        return iter(found)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the keys that ``list`` yields."""
        return (listed.key for listed in self.list(prefix))

    def stat(self, key: str) -> KeyStat:
        """Return what ``list`` yields of one key; NotFoundError if it is absent."""
        value = self._space.value(self._key(key))
        return KeyStat(key, len(value.data), value.mtime_ns)

    def put(self, key: str, data: Buffer) -> None:
        """Set the value, durable on return."""
        self._space.write(self._key(key), bytes(data), durable=True)

    def put_if(self, key: str, data: Buffer, expected: bytes | None) -> bool:
        """Set the value if it is ``expected`` (None: if the key is absent); say whether that was so."""
        whole = self._key(key)
        with self.exclusive():
            current = self._space.now.get(whole)
            if (None if current is None else current.data) != expected:
                return False
            self._space.write(whole, bytes(data), durable=True)
            return True

    def stage(self) -> MemoryStagedFile:
        """Begin a value of unknown size."""
        return MemoryStagedFile(self._space, self._prefix)

    def mark(self, key: str) -> MemoryMark:
        """Make an empty value, not durable before ``sync``, or use the one that is there; hold it until ``remove``."""
        return MemoryMark(self._space, self._key(key))

    def unmark(self, key: str, also: Sequence[str] = ()) -> bool:
        """Remove a mark that nobody holds, and before it the keys ``also``; say whether that was so."""
        whole = self._key(key)
        with self._space.mutex:
            if whole not in self._space.now or self._space.marks.get(whole, 0) > 0:
                return False
            for one in (*map(self._key, also), whole):
                self._space.now.pop(one, None)
            return True

    def now_ns(self) -> int:
        """Return what time it is by the clock that gives mtimes."""
        return self._space.clock.now_ns()

    def touch(self, key: str) -> None:
        """Renew the key's mtime; NotFoundError if it is absent."""
        self._space.touch(self._key(key))

    def sync(self, prefix: str) -> None:
        """Make names given and deleted directly under the directory ``prefix`` durable."""
        self._space.sync(self._prefix + check_prefix(prefix.rstrip("/") + "/" if prefix else ""))

    def delete(self, key: str) -> None:
        """Remove the key; nothing if it is absent."""
        whole = self._key(key)
        with self._space.mutex:
            self._space.now.pop(whole, None)

    def clear(self) -> None:
        """Remove all keys, durably."""
        with self._space.mutex:
            for table in (self._space.now, self._space.durable):
                for key in [key for key in table if key.startswith(self._prefix)]:
                    del table[key]

    def hold(self, key: str) -> MemoryHeld | None:
        """Hold a key; None if somebody does."""
        whole = self._key(key)
        self._space.mark(whole)
        with self._space.mutex:
            if whole in self._space.held:
                return None
            self._space.held.add(whole)
        return MemoryHeld(self._space, whole)

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the lock under which refs move and packs go; 60 s of waiting at most, then LockedError."""
        return self._exclusive()

    def turn(self, timeout_seconds: float) -> AbstractContextManager[None]:
        """Return at once: the swap alone keeps writers apart, and tests want to see that it does."""
        return nullcontext()

    def child(self, prefix: str) -> "MemoryBackend":
        """Return the backend of the keys below ``prefix``, with an ``exclusive`` of its own."""
        child = MemoryBackend()
        child._space = self._space
        child._prefix = self._key(prefix.rstrip("/")) + "/"
        return child

    def sweep(self, older_than_seconds: float) -> int:
        """Return 0: nothing that is unfinished outlives the process."""
        return 0

    def lose_unsynced(self, survives: Callable[[str], bool] = lambda key: False) -> None:
        """Lose the power: what was not synced is as before, but for keys that ``survives`` picks.

        A real disk keeps any part of what was not synced. ``survives`` is asked
        about each such key; children's have their whole names.
        """
        space = self._space
        with space.mutex:
            for key in {*space.now, *space.durable}:
                if space.now.get(key) == space.durable.get(key):
                    continue
                if survives(key):
                    self._settle(space.now, space.durable, key)
                else:
                    self._settle(space.durable, space.now, key)

    def release_all(self) -> None:
        """Let all that is held go, as the kernel does for a process that dies."""
        with self._space.mutex:
            self._space.held.clear()
            self._space.marks.clear()

    def check(self) -> None:
        """Raise AssertionError if a staged file was neither renamed nor discarded."""
        assert self._space.open_staged_count == 0, f"{self._space.open_staged_count} staged files are open"

    @staticmethod
    def _settle(truth: "dict[str, _Value]", other: "dict[str, _Value]", key: str) -> None:
        if key in truth:
            other[key] = truth[key]
        else:
            other.pop(key, None)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._space.mutex:
            lock = self._space.exclusive.setdefault(self._prefix, threading.RLock())
        if not lock.acquire(timeout=_WAIT_SECONDS):
            raise LockedError(f"exclusive of {self._prefix!r} was held by others for {_WAIT_SECONDS:.0f} s.")
        try:
            yield
        finally:
            lock.release()

    def _key(self, key: str) -> str:
        check_key(key)
        return self._prefix + key
