"""Asyncio bridge: a blocking call run in a worker thread, as a task of asyncio waits for it.

**Nothing runs on unseen.** When the task is cancelled the call is told, by a
token (``runtime/cancel.py``), and the thread is waited for, however often the task is
cancelled meanwhile; only then does CancelledError go to the task. A call that
gave something which now nobody gets, such as a mount, has it taken back.

The threads are our own: those of asyncio are few (5 on a machine of one core),
the program needs them too, and a call may wait long for a lock. More than
``_THREADS`` calls take turns. That is no deadlock: whoever holds a lock that
others wait for has a thread, because no lock is held from one call to the next.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import TypeVar

from vgit.clock import SYSTEM_CLOCK
from vgit.runtime.cancel import Cancelled, Token, run_with
from vgit.runtime.forks import reset_after_fork

_THREADS = 64
_SLICE_SECONDS = 0.001  # a thread costs a tenth of that to ask, which is too much for one entry of a listing

R = TypeVar("R")


class _Workers:
    """The threads that calls run in, started as they are needed; a forked child starts its own."""

    def __init__(self) -> None:
        self.after_fork()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="vgit-aio")

    def submit(self, function: Callable[[], R]) -> "Future[R]":
        return self._pool.submit(function)


_workers = _Workers()


async def run(function: Callable[[], R], undo: Callable[[R], object] | None = None) -> R:
    """Return what ``function`` gives; ``undo`` takes it back if the task was cancelled too late to prevent it."""
    token = Token()
    done, cancelled = await _wait(copy_context(), partial(run_with, token, function), token)
    if cancelled is None:
        return done.result()
    if undo is not None and not done.cancelled() and done.exception() is None:
        await complete(partial(undo, done.result()))
    raise cancelled from _error(done)


async def complete(function: Callable[[], R]) -> R:
    """Run ``function`` to its end, whatever happens to the task; that it was cancelled is raised afterwards."""
    done, cancelled = await _wait(copy_context(), function, Token())
    if cancelled is not None:
        raise cancelled from _error(done)
    return done.result()


async def iterate(items: Iterator[R]) -> AsyncGenerator[R, None]:
    """Yield ``items``, which are a generator's; closing or cancelling ends it in its thread."""
    token, context, is_at_end = Token(), copy_context(), False
    try:
        while not is_at_end:
            found: list[R] = []
            done, cancelled = await _wait(context, partial(run_with, token, _take, items, found), token)
            if cancelled is not None:
                raise cancelled from _error(done)
            for item in found:
                yield item
            is_at_end = done.result()  # an error is raised where it was: after the items before it
    finally:
        close = getattr(items, "close", None)
        if close is not None and not is_at_end:
            await complete(close)


async def enter(manager: AbstractContextManager[R]) -> R:
    """Enter ``manager``; if the task is cancelled meanwhile, it is left again as by an exception."""
    error = asyncio.CancelledError()
    return await run(manager.__enter__, lambda _: manager.__exit__(type(error), error, None))


async def leave(
    manager: AbstractContextManager[object],
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Leave ``manager``. After an exception that is only cleaning up, which no cancellation cuts short."""
    leaving = partial(manager.__exit__, kind, error, traceback)
    await (run(leaving) if error is None else complete(leaving))


async def _wait(
    context: Context, function: Callable[[], R], token: Token
) -> "tuple[asyncio.Future[R], asyncio.CancelledError | None]":
    """Run ``function`` in ``context`` to its end; return how it ended, and the first cancellation meanwhile."""
    job = _workers.submit(partial(context.run, function))
    done = asyncio.wrap_future(job)
    cancelled = None
    while not done.done():
        try:
            await asyncio.wait((done,))
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
            token.cancel()
            job.cancel()  # for a job that has no thread yet
    return done, cancelled


def _error(done: "asyncio.Future[R]") -> BaseException | None:
    """Return the error of a call; None if it has none, or stopped because it was cancelled."""
    error = None if done.cancelled() else done.exception()
    return None if isinstance(error, Cancelled) else error


def _take(items: Iterator[R], found: list[R]) -> bool:
    """Move items to ``found`` for a moment, one at least; say whether there are no more."""
    until = SYSTEM_CLOCK.monotonic() + _SLICE_SECONDS
    for item in items:
        found.append(item)
        if SYSTEM_CLOCK.monotonic() >= until:
            return False
    return True
