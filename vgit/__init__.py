"""vgit: versioned volumes that many programs share, each a real git repository.

    import vgit

    vol = vgit.Volume.from_name("weights", create_if_missing=True)
    with vol.mount("data") as path:
        (path / "model.bin").write_bytes(b"...")
    print([entry.path for entry in vol.listdir("/")])

docs/architecture.md is the map of what is behind it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgit import exception as exception
    from vgit import volume as volume
    from vgit.api.batch import Batch
    from vgit.api.client import Client
    from vgit.api.mount import Mount
    from vgit.api.snapshot import Snapshot
    from vgit.api.user_warnings import LeftOutWarning, LocalChangesWarning
    from vgit.errors import (
        AlreadyExistsError,
        BackendUnavailableError,
        ConflictError,
        CorruptObjectError,
        CorruptVolumeError,
        Error,
        FilesOpenError,
        InvalidError,
        LockedError,
        NotFoundError,
        NotMountedError,
        ReadOnlyError,
    )
    from vgit.files.left_out import LeftOutKind
    from vgit.types import (
        Change,
        ChangeKind,
        CommitInfo,
        FileEntry,
        FileEntryType,
        LeftOut,
        MountStatus,
        ReloadInfo,
        VolumeInfo,
    )
    from vgit.volume import Volume

__version__ = "0.1.0.dev0"  # written nowhere else: pyproject.toml and the command line take it from here

__all__ = [
    "AlreadyExistsError",
    "BackendUnavailableError",
    "Batch",
    "Change",
    "ChangeKind",
    "Client",
    "CommitInfo",
    "ConflictError",
    "CorruptObjectError",
    "CorruptVolumeError",
    "Error",
    "FileEntry",
    "FileEntryType",
    "FilesOpenError",
    "InvalidError",
    "LeftOut",
    "LeftOutKind",
    "LeftOutWarning",
    "LocalChangesWarning",
    "LockedError",
    "Mount",
    "MountStatus",
    "NotFoundError",
    "NotMountedError",
    "ReadOnlyError",
    "ReloadInfo",
    "Snapshot",
    "Volume",
    "VolumeInfo",
]

# Each name is imported when it is first used: `vgit --help` imports this package too, and must not wait for all of it.
# What is not here is an error of vgit.errors.
_MODULES = ("exception", "volume")  # for programs that say `modal.exception.NotFoundError`, `modal.volume.FileEntry`
_HOMES = {
    "Batch": "vgit.api.batch",
    "Client": "vgit.api.client",
    "LeftOutKind": "vgit.files.left_out",
    "LeftOutWarning": "vgit.api.user_warnings",
    "LocalChangesWarning": "vgit.api.user_warnings",
    "Mount": "vgit.api.mount",
    "Snapshot": "vgit.api.snapshot",
    "Volume": "vgit.volume",
} | dict.fromkeys(
    (
        "Change",
        "ChangeKind",
        "CommitInfo",
        "FileEntry",
        "FileEntryType",
        "LeftOut",
        "MountStatus",
        "ReloadInfo",
        "VolumeInfo",
    ),
    "vgit.types",
)

if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name):
        if name in _MODULES:
            return import_module(f"vgit.{name}")  # which sets the attribute
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES.get(name, "vgit.errors")), name)
        globals()[name] = value  # so that this runs once for each name
        return value

    def __dir__():
        return sorted({*globals(), *__all__, *_MODULES})
