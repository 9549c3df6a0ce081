"""Open: make a directory a mount, or take one up again.

A directory is a mount from the moment when ``.vgit/mount`` exists, and usable
from the moment when its first checkout is done. What was cut off in between is
done again by the next ``open_mount``.
"""

import os
import shutil
import socket
from typing import NamedTuple

from vgit.clock import Clock
from vgit.errors import AlreadyExistsError, BackendUnavailableError, InvalidError, NotADirectoryConflict
from vgit.ids import CommitId
from vgit.mount.layout import (
    DISPLACED,
    STATE_DIRECTORY,
    TEMPORARY,
    MountRecord,
    check_place,
    is_mount,
    read_record,
    write_record,
)
from vgit.mount.lease import Lease, drop_lease, renew_lease
from vgit.mount.plan import Local
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import printable
from vgit.repository import Repository


class Binding(NamedTuple):
    """What a directory is to be bound to."""

    store: str
    volume_id: str
    volume_name: str | None
    environment: str
    read_only: bool
    at: CommitId | None
    adopt: bool


def open_mount(path: str, binding: Binding, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path`` with the newest commit (or ``at``) checked out; makes it if it is none yet.

    Raises InvalidError for a directory with foreign files, AlreadyExistsError
    for the mount of something else, NotADirectoryConflict for a file.
    """
    path = os.path.abspath(path)
    check_place(path, binding.store)
    made = _make_directory(path)
    try:
        if is_mount(path):
            record = _same_binding(path, read_record(path), binding)
        else:
            record = _become_mount(path, binding, clock)
            made = made or not binding.adopt
    except BaseException:
        _remove(path, made_directory=made)
        raise
    return _bring_up(path, record, repository, clock, is_new=made)


def reopen_mount(path: str, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path`` as it is, nothing checked out; NotMountedError if it is none."""
    return WorkingDirectory(path, read_record(path), repository, clock)


def renew(working: WorkingDirectory, clock: Clock) -> None:
    """Tell the store where this mount is and what it still needs."""
    record = working.record
    lease = Lease(record.mount_id, socket.gethostname(), working.path, record.read_only, clock.now_ns(), working.base)
    renew_lease(working.repository, lease)


def unbind(working: WorkingDirectory) -> None:
    """Make the directory an ordinary one again: its state and its lease go, its files stay."""
    drop_lease(working.repository, working.record.mount_id)
    working.close()
    shutil.rmtree(os.path.join(working.path, STATE_DIRECTORY))


def _make_directory(path: str) -> bool:
    """Make ``path`` if it is missing and say whether it was."""
    try:
        os.makedirs(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryConflict(f"cannot mount at {printable(path)}: it is a file, not a directory.") from None
        return False
    except NotADirectoryError as error:
        raise NotADirectoryConflict(f"cannot mount at {printable(path)}: a file is in the way of it.") from error
    except OSError as error:
        raise BackendUnavailableError(f"cannot make the directory {printable(path)}: {error.strerror}.") from error
    return True


def _same_binding(path: str, record: MountRecord, binding: Binding) -> MountRecord:
    at = binding.at.hex() if binding.at is not None else None
    if record.volume_id != binding.volume_id or os.path.realpath(record.store) != os.path.realpath(binding.store):
        raise AlreadyExistsError(
            f"{printable(path)} is a mount of volume {record.volume_name or record.volume_id} in {record.store};"
            " unmount it, or mount at another directory."
        )
    if (record.read_only, record.at) != (binding.read_only, at):
        raise AlreadyExistsError(
            f"{printable(path)} is mounted {_describe(record)}; unmount it, or mount at another directory."
        )
    return record


def _describe(record: MountRecord) -> str:
    if record.at is not None:
        return f"at revision {record.at[:12]}"
    return "read-only" if record.read_only else "for writing"


def _become_mount(path: str, binding: Binding, clock: Clock) -> MountRecord:
    present = sorted(os.listdir(path))
    if STATE_DIRECTORY in present and not is_mount(path) and _is_remains(path):
        shutil.rmtree(os.path.join(path, STATE_DIRECTORY))  # of a mount that was cut off before it was one
        present.remove(STATE_DIRECTORY)
    if present and not binding.adopt:
        raise InvalidError(
            f"cannot mount at {printable(path)}: it holds {len(present)} entries ({printable(present[0])}, …)."
            " Mount at an empty or new directory, or adopt its files into the volume (adopt=True, --adopt)."
        )
    if STATE_DIRECTORY in present:
        raise InvalidError(f"cannot mount at {printable(path)}: it has an entry {STATE_DIRECTORY} that is not vgit's.")
    record = MountRecord(
        mount_id=clock.random_bytes(16).hex(),
        store=binding.store,
        volume_id=binding.volume_id,
        volume_name=binding.volume_name,
        environment=binding.environment,
        read_only=binding.read_only,
        adopted=bool(present),
        at=binding.at.hex() if binding.at is not None else None,
    )
    try:
        for directory in ("", TEMPORARY, DISPLACED):
            os.mkdir(os.path.join(path, STATE_DIRECTORY, directory), 0o700)
        write_record(path, record)
    except OSError as error:
        raise BackendUnavailableError(f"cannot mount at {printable(path)}: {error.strerror or error}.") from error
    return record


def _is_remains(path: str) -> bool:
    """Whether ``.vgit`` holds nothing but what a mount makes before it is one."""
    return set(os.listdir(os.path.join(path, STATE_DIRECTORY))) <= {TEMPORARY, DISPLACED, "mount.new"}


def _bring_up(
    path: str, record: MountRecord, repository: Repository, clock: Clock, *, is_new: bool
) -> WorkingDirectory:
    working = WorkingDirectory(path, record, repository, clock)
    try:
        working.own()
        if working.base is None:
            revision = CommitId(repository.refs.parse_id(record.at)) if record.at is not None else repository.head()
            if record.adopted:
                working.adopt(revision)
            else:
                working.check_out(revision)
        else:
            working.reload(Local.KEEP)
        renew(working, clock)
    except BaseException:
        half_done = is_new and not record.adopted
        working.close()
        if half_done:
            _remove(path, made_directory=True)
        raise
    return working


def _remove(path: str, *, made_directory: bool) -> None:
    """Take back a mount that did not come to be: nobody has seen what is in it."""
    if made_directory:
        _empty(path)
        try:
            os.rmdir(path)
        except OSError:
            pass  # it was there before, or somebody put something in it


def _empty(path: str) -> None:
    for name in os.listdir(path):
        entry = os.path.join(path, name)
        if os.path.isdir(entry) and not os.path.islink(entry):
            shutil.rmtree(entry, ignore_errors=True)
        else:
            os.unlink(entry)
