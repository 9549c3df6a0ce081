"""Faults: a backend that dies, or fails, at a chosen step.

``Script`` counts the mutating calls of a ``FaultBackend``, its children and its
staged files, and strikes at one of them:

    script = Script(3, Strike.CRASH_AFTER)
    with pytest.raises(Crash):
        work(FaultBackend(inner, script))
    # ``inner`` is now as the process left it when it died behind its third step.

To stop at every step, run with ``Script(0)``, ``Script(1)``, ... until
``script.struck`` stays False; ``Script()`` never strikes and only counts.
"""

import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from vgit.backend import Backend, Held, KeyStat, Mark, StagedFile
from vgit.errors import BackendUnavailableError
from vgit.runtime.buffer import Buffer

_Result = TypeVar("_Result")


class Crash(BaseException):
    """The process is dead; no ``except Exception`` may bring it back."""


class Strike(enum.Enum):
    """What happens at the chosen step."""

    CRASH_BEFORE = enum.auto()  # the step was not done
    CRASH_AFTER = enum.auto()  # the step was done, nothing else will be
    FAIL = enum.auto()  # the step was not done: BackendUnavailableError; the process lives


class Script:
    """The plan of one run: which mutating call is struck (None: none), and how."""

    def __init__(self, step: int | None = None, strike: Strike = Strike.CRASH_BEFORE) -> None:
        self.step = step
        self.strike = strike
        self.struck = False
        self.dead = False
        self.calls: list[str] = []  # every mutating call so far, as "put refs/heads/main"

    def mutate(self, what: str, act: Callable[[], _Result]) -> _Result:
        """Do one mutating call, unless the plan is against it."""
        self.live()
        self.calls.append(what)
        if len(self.calls) - 1 != self.step:
            return act()
        self.struck = True
        if self.strike is Strike.FAIL:
            raise BackendUnavailableError(f"scripted failure of: {what}")
        if self.strike is Strike.CRASH_AFTER:
            act()
        self.dead = True
        raise Crash(f"at step {self.step}: {what}")

    def live(self) -> None:
        """Raise Crash if the process is dead: it reads nothing more, either."""
        if self.dead:
            raise Crash("already dead")


class FaultStagedFile:
    """A ``StagedFile`` whose calls a script counts."""

    def __init__(self, inner: StagedFile, script: Script) -> None:
        self._inner = inner
        self._script = script
        self.size_bytes = 0

    def write(self, parts: Sequence[Buffer]) -> None:
        self._script.mutate("staged write", lambda: self._inner.write(parts))
        self.size_bytes = self._inner.size_bytes

    def patch(self, offset: int, data: Buffer) -> None:
        self._script.mutate("staged patch", lambda: self._inner.patch(offset, data))

    def read(self, offset: int, length: int) -> bytes:
        self._script.live()
        return self._inner.read(offset, length)

    def sync(self) -> None:
        self._script.mutate("staged sync", self._inner.sync)

    def rename(self, key: str) -> None:
        self._script.mutate(f"rename {key}", lambda: self._inner.rename(key))

    def discard(self) -> None:
        if not self._script.dead:  # the dead tidy nothing up
            self._inner.discard()

    def __enter__(self) -> "FaultStagedFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()


class FaultMark:
    """A ``Mark`` whose removal a script counts."""

    def __init__(self, inner: Mark, script: Script, key: str) -> None:
        self._inner = inner
        self._script = script
        self._key = key

    def remove(self) -> None:
        self._script.mutate(f"delete {self._key}", self._inner.remove)


class FaultBackend:
    """A ``Backend`` that does what ``inner`` does until ``script`` strikes."""

    def __init__(self, inner: Backend, script: Script) -> None:
        self._inner = inner
        self._script = script

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._script.live()
        return self._inner.get(key, start, length)

    def get_into(self, key: str, start: int, buffers: Sequence[bytearray | memoryview]) -> int:
        self._script.live()
        return self._inner.get_into(key, start, buffers)

    def view(self, key: str) -> memoryview:
        self._script.live()
        return self._inner.view(key)

    def list(self, prefix: str) -> Iterator[KeyStat]:
        self._script.live()
        return self._inner.list(prefix)

    def names(self, prefix: str) -> Iterator[str]:
        self._script.live()
        return self._inner.names(prefix)

    def stat(self, key: str) -> KeyStat:
        self._script.live()
        return self._inner.stat(key)

    def put(self, key: str, data: Buffer) -> None:
        self._script.mutate(f"put {key}", lambda: self._inner.put(key, data))

    def put_if(self, key: str, data: Buffer, expected: bytes | None) -> bool:
        return self._script.mutate(f"put_if {key}", lambda: self._inner.put_if(key, data, expected))

    def stage(self) -> FaultStagedFile:
        return FaultStagedFile(self._script.mutate("stage", self._inner.stage), self._script)

    def mark(self, key: str) -> FaultMark:
        return FaultMark(self._script.mutate(f"mark {key}", lambda: self._inner.mark(key)), self._script, key)

    def unmark(self, key: str, also: Sequence[str] = ()) -> bool:
        return self._script.mutate(f"unmark {key}", lambda: self._inner.unmark(key, also))

    def now_ns(self) -> int:
        return self._inner.now_ns()

    def touch(self, key: str) -> None:
        self._script.mutate(f"touch {key}", lambda: self._inner.touch(key))

    def sync(self, prefix: str) -> None:
        self._script.mutate(f"sync {prefix}", lambda: self._inner.sync(prefix))

    def delete(self, key: str) -> None:
        self._script.mutate(f"delete {key}", lambda: self._inner.delete(key))

    def clear(self) -> None:
        self._script.mutate("clear", self._inner.clear)

    def hold(self, key: str) -> Held | None:
        return self._script.mutate(f"hold {key}", lambda: self._inner.hold(key))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self._script.live()
        with self._inner.exclusive():  # left by a crash, too: the kernel frees it
            yield

    @contextmanager
    def turn(self, timeout_seconds: float) -> Iterator[None]:
        self._script.live()
        with self._inner.turn(timeout_seconds):
            yield

    def sweep(self, older_than_seconds: float) -> int:
        return self._inner.sweep(older_than_seconds)

    def child(self, prefix: str) -> "FaultBackend":
        return FaultBackend(self._inner.child(prefix), self._script)
