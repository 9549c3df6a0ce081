"""Forks: what a forked child must let go of before it runs any code of ours.

A child inherits descriptors and the state of every thread lock, but not the
threads. So an inherited flock would outlive its holder's death, and a lock
that another thread held at the fork would stay locked for ever. What owns
either registers here, and its ``after_fork`` is called in the child.

The registry is global because ``os.register_at_fork`` is: a callback cannot be
taken back, so there is one, and it holds its objects weakly.
"""

import os
import threading
from typing import Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """An object that ``reset_after_fork`` takes."""

    def after_fork(self) -> None:
        """Close inherited descriptors and make new thread locks; runs in the child, which has one thread."""


# Held while a descriptor exists that its owner has not stored yet: no fork may fall between the two.
no_fork = threading.RLock()
_owners: "WeakSet[ForkAware]" = WeakSet()


def reset_after_fork(owner: ForkAware) -> None:
    """Have ``owner.after_fork()`` called in each child that this process forks from now on."""
    with no_fork:
        _owners.add(owner)


def _in_child() -> None:
    for owner in list(_owners):
        owner.after_fork()
    no_fork.release()


os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_in_child)
