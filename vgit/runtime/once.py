"""Once: a value that is made at its first use, once among threads, and again in a forked child.

    self._root: Once[StoreRoot] = Once()
    self._root.get(self._open_root)  # opens it, or waits for the thread that does

Threads that each found ``None`` and each opened a repository would have as many
sets of indexes and caches, and locks that exclude nobody.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vgit.runtime.cancel import hold
from vgit.runtime.forks import reset_after_fork

T = TypeVar("T")


class Once(Generic[T]):
    """Room for one value. Each use says how to make it, so that this refers to nobody who has it."""

    def __init__(self) -> None:
        self._made: tuple[T, ...] = ()
        # Re-entrant, since a handler of signals may come here in the middle of it.
        self._making = threading.RLock()
        reset_after_fork(self)

    def get(self, make: Callable[[], T]) -> T:
        """Return the value, made now if there is none. If that raises, the next call tries again."""
        for made in self._made:
            return made
        with hold(self._making):
            if not self._made:
                self._made = (make(),)
            return self._made[0]

    def put(self, value: T) -> None:
        """Set a value that was made elsewhere."""
        self._made = (value,)

    def clear(self) -> None:
        """Have the next ``get`` make the value again."""
        self._made = ()

    def after_fork(self) -> None:
        """Forget the parent's value, and the lock that one of its threads may have held."""
        self._made = ()
        self._making = threading.RLock()
