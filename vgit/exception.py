"""Exception: the errors under the names that Modal's programs know, as ``vgit.exception``.

``except modal.exception.NotFoundError`` and ``from modal.exception import …``
work with ``vgit`` in the place of ``modal``. The classes are those of
``errors.py``, which says what each is for. A time-out is a LockedError: the only
thing that vgit gives up after a time is to wait for a lock.
"""

from vgit.errors import (
    AlreadyExistsError,
    ConflictError,
    Error,
    InvalidError,
    NotFoundError,
)
from vgit.errors import (
    BackendUnavailableError as ConnectionError,
)
from vgit.errors import (
    BackendUnavailableError as ServiceError,
)
from vgit.errors import (
    CorruptObjectError as DataLossError,
)
from vgit.errors import (
    CorruptObjectError as ExecutionError,
)
from vgit.errors import (
    LockedError as TimeoutError,
)
from vgit.errors import (
    LockedError as VolumeUploadTimeoutError,
)
from vgit.errors import (
    ReadOnlyError as PermissionDeniedError,
)

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "ConnectionError",
    "DataLossError",
    "Error",
    "ExecutionError",
    "InvalidError",
    "NotFoundError",
    "PermissionDeniedError",
    "ServiceError",
    "TimeoutError",
    "VolumeUploadTimeoutError",
]
