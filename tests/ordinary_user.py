"""Ordinary_user: what somebody can do who is not root; root sees no permission fault."""

import ctypes
import gc
import os
import pickle
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # of linux/capability.h
_CAPABILITY_VERSION = 0x20080522
_PR_CAPBSET_DROP = 24
# Runs a command as root without root's right to pass by modes.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []


def mark(path: Path) -> None:
    """Make a directory look like a mount."""
    (path / ".vgit").mkdir(parents=True)
    (path / ".vgit" / "mount").touch()


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """Give a directory, with some in it, that an ordinary user can reach and owns, as ``tmp_path`` is not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "a" / "b").mkdir(parents=True)
        mark(path)
        (path / "a" / "file").write_text("content")
        path.chmod(0o755)
        if os.getuid() == 0:
            for place in [path, *path.rglob("*")]:
                os.chown(place, NOBODY, NOBODY)
        yield path


def as_ordinary_user(action: Callable[[], object]) -> object:
    """Return what ``action`` returns in a child process that is not root: root sees no permission fault."""
    return _in_a_child(become_nobody, action)


def without_rights_of_root(action: Callable[[], object]) -> object:
    """Return what ``action`` returns in a child process that modes bind, whoever it is, and all that it starts."""
    return _in_a_child(drop_rights, action)


def become_nobody() -> None:
    """Be somebody whom root's files do not know."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def drop_rights() -> None:
    """Give up what lets root pass by modes, for good."""
    if os.getuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for right in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        assert libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0) == 0
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, of the first 32 and the others
    assert libc.capget(header, sets) == 0
    for at in range(3):
        sets[at] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    assert libc.capset(header, sets) == 0


def _in_a_child(become: Callable[[], None], action: Callable[[], object]) -> object:
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become()
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
