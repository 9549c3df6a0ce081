"""Layout: the one thing of ours in a mount's root, the directory ``.vgit/``.

    mount       JSON: mount id, store, volume, options; what makes the directory a mount
    unmounting  the same file, renamed, while an unmount takes its files away
    unmounted   the same, when they are gone or are to stay, until ``.vgit`` goes
    lock        flock: held by whoever commits, reloads or scans
    owner       flock: held while a program has the mount open
    state.db    the stat cache, base, divergent paths and journal (and its -wal, -shm)
    filling     there until the first checkout is done; its commit, whose files they are, or they came meanwhile
    probe       touched at the start of a scan to read the file system's clock
    tmp/        files on their way in
    displaced/  files on their way out, until a reload is done

It is never scanned and never published, nor is anything else of that name,
wherever it stands: what was published could be checked out, and be believed. A
mount carries all its state, so it can be moved, and a directory made anew in its
place is not a mount.
"""

import json
import os
from dataclasses import asdict, dataclass

from vgit.errors import InvalidError, NotMountedError
from vgit.localfs.filesystem_clock import PROBE_FILE
from vgit.localfs.fsync import sync_directory
from vgit.paths import MOUNT_FILE, STATE_NAME

UNMOUNTING_FILE = "unmounting"
UNMOUNTED_FILE = "unmounted"
MARKERS = (MOUNT_FILE, UNMOUNTING_FILE, UNMOUNTED_FILE)  # one of them is there, from the first moment to the last
LOCK_FILE = "lock"
OWNER_FILE = "owner"
DATABASE_FILE = "state.db"
TEMPORARY = "tmp"
DISPLACED = "displaced"
FILLING_FILE = "filling"
_VERSION = 1
_DATABASE_NAMES = (DATABASE_FILE, DATABASE_FILE + "-wal", DATABASE_FILE + "-shm", DATABASE_FILE + "-journal")
# All that is in ``.vgit`` of a directory that is not yet, or no longer, a mount.
STATE_NAMES = frozenset(
    (MOUNT_FILE + ".new", LOCK_FILE, OWNER_FILE, PROBE_FILE, TEMPORARY, DISPLACED, FILLING_FILE, *_DATABASE_NAMES)
)


@dataclass(frozen=True, slots=True)
class MountRecord:
    """What a mount is bound to."""

    mount_id: str  # 32 hex digits, random
    store: str  # the store root's location
    volume_id: str
    volume_name: str | None
    environment: str
    read_only: bool = False
    adopted: bool = False  # the directory had files of its own when it became a mount
    at: str | None = None  # hex id of the revision that a mount of an old state stays at
    sub_path: str = ""  # the directory of the volume that the mount shows; empty: all of it


def write_record(root: str, record: MountRecord) -> None:
    """Make ``root`` a mount; durable on return. ``.vgit/`` itself must exist."""
    state = os.path.join(root, STATE_NAME)
    temporary = os.path.join(state, MOUNT_FILE + ".new")
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump({"version": _VERSION, **asdict(record)}, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(state, MOUNT_FILE))
    sync_directory(state)


def is_mount(root: str) -> bool:
    """Return whether ``root`` is marked as a mount."""
    return os.path.isfile(os.path.join(root, STATE_NAME, MOUNT_FILE))


def marker_of(root: str) -> str | None:
    """Return the name of the file that tells what ``root`` is bound to, or was; None if there is none."""
    return next((name for name in MARKERS if os.path.isfile(os.path.join(root, STATE_NAME, name))), None)


def is_half_unmounted(root: str) -> bool:
    """Return whether ``root`` was a mount, and an unmount of it is not done."""
    return marker_of(root) in (UNMOUNTING_FILE, UNMOUNTED_FILE)


def read_record(root: str, marker: str = MOUNT_FILE) -> MountRecord:
    """Return what ``root`` is bound to; NotMountedError if it is not a mount."""
    path = os.path.join(root, STATE_NAME, marker)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            fields = json.load(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if is_half_unmounted(root):
            raise NotMountedError(f"{root} is no mount any more: {half_unmounted(root)}") from error
        raise NotMountedError(
            f"{root} is not a mount: it has no {STATE_NAME}/{MOUNT_FILE}. If the directory was deleted and made"
            " again, nothing of the volume is lost: mount it again. If only that file is gone, mount it again with"
            " --adopt (adopt=True): no file is overwritten."
        ) from error
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(fields, dict) or fields.pop("version", None) != _VERSION:
        raise NotMountedError(f"{path} was not written by this version of vgit; expected version {_VERSION}.")
    try:
        return MountRecord(**fields)
    except TypeError as error:
        raise _damaged(path, error) from error


def half_unmounted(root: str) -> str:
    """Say what has become of a directory that is half unmounted, and what to do."""
    return f"an unmount of it is under way, or was cut off. `vgit unmount {root}` finishes it."


def _damaged(path: str, error: Exception) -> NotMountedError:
    return NotMountedError(
        f"{path} is damaged ({error}). Remove it, and mount the volume there again with --adopt (adopt=True): no file"
        " is overwritten, and those that differ from the volume are local changes."
    )


def find_root(start: str) -> str:
    """Return the mount that ``start`` is in, walking up as git does; NotMountedError if it is in none."""
    root = find_marked(start)
    if root is not None and is_mount(root):
        return root
    if root is not None:
        raise NotMountedError(f"{start} is not in a mount: of {root}, {half_unmounted(root)}")
    raise NotMountedError(f"{start} is not in a mount: no {STATE_NAME}/{MOUNT_FILE} in it or above it.")


def find_marked(start: str) -> str | None:
    """Return the directory ``start`` is in that is a mount, or is half unmounted; None if it is in none."""
    directory, below = os.path.realpath(start), ""
    while directory != below:  # the root is its own parent
        if marker_of(directory) is not None:
            return directory
        directory, below = os.path.dirname(directory), directory
    return None


def check_place(root: str, store: str) -> None:
    """Refuse a mount inside the store, or around it."""
    mount, where = os.path.realpath(root), os.path.realpath(store)
    if os.path.commonpath((mount, where)) in (mount, where):
        raise InvalidError(
            f"cannot mount at {root}: it is inside the store {store}, or holds it. Choose a directory elsewhere."
        )
