"""Cancel: how a call that runs in a thread for ``.aio`` learns that nobody waits for it any more.

A thread cannot be stopped from outside. So whoever starts a call gives it a
**token**, in a context variable, and the call looks at it where it can stop
without leaving anything behind: at a ``checkpoint``. There is one in each loop
over files or over the pieces of one, and one in each wait for a lock. What must
not be left in the middle is done under a ``shield``.

    before the ref is swapped   the call stops, and nothing has happened
    after it                    the commit is published: its bookkeeping is completed

Blocking calls have no token: a checkpoint then does nothing, and costs next to nothing.
Threads that a call starts for itself have none either; the call waits for them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, Protocol, TypeVar

_POLL_SECONDS = 0.02

P = ParamSpec("P")
R = TypeVar("R")


class Cancelled(BaseException):
    """Raised by a checkpoint; no handler of errors may take it for one. Whoever gave the token catches it."""


class Token:
    """The token of one call; any thread may cancel it."""

    __slots__ = ("is_cancelled",)

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        """Have the call stop at its next checkpoint."""
        self.is_cancelled = True


_token: ContextVar[Token | None] = ContextVar("vgit-cancel", default=None)
_current = _token.get


def checkpoint() -> None:
    """Raise Cancelled if the call that this thread runs was cancelled."""
    token = _current()
    if token is not None and token.is_cancelled:
        raise Cancelled


def run_with(token: Token, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``function``, whose checkpoints look at ``token``."""
    before = _token.set(token)
    try:
        return function(*args, **kwargs)
    finally:
        _token.reset(before)


@contextmanager
def shield() -> Iterator[None]:
    """Let no checkpoint in a ``with`` block stop it: the token is out of sight there."""
    before = _token.set(None)
    try:
        yield
    finally:
        _token.reset(before)


class ThreadLock(Protocol):
    """``threading.Lock`` and ``RLock``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - the library's
        """Take the lock, waiting at most so long."""

    def release(self) -> None:
        """Give it back."""


def acquire(lock: ThreadLock, timeout_seconds: float = threading.TIMEOUT_MAX) -> bool:
    """Take a thread lock, with checkpoints while waiting for it; say whether it came in time."""
    if _current() is None:
        return lock.acquire(timeout=timeout_seconds)
    while not lock.acquire(timeout=min(_POLL_SECONDS, timeout_seconds)):
        checkpoint()
        timeout_seconds -= _POLL_SECONDS
        if timeout_seconds <= 0:
            return False
    return True


@contextmanager
def hold(lock: ThreadLock) -> Iterator[None]:
    """Hold a thread lock for a ``with`` block, with checkpoints while waiting for it."""
    acquire(lock)
    try:
        yield
    finally:
        lock.release()
