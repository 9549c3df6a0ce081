"""Errors: everything vgit raises on purpose, one tree.

Each kind is also the builtin exception that ordinary callers already catch:

    Error
    ├── NotFoundError            (FileNotFoundError)   a volume, path, revision or tag that is not there
    ├── AlreadyExistsError       (FileExistsError)     a name or target that is taken
    ├── InvalidError             (ValueError)          an argument that can never work
    │   ├── ConflictError                              the tree is in the way
    │   │   ├── IsADirectoryConflict (IsADirectoryError)   a directory where a file is needed
    │   │   └── NotADirectoryConflict (NotADirectoryError) a file where a directory is needed
    │   └── ReadOnlyError        (PermissionError)     a write through something read-only
    ├── FilesOpenError           (RuntimeError)        a process still uses files of the mount
    ├── NotMountedError          (RuntimeError)        no mount where one is needed
    ├── LockedError              (RuntimeError)        somebody else's lock did not go away
    ├── CorruptObjectError                             stored data is missing or not what it was
    │   └── CorruptVolumeError                         a volume's repository as a whole is broken
    └── BackendUnavailableError  (ConnectionError)     the store cannot be reached, read or written

A message says what was seen, what was expected, and the next step if there is one.
"""


class Error(Exception):
    """The root of all errors that vgit raises on purpose."""


class NotFoundError(Error, FileNotFoundError):
    """A volume, path, revision, tag or key does not exist."""


class AlreadyExistsError(Error, FileExistsError):
    """A name or target is taken."""


class InvalidError(Error, ValueError):
    """An argument can never work, whatever the state of the volume."""


class ConflictError(InvalidError):
    """The tree as it is now is in the way of what was asked."""


class IsADirectoryConflict(ConflictError, IsADirectoryError):
    """A directory stands where a file is needed."""


class NotADirectoryConflict(ConflictError, NotADirectoryError):
    """A file stands where a directory is needed."""


class ReadOnlyError(InvalidError, PermissionError):
    """A write was asked of a read-only handle, mount or snapshot."""


class FilesOpenError(Error, RuntimeError):
    """A process has files of the mount open or mapped, or works inside it."""


class NotMountedError(Error, RuntimeError):
    """There is no mount where the operation needs one."""


class LockedError(Error, RuntimeError):
    """A lock that somebody else holds was not released in time."""


class CorruptObjectError(Error):
    """Stored data is missing, or is not what its id or BLAKE3 says."""


class CorruptVolumeError(CorruptObjectError):
    """A volume's repository cannot be used as it is: no head, no config, a broken ref."""


class BackendUnavailableError(Error, ConnectionError):
    """The store cannot be reached, read or written (disk full, permission, network)."""
