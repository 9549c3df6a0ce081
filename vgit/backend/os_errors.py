"""OS errors: the operating system's words turned, once, into vgit's errors.

Code below ``LocalBackend`` raises plain OSErrors; its public methods pass them
through ``read_failed`` or ``write_failed`` and chain the cause.
"""

import errno

from vgit.errors import (
    BackendUnavailableError,
    Error,
    InvalidError,
    IsADirectoryConflict,
    NotADirectoryConflict,
    NotFoundError,
)

# What it means for a reader: there is no value of that name, whatever else is there.
ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG))

_NEXT_STEP = {
    errno.ENOSPC: "Free space on that file system and try again; nothing that was stored is lost.",
    errno.EDQUOT: "Free space or have the quota raised, and try again; nothing that was stored is lost.",
    errno.EFBIG: "A limit on file sizes (ulimit -f, or the file system's own) was reached.",
    errno.EACCES: "Check its owner and mode, and those of the directories above.",
    errno.EPERM: "Check its owner and mode, and whether it is marked immutable (lsattr).",
    errno.EROFS: "The file system is mounted read-only; mount it writable or use another store.",
    errno.EIO: "The device reports an error: check it (dmesg), then the volume by git fsck (`vgit info` says where).",
    errno.EMFILE: "This process has too many open files: close some or raise the limit (ulimit -n).",
    errno.ENFILE: "The machine has too many open files.",
    errno.ESTALE: "The network file system forgot it; check that it is still mounted.",
    errno.ENOLCK: "The file system has no locks to give; a store needs flock.",
    errno.EOPNOTSUPP: "The file system lacks what a store needs; use a local one, or one with flock.",
}


def read_failed(error: OSError, path: str) -> Error:
    """Return the error to raise when reading ``path`` failed."""
    if error.errno in ABSENT:
        return NotFoundError(f"{path} does not exist.")
    return _unavailable(error, "read", path)


def write_failed(error: OSError, action: str, path: str) -> Error:
    """Return the error to raise when ``action`` ("write", "lock", ...) failed on ``path``."""
    if error.errno == errno.ENOENT:
        return NotFoundError(f"{path} does not exist (could not {action} it).")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return NotADirectoryConflict(f"could not {action} {path}: a file stands where a directory must be.")
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY):
        return IsADirectoryConflict(f"could not {action} {path}: a directory with files in it is there.")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidError(f"could not {action} {path}: the name is too long for this file system.")
    return _unavailable(error, action, path)


def _unavailable(error: OSError, action: str, path: str) -> BackendUnavailableError:
    number = error.errno or 0
    name = errno.errorcode.get(number, "no code")
    message = f"could not {action} {path}: {error.strerror or error} ({name}). {_NEXT_STEP.get(number, '')}"
    return BackendUnavailableError(message.rstrip())
