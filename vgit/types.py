"""Types: the values that the API gives and takes."""

import enum
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor

from vgit.files.left_out import LeftOutKind, Omitted
from vgit.ids import CommitId
from vgit.objects.git_mode import GITLINK_MODE
from vgit.paths import ROOT, Path, format_path
from vgit.repository.commit import Commit
from vgit.tree.change_kind import ChangeKind as ChangeKind  # which programs import from here
from vgit.tree.edits import Counts
from vgit.tree.entry import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A day within what a datetime can be, so that it is one in every time zone.
_FIRST = floor((datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds())
_LAST = floor((datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH).total_seconds())


def time_of(ns: int) -> datetime:
    """Return nanoseconds since the epoch as the API gives times: aware, UTC, whole microseconds, never rounded up."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def time_of_commit(commit: Commit) -> datetime:
    """Return when a commit was made, by its writer's clock; stock git takes any number, the nearest datetime counts."""
    return _EPOCH + timedelta(seconds=min(max(commit.told, _FIRST), _LAST))


class FileEntryType(enum.IntEnum):
    """What a ``FileEntry`` is; numbers as in Modal's API."""

    UNSPECIFIED = 0
    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    SOCKET = 5


_TYPES = {
    stat.S_IFREG: FileEntryType.FILE,
    stat.S_IFDIR: FileEntryType.DIRECTORY,
    stat.S_IFLNK: FileEntryType.SYMLINK,
    stat.S_IFIFO: FileEntryType.FIFO,
    stat.S_IFSOCK: FileEntryType.SOCKET,
    GITLINK_MODE: FileEntryType.UNSPECIFIED,
}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One name in a volume. The first four fields are Modal's."""

    path: str  # from the volume's root, without a leading slash
    type: FileEntryType
    mtime: int  # seconds since the epoch
    size: int  # bytes; of a symlink: of its target
    mode: int = 0  # permission bits
    mtime_ns: int = 0
    hash: str | None = None  # BLAKE3 hex, as b3sum prints; None: not known, or nothing to hash

    @classmethod
    def of(cls, path: Path, entry: Entry) -> "FileEntry":
        """Return ``entry`` as the API shows it."""
        return cls.at(format_path(path), entry)

    @classmethod
    def at(cls, path: str, entry: Entry) -> "FileEntry":
        """Return ``entry`` as the API shows it, ``path`` being as it is shown."""
        # Half the time that keywords and attributes would take: listings make 10^5 of them.
        mode, _, _, size, mtime_ns, hash = entry
        return cls(
            path,
            _TYPES[stat.S_IFMT(mode)],
            mtime_ns // 1_000_000_000,
            size,
            stat.S_IMODE(mode),
            mtime_ns,
            None if hash is None else hash.hex(),
        )


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """What ``Volume.info()`` says; the first three fields are Modal's."""

    name: str | None
    created_at: datetime  # aware, UTC
    created_by: str
    id: str = ""
    head: str = ""  # hex id of the newest commit
    size: int = 0  # bytes of all files at head
    commits: int = 0
    git_dir: str | None = None  # where the repository is, on a local store


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that a commit or an upload left out, or published without what a volume cannot hold."""

    path: str  # as in what it is part of
    kind: LeftOutKind
    reason: str  # for people

    @classmethod
    def of(cls, omitted: Omitted, below: Path = ROOT) -> "LeftOut":
        """Return it as the API shows it; its path is from the directory ``below``."""
        return cls(format_path(below + omitted.path), omitted.kind, omitted.reason)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One published state."""

    id: str  # hex
    parent: str | None  # hex; None: the volume's first commit
    tree: str  # hex
    author: str
    time: datetime  # aware, UTC; as the writer's clock told it
    message: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    bytes_added: int = 0  # stored bytes, after compression and without what was there already
    overwrote: tuple[str, ...] = ()  # the receipt: paths whose version this commit replaced or removed unseen
    overwrote_count: int = 0
    unstable: tuple[str, ...] = ()  # paths that were being written while they were stored
    touched: int = 0  # files of which only the time changed; the other counts are without them
    clock_behind: int = 0  # seconds by which the writer's clock was behind the time of the state before
    left_out: tuple[LeftOut, ...] = ()  # of a commit just made: what of its files is not in it, in path order

    @classmethod
    def of(cls, id: CommitId, commit: Commit, counts: Counts) -> "CommitInfo":
        """Return ``commit`` as the API shows it."""
        return cls(
            id=id.hex(),
            parent=commit.parent.hex() if commit.parent is not None else None,
            tree=commit.tree.hex(),
            author=commit.author,
            time=time_of_commit(commit),
            message=commit.message.rstrip("\n"),
            added=counts.added,
            changed=counts.changed,
            removed=counts.removed,
            bytes_added=counts.bytes_added,
            overwrote=tuple(format_path(lost.path) for lost in commit.overwrote),
            overwrote_count=commit.overwrote_count,
            unstable=tuple(format_path(path) for path in commit.unstable),
            touched=counts.touched,
            clock_behind=commit.commit_time - commit.told,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two states."""

    path: str
    kind: ChangeKind
    old: FileEntry | None
    new: FileEntry | None


@dataclass(frozen=True, slots=True)
class MountStatus:
    """What a mount has that is not published."""

    base: str  # hex id of the commit last reloaded from
    head: str  # hex id of the newest commit
    changes: tuple[Change, ...]
    left_out: tuple[LeftOut, ...] = ()  # what a commit would leave out


@dataclass(frozen=True, slots=True)
class ReloadInfo:
    """What a reload did."""

    head: str  # hex id of the state now in the mount
    changed: int  # paths written or removed
    kept: tuple[str, ...] = ()  # paths with local changes, left as they are
    left_out: tuple[LeftOut, ...] = ()  # what is published and cannot be in this mount
