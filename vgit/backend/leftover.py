"""Leftover: a mark, or an unfinished value, whose maker has died.

Who makes one has it locked by flock as long as it is open; the kernel frees that at
death. No age tells that: a clock may jump a day between two steps of a writer.
"""

import os
from collections.abc import Callable

from vgit.backend.os_errors import ABSENT
from vgit.localfs.lockable_file import is_alone


def remove_leftover(path: str, before: Callable[[], object] = bool) -> bool:
    """Remove a file unless a living process has it locked; say whether it was removed. Raises OSError.

    ``before`` is called first, when it is known that nobody has it: who wants to lock it by then waits.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in ABSENT:
            return False
        raise
    try:
        if not is_alone(fd):
            return False
        before()
        os.unlink(path)
        return True
    except FileNotFoundError:
        return False
    finally:
        os.close(fd)
