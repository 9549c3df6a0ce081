"""Binding: what a directory that is a mount is bound to, and how a directory becomes one.

A directory is a mount from the moment when ``.vgit/mount`` exists. Nothing is
left of what was made for one that could not become it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from vgit.clock import Clock
from vgit.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    InvalidError,
    NotADirectoryConflict,
    NotMountedError,
)
from vgit.ids import CommitId, short_id
from vgit.localfs.fsync import sync_directory
from vgit.localfs.lockable_file import LockableFile
from vgit.mount.layout import (
    DISPLACED,
    FILLING_FILE,
    STATE_NAMES,
    TEMPORARY,
    MountRecord,
    find_root,
    half_unmounted,
    is_half_unmounted,
    is_mount,
    read_record,
    write_record,
)
from vgit.paths import ROOT, STATE_NAME, Path, format_path, printable
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import shutil
else:
    shutil = lazy_import("shutil")


class Binding(NamedTuple):
    """What a directory is to be bound to."""

    store: str
    volume_id: str
    volume_name: str | None
    environment: str
    read_only: bool
    at: CommitId | None
    adopt: bool
    sub_path: Path = ROOT


@contextmanager
def bound(path: str, binding: Binding, clock: Clock) -> Iterator[tuple[MountRecord, bool]]:
    """Make ``path`` the mount that ``binding`` says, or find that it is; give its record, and whether it is new.

    If the block fails, directories that were made go again if they are empty. Raises InvalidError for a directory
    with foreign files, AlreadyExistsError for the mount of something else, NotADirectoryConflict for a file.
    """
    made = _make_directory(path)
    try:
        with _alone(path):  # programs that start at the same time all come here
            is_new = not is_mount(path)
            if is_new:
                record = _become_mount(path, binding, clock)
            else:
                record = same_binding(path, read_record(path), binding)
        yield record, is_new
    except BaseException:
        _remove_empty(made)
        raise


def same_binding(path: str, record: MountRecord, binding: Binding) -> MountRecord:
    """Return ``record``; AlreadyExistsError if that is another binding."""
    at = binding.at.hex() if binding.at is not None else None
    if record.volume_id != binding.volume_id or os.path.realpath(record.store) != os.path.realpath(binding.store):
        name = f"{record.volume_name} ({record.volume_id})" if record.volume_name else record.volume_id
        raise AlreadyExistsError(
            f"{printable(path)} is a mount of volume {name} in {record.store}, not of {binding.volume_id};"
            " unmount it, or mount at another directory."
        )
    if (record.read_only, record.at, record.sub_path) != (binding.read_only, at, format_path(binding.sub_path)):
        raise AlreadyExistsError(
            f"{printable(path)} is mounted {_describe(record)}; unmount it, or mount at another directory."
        )
    return record


def _describe(record: MountRecord) -> str:
    how = "read-only" if record.read_only else "for writing"
    if record.at is not None:
        how = f"at revision {short_id(record.at)}"
    return f"{how}, of its directory {printable(record.sub_path)!r} only" if record.sub_path else how


def _make_directory(path: str) -> list[str]:
    """Make ``path``, and what is missing above it; return what was made, from the top."""
    made: list[str] = []
    try:
        for directory in _missing(path):
            try:
                os.mkdir(directory)
                made.append(directory)
            except FileExistsError:
                if not os.path.isdir(directory):  # else somebody made it a moment ago
                    raise
    except BaseException as error:
        _remove_empty(made)
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise NotADirectoryConflict(f"cannot mount at {printable(path)}: a file is in the way of it.") from error
        if isinstance(error, OSError):
            raise BackendUnavailableError(f"cannot make the directory {printable(path)}: {error.strerror}.") from error
        raise
    if not os.path.isdir(path):
        raise NotADirectoryConflict(f"cannot mount at {printable(path)}: it is a file, not a directory.")
    return made


def _missing(path: str) -> list[str]:
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def _remove_empty(directories: list[str]) -> None:
    """Remove directories that were made for nothing, unless somebody put something there."""
    for directory in reversed(directories):
        try:
            os.rmdir(directory)
        except OSError:
            return


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let one program at a time make the directory a mount; not where a directory cannot be locked."""
    directory = LockableFile()
    try:
        directory.open(lambda: os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise BackendUnavailableError(f"cannot mount at {printable(path)}: {error.strerror}.") from error
    try:
        with suppress(OSError):  # some network file systems
            directory.lock()
        yield
    finally:
        directory.unlock()


def _become_mount(path: str, binding: Binding, clock: Clock) -> MountRecord:
    _refuse_inside_a_mount(path)
    if is_half_unmounted(path):
        raise InvalidError(f"cannot mount at {printable(path)}: {half_unmounted(printable(path))}")
    present = sorted(os.listdir(path))
    if STATE_NAME in present and not is_mount(path) and _is_remains(path):
        shutil.rmtree(os.path.join(path, STATE_NAME))  # of a mount that was cut off before it was one
        present.remove(STATE_NAME)
    if present and not binding.adopt:
        more = f" and {len(present) - 1} more" if len(present) > 1 else ""
        raise InvalidError(
            f"cannot mount at {printable(path)}: it is not empty ({printable(present[0])}{more})."
            " Mount at an empty or new directory, or adopt its files into the volume (adopt=True, --adopt)."
        )
    if STATE_NAME in present:
        raise InvalidError(f"cannot mount at {printable(path)}: it has an entry {STATE_NAME} that is not vgit's.")
    record = MountRecord(
        mount_id=clock.random_bytes(16).hex(),
        store=binding.store,
        volume_id=binding.volume_id,
        volume_name=binding.volume_name,
        environment=binding.environment,
        read_only=binding.read_only,
        adopted=bool(present),
        at=binding.at.hex() if binding.at is not None else None,
        sub_path=format_path(binding.sub_path),
    )
    _make_state(path, record)
    return record


def _make_state(path: str, record: MountRecord) -> None:
    """Make ``.vgit``, which marks the directory as a mount; nothing is left of it if that fails."""
    state = os.path.join(path, STATE_NAME)
    try:
        os.mkdir(state, 0o700)
    except OSError as error:
        raise BackendUnavailableError(f"cannot mount at {printable(path)}: {error.strerror or error}.") from error
    try:
        for directory in (TEMPORARY, DISPLACED):
            os.mkdir(os.path.join(state, directory), 0o700)
        if not record.adopted:
            with open(os.path.join(state, FILLING_FILE), "xb"):
                pass
        write_record(path, record)
        sync_directory(path)
    except BaseException as error:
        shutil.rmtree(state, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackendUnavailableError(f"cannot mount at {printable(path)}: {error.strerror or error}.") from error
        raise


def _refuse_inside_a_mount(path: str) -> None:
    try:
        outer = find_root(os.path.dirname(path))
    except NotMountedError:
        return
    raise InvalidError(
        f"cannot mount at {printable(path)}: it is inside the mount {printable(outer)}, whose commits would publish"
        " what is in it. Mount at a directory outside."
    )


def _is_remains(path: str) -> bool:
    """Whether ``.vgit`` holds nothing but what is in a mount before it is one, or after it was one."""
    return STATE_NAMES.issuperset(os.listdir(os.path.join(path, STATE_NAME)))
