"""Open: make a directory a mount, or take one up again.

A directory is a mount from the moment when ``.vgit/mount`` exists, and usable
from the moment when its first checkout is done. What was cut off in between is
done again by the next ``open_mount``: in place as long as ``.vgit/filling``
says that the files are the checkout's, or came meanwhile. Without it they may be the user's (the
state database was lost), so they are adopted: none is overwritten.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from vgit.clock import Clock
from vgit.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    Error,
    InvalidError,
    NotADirectoryConflict,
    NotMountedError,
)
from vgit.ids import CommitId, short_id
from vgit.localfs.fsync import sync_directory
from vgit.mount.layout import (
    DISPLACED,
    FILLING_FILE,
    STATE_NAMES,
    TEMPORARY,
    MountRecord,
    check_place,
    find_root,
    half_unmounted,
    is_half_unmounted,
    is_mount,
    marker_of,
    read_record,
    write_record,
)
from vgit.mount.lease import Lease, renew_lease
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import MOUNT_FILE, ROOT, STATE_NAME, Path, format_path, printable
from vgit.repository.repository import Repository
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


def open_mount(path: str, binding: Binding, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path`` with the newest commit (or ``at``) checked out; makes it if it is none yet.

    Raises InvalidError for a directory with foreign files, AlreadyExistsError
    for the mount of something else, NotADirectoryConflict for a file.
    """
    path = os.path.abspath(path)
    check_place(path, binding.store)
    made = _make_directory(path)
    try:
        with _alone(path):  # programs that start at the same time all come here
            is_new = not is_mount(path)
            if is_new:
                record = _become_mount(path, binding, clock)
            else:
                record = _same_binding(path, read_record(path), binding)
        return _bring_up(path, record, repository, clock, is_new=is_new and not record.adopted)
    except BaseException:
        _remove_empty(made)
        raise


def reopen_mount(path: str, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path`` as it is, nothing checked out; NotMountedError if it is none."""
    return WorkingDirectory(path, read_record(path), repository, clock)


def reopen_to_unmount(path: str, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path``, also if an unmount of it was cut off: for ``unbind`` only."""
    marker = marker_of(path) or MOUNT_FILE
    return WorkingDirectory(path, read_record(path, marker), repository, clock, marker)


def share_mount(path: str, binding: Binding, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path``, which another program holds open for this one, as it is; nothing is checked out.

    Raises AlreadyExistsError if it is not bound as ``binding`` says.
    """
    path = os.path.abspath(path)
    return WorkingDirectory(path, _same_binding(path, read_record(path), binding), repository, clock)


def renew(working: WorkingDirectory, clock: Clock) -> None:
    """Tell the store where this mount is and what it still needs."""
    record = working.record
    lease = Lease(record.mount_id, os.uname().nodename, working.path, record.read_only, clock.now_ns(), working.base)
    renew_lease(working.repository, lease)


def unbind(working: WorkingDirectory, *, remove_files: bool) -> bool:
    """Make the directory an ordinary one again, or end what was begun; say whether its files are gone too.

    Files go only if none has a change that is not published.
    """
    end = working.finish_unmount if working.is_half_unmounted else working.unmount
    removed = end(remove_files=remove_files)
    working.close()
    return removed


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


def _same_binding(path: str, record: MountRecord, binding: Binding) -> MountRecord:
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


def _bring_up(
    path: str, record: MountRecord, repository: Repository, clock: Clock, *, is_new: bool
) -> WorkingDirectory:
    working = WorkingDirectory(path, record, repository, clock)
    is_ours = False
    try:
        working.own()
        is_ours = is_new and working.base is None  # else another program took it up before us
        _fill(working, path)
        renew(working, clock)
    except BaseException:
        try:
            if is_ours:
                _take_back(working)  # while it is ours, so that nobody else's goes
        finally:
            working.close()
        raise
    working.settle_in()
    return working


def _take_back(working: WorkingDirectory) -> None:
    try:
        working.take_back()
    except (Error, OSError):
        pass  # mounting again goes on with what is left; the first error says what was wrong


def _fill(working: WorkingDirectory, path: str) -> None:
    """Bring the newest state into a mount, or finish its first checkout."""
    record, repository = working.record, working.repository
    filling = os.path.join(path, STATE_NAME, FILLING_FILE)
    if working.base is not None:
        working.catch_up()
    else:
        revision = CommitId(repository.refs.parse_id(record.at)) if record.at is not None else repository.head()
        if os.path.exists(filling):
            working.check_out(revision)
        else:
            working.adopt(revision)
    try:
        os.unlink(filling)
    except FileNotFoundError:
        pass


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let one program at a time make the directory a mount; not where a directory cannot be locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BackendUnavailableError(f"cannot mount at {printable(path)}: {error.strerror}.") from error
    locked = True
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            locked = False  # some network file systems
        yield
    finally:
        if locked:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child forked meanwhile, which has a copy
        os.close(descriptor)
