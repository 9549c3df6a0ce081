"""Aio: makes each blocking method awaitable too, as ``method.aio(...)``, at the surface and once.

The engine is synchronous. ``.aio`` runs the same call in a worker thread, and a
generator's items one by one there. ``Method``, ``Generator`` and ``Context``
are descriptors that stand where a method stood; they keep its types.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
_END = object()


class Call(Generic[P, R]):
    """A method bound to its object: call it, or await its ``aio``."""

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method and wait for it."""
        return self._function(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method in a worker thread."""
        return await asyncio.to_thread(self._function, *args, **kwargs)


class GeneratorCall(Generic[P, R]):
    """A generator method bound to its object."""

    def __init__(self, function: Callable[P, Iterator[R]]) -> None:
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Return the generator; errors appear at its first item."""
        return self._function(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Return the same items as an async generator."""
        items = self._function(*args, **kwargs)
        try:
            while (item := await asyncio.to_thread(next, items, _END)) is not _END:
                yield cast(R, item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                await asyncio.to_thread(close)


class Both(Generic[R]):
    """A context manager for ``with`` and for ``async with``; entered once."""

    def __init__(self, manager: AbstractContextManager[R]) -> None:
        self._manager = manager

    def __enter__(self) -> R:
        return self._manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._manager.__exit__(kind, error, traceback)

    async def __aenter__(self) -> R:
        return await asyncio.to_thread(self._manager.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._manager.__exit__, kind, error, traceback)


class Method(Generic[S, P, R]):
    """Stands for a blocking method in its class."""

    def __init__(self, function: Callable[Concatenate[S, P], R]) -> None:
        self._function = function
        functools.update_wrapper(cast(Any, self), function)

    @overload
    def __get__(self, instance: None, owner: type[S]) -> "Method[S, P, R]": ...

    @overload
    def __get__(self, instance: S, owner: type[S]) -> Call[P, R]: ...

    def __get__(self, instance: S | None, owner: type[S]) -> "Method[S, P, R] | Call[P, R]":
        if instance is None:
            return self
        return Call(functools.partial(self._function, instance))


class Generator(Generic[S, P, R]):
    """Stands for a generator method in its class."""

    def __init__(self, function: Callable[Concatenate[S, P], Iterator[R]]) -> None:
        self._function = function
        functools.update_wrapper(cast(Any, self), function)

    @overload
    def __get__(self, instance: None, owner: type[S]) -> "Generator[S, P, R]": ...

    @overload
    def __get__(self, instance: S, owner: type[S]) -> GeneratorCall[P, R]: ...

    def __get__(self, instance: S | None, owner: type[S]) -> "Generator[S, P, R] | GeneratorCall[P, R]":
        if instance is None:
            return self
        return GeneratorCall(functools.partial(self._function, instance))
