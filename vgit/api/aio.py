"""Aio: makes each blocking method awaitable too, as ``method.aio(...)``, at the surface and once.

The engine is synchronous. ``.aio`` runs the same call in a worker thread, and a
generator there too. ``Method`` and ``Generator`` are descriptors that
stand where a method stood; they keep its types, signature and docstring.
What cancelling does is in ``api/asyncio_bridge.py``, which the first ``.aio`` loads:
asyncio takes 20 ms to import, and most programs never await anything.
"""

import functools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager
from types import MethodType, TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from vgit.api import asyncio_bridge
else:
    asyncio_bridge = lazy_import("vgit.api.asyncio_bridge")

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Undo = Callable[[R], object]


class Call(Generic[P, R]):
    """A method bound to its object: call it, or await its ``aio``."""

    def __init__(self, function: Callable[P, R], undo: Undo[R] | None = None) -> None:
        self._function = function
        self._undo = undo
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method and wait for it."""
        return self._function(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method in a worker thread. Cancelled, it stops and leaves nothing behind."""
        return await asyncio_bridge.run(functools.partial(self._function, *args, **kwargs), self._undo)


class GeneratorCall(Generic[P, R]):
    """A generator method bound to its object."""

    def __init__(self, function: Callable[P, Iterator[R]]) -> None:
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Return the generator; errors appear at its first item."""
        return self._function(*args, **kwargs)

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
        """Return the same items as an async generator, which may read a moment ahead."""
        return asyncio_bridge.iterate(self._function(*args, **kwargs))


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
        return await asyncio_bridge.enter(self._manager)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio_bridge.leave(self._manager, kind, error, traceback)


class Method(Generic[S, P, R]):
    """Stands for a blocking method in its class; ``undo`` takes back a result that a cancelled task cannot get."""

    def __init__(self, function: Callable[Concatenate[S, P], R], undo: Undo[R] | None = None) -> None:
        self._function = function
        self._undo = undo
        functools.update_wrapper(cast(Any, self), function)

    def __set_name__(self, owner: type[S], name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, instance: None, owner: type[S]) -> "Method[S, P, R]": ...

    @overload
    def __get__(self, instance: S, owner: type[S]) -> Call[P, R]: ...

    def __get__(self, instance: S | None, owner: type[S]) -> "Method[S, P, R] | Call[P, R]":
        if instance is None:
            return self
        return Call(_bind(self._function, instance), self._undo)

    def __call__(self, instance: S, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method of ``instance``, as ``Class.method(instance)`` does."""
        return self._function(instance, *args, **kwargs)


class Generator(Generic[S, P, R]):
    """Stands for a generator method in its class."""

    def __init__(self, function: Callable[Concatenate[S, P], Iterator[R]]) -> None:
        self._function = function
        functools.update_wrapper(cast(Any, self), function)

    def __set_name__(self, owner: type[S], name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, instance: None, owner: type[S]) -> "Generator[S, P, R]": ...

    @overload
    def __get__(self, instance: S, owner: type[S]) -> GeneratorCall[P, R]: ...

    def __get__(self, instance: S | None, owner: type[S]) -> "Generator[S, P, R] | GeneratorCall[P, R]":
        if instance is None:
            return self
        return GeneratorCall(_bind(self._function, instance))

    def __call__(self, instance: S, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Return the generator of ``instance``, as ``Class.method(instance)`` does."""
        return self._function(instance, *args, **kwargs)


def _bind(function: Callable[Concatenate[S, P], R], instance: S) -> Callable[P, R]:
    return cast(Callable[P, R], MethodType(function, instance))
