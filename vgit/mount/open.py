"""Open: make a directory a mount, or take one up again.

A mount (``binding``) is usable from the moment when its first checkout is done.
One that was cut off is done again by the next ``open_mount``: in place as long as
``.vgit/filling`` says that the files are the checkout's, of the commit that it
names, or came meanwhile. Without it they may be the user's (the state database was lost), so they are
adopted: none is overwritten.
"""

import os

from vgit.clock import Clock
from vgit.errors import CorruptVolumeError, Error
from vgit.ids import CommitId
from vgit.mount.binding import Binding, bound, same_binding
from vgit.mount.layout import FILLING_FILE, MountRecord, check_place, marker_of, read_record
from vgit.mount.lease import Lease, renew_lease
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import MOUNT_FILE, STATE_NAME
from vgit.repository.repository import Repository


def open_mount(path: str, binding: Binding, repository: Repository, clock: Clock) -> WorkingDirectory:
    """Return the mount at ``path`` with the newest commit (or ``at``) checked out; makes it if it is none yet.

    Raises InvalidError for a directory with foreign files, AlreadyExistsError
    for the mount of something else, NotADirectoryConflict for a file.
    """
    path = os.path.abspath(path)
    check_place(path, binding.store)
    with bound(path, binding, clock) as (record, is_new):
        return _bring_up(path, record, repository, clock, is_new=is_new and not record.adopted)


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
    return WorkingDirectory(path, same_binding(path, read_record(path), binding), repository, clock)


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
    elif not os.path.exists(filling):
        working.adopt(_newest(record, repository))
    elif (begun := _begun(filling, repository)) is not None:
        working.check_out(begun)
        working.catch_up()
    else:
        revision = _newest(record, repository)
        _note_begun(filling, revision)
        working.check_out(revision)
    try:
        os.unlink(filling)
    except FileNotFoundError:
        pass


def _newest(record: MountRecord, repository: Repository) -> CommitId:
    """Return the commit that a mount without a base is to show."""
    return CommitId(repository.refs.parse_id(record.at)) if record.at is not None else repository.head()


def _begun(filling: str, repository: Repository) -> CommitId | None:
    """Return the commit whose first checkout was cut off; None if none had begun, or the store has it no more.

    That commit is finished first. By a newer one, what is left of the older would count as changes made here.
    """
    with open(filling, encoding="utf-8", errors="replace") as file:
        text = file.read()
    try:
        id = CommitId(repository.refs.parse_id(text))
    except CorruptVolumeError:
        return None
    return id if repository.objects.contains(id) else None


def _note_begun(filling: str, revision: CommitId) -> None:
    """Say which commit is checked out, durably: nothing of it is in the mount yet."""
    with open(filling, "w", encoding="utf-8") as file:
        file.write(revision.hex())
        file.flush()
        os.fsync(file.fileno())
