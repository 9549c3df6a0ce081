"""Ordinary_user: what somebody can do who is not root; root sees no permission fault."""

import gc
import os
import pickle
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534
# Runs a command as root without root's right to pass by modes.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []


def mark(path: Path) -> None:
    """Make a directory look like a mount."""
    (path / ".vgit").mkdir(parents=True)
    (path / ".vgit" / "mount").touch()


def as_ordinary_user(action: Callable[[], object]) -> object:
    """Return what ``action`` returns in a child process that is not root: root sees no permission fault."""
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(write_fd, pickle.dumps(action()))
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            os._exit(1)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        data = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return pickle.loads(data)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_descriptors() -> int:
    gc.collect()  # what earlier tests left is not ours to count
    return len(os.listdir("/proc/self/fd"))
