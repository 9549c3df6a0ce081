"""Processes: all of this machine, as /proc lists them; those that cannot be looked at are passed over."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_OUR_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # it would hide every process, not one


def own_process() -> bytes | None:
    """Return the id of this process as /proc has it; None where there is no /proc."""
    try:
        return os.readlink(b"/proc/self")
    except FileNotFoundError:
        return None


def processes() -> Iterator[bytes]:
    """Yield the ids of all processes, our own first: it is the likeliest to have forgotten a file."""
    first = own_process()
    if first is None:
        return iter(())
    names = [name for name in os.listdir(b"/proc") if name.isdigit() and name != first]
    return iter((first, *names))


@contextmanager
def skip_unreadable() -> Iterator[None]:
    """Leave out what of a process cannot be looked at: it is somebody else's, has ended, or has a path beyond any.

    What goes wrong because of us is raised.
    """
    try:
        yield
    except OSError as error:
        if is_our_trouble(error):
            raise


def is_our_trouble(error: OSError) -> bool:
    """Return whether it is not a process that cannot be looked at, but we that cannot look."""
    return error.errno in _OUR_TROUBLE
