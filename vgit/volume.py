"""Volume: the handle that programs hold; lazy, cheap, picklable, safe in threads.

A handle does no I/O until it is first used. It resolves its name to an id then,
and stays with that id: a volume renamed meanwhile is still the same volume.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vgit.api.aio import Both, Generator, Method
from vgit.api.client import Client, given_or_default
from vgit.api.convert import answer, change
from vgit.api.namespace import Objects, Renaming, check_version
from vgit.api.resolve import Resolved, ephemeral, look_up
from vgit.api.snapshot import Readable, Snapshot, TreeView
from vgit.api.writable import Writable
from vgit.errors import InvalidError, ReadOnlyError
from vgit.history.changes import changes
from vgit.history.log import log as read_log
from vgit.history.moment import to_seconds
from vgit.history.restore import restore
from vgit.history.revision import resolve_revision
from vgit.history.tags import delete_tag, list_tags, set_tag
from vgit.names import check_volume_id, check_volume_name
from vgit.paths import ROOT, Path, local_place, parse_path
from vgit.repository.repository import Repository
from vgit.runtime.lazy_import import lazy_import
from vgit.runtime.once import Once
from vgit.types import (
    Change,
    CommitInfo,
    ReloadInfo,
    VolumeInfo,
    time_of,
)
from vgit.types import (
    FileEntry as FileEntry,  # also here, because Modal's programs take them from modal.volume
)
from vgit.types import (
    FileEntryType as FileEntryType,
)

if TYPE_CHECKING:
    from vgit.api import handed, mounts, together
    from vgit.mount import open as mount_open
    from vgit.mount import scope
else:
    mounts, handed = lazy_import("vgit.api.mounts"), lazy_import("vgit.api.handed")
    together = lazy_import("vgit.api.together")
    mount_open, scope = lazy_import("vgit.mount.open"), lazy_import("vgit.mount.scope")


class MountOptions(NamedTuple):
    """What ``with_mount_options`` said of a handle's mounts."""

    read_only: bool = False
    sub_path: Path = ROOT


class Volume(Readable, Writable):
    """A versioned directory tree that many programs share. Get one by ``from_name``, ``from_id`` or ``ephemeral``."""

    objects: "ClassVar[Objects[Volume]]"
    rename = Renaming().rename

    _client: Client
    _name: str | None
    _environment: str | None
    _volume_id: str | None
    _create_if_missing: bool
    _read_only: bool
    _mount_options: "MountOptions | None"
    _resolved: Once[Resolved]

    def __init__(self) -> None:
        raise InvalidError("Volume() makes nothing; use Volume.from_name(name), from_id(id) or ephemeral().")

    @classmethod
    def _make(
        cls,
        client: Client,
        *,
        name: str | None,
        environment: str | None,
        volume_id: str | None,
        create_if_missing: bool = False,
        read_only: bool = False,
    ) -> "Volume":
        volume = object.__new__(cls)
        volume._client = client
        volume._name = name
        volume._environment = environment
        volume._volume_id = volume_id
        volume._create_if_missing = create_if_missing
        volume._read_only = read_only
        volume._mount_options = None
        volume._resolved = Once()
        return volume

    @classmethod
    def from_name(
        cls,
        name: str,
        *,
        environment_name: str | None = None,
        create_if_missing: bool = False,
        version: int | None = None,
        create_options: Any = None,
        client: Client | None = None,
    ) -> "Volume":
        """Return the handle of a named volume. No I/O: a missing one raises NotFoundError at first use.

        ``version`` 1 and 2 and ``create_options`` are accepted for Modal's sake and change nothing.
        """
        check_version(version)
        return cls._make(
            given_or_default(client),
            name=check_volume_name(name),
            environment=environment_name,
            volume_id=None,
            create_if_missing=create_if_missing,
        )

    @classmethod
    def from_id(cls, volume_id: str, client: Client | None = None) -> "Volume":
        """Return the handle of a volume by its id. No I/O; ``name`` is known once it was used."""
        return cls._make(given_or_default(client), name=None, environment=None, volume_id=check_volume_id(volume_id))

    @classmethod
    def ephemeral(
        cls,
        environment_name: str | None = None,
        *,
        version: int | None = None,
        create_options: Any = None,
        client: Client | None = None,
    ) -> "Both[Volume]":
        """Return a context manager, also for ``async with``, of a volume without a name, deleted at its end.

        Nothing is made before the block is entered. ``version`` and
        ``create_options`` are as in ``from_name``. Source: Modal.
        """
        check_version(version)
        return Both(_ephemeral(cls, given_or_default(client), environment_name))

    def __repr__(self) -> str:
        if self._name is None:
            return f"vgit.Volume.from_id({self._volume_id!r})"
        environment = f", environment_name={self._environment!r}" if self._environment else ""
        return f"vgit.Volume.from_name({self._name!r}{environment})"

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_client", "_name", "_environment", "_volume_id", "_create_if_missing", "_read_only", "_mount_options")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._resolved = Once()

    @property
    def name(self) -> str | None:
        """The volume's name; None for an ephemeral one, or before a handle ``from_id`` was used."""
        return self._name

    @property
    def object_id(self) -> str:
        """The volume's id, ``vo-…``. Resolves the name if that was not done yet."""
        return self._volume_id or self._resolve().record.id

    @property
    def git_dir(self) -> str:
        """Where the volume's bare git repository is: ``git --git-dir=… log`` works."""
        return os.path.join(self._client.store, "volumes", f"{self._resolve().record.id}.git")

    def read_only(self) -> "Volume":
        """Return a handle that refuses to write, through mounts and through the API. Source: Modal."""
        if self._mount_options is not None:
            raise InvalidError(
                "read_only() and with_mount_options() do not mix; use with_mount_options(read_only=True)."
            )
        handle = copy(self)
        handle._read_only = True
        return handle

    def with_mount_options(self, *, read_only: bool | None = None, sub_path: str | None = None) -> "Volume":
        """Return a handle whose mounts are read-only, or show only the directory ``sub_path``. Source: Modal.

        None keeps what an earlier call said; ``sub_path="/"`` is the whole
        volume again. Reading and writing through the API are not affected.
        """
        if self._read_only:
            raise InvalidError("read_only() and with_mount_options() do not mix; this handle came from read_only().")
        earlier = self._mount_options or MountOptions()
        handle = copy(self)
        handle._mount_options = MountOptions(
            read_only=earlier.read_only if read_only is None else read_only,
            sub_path=earlier.sub_path if sub_path is None else parse_path(sub_path),
        )
        return handle

    def _hydrate(self) -> "Volume":
        """Resolve the handle now and return it; NotFoundError if there is no such volume."""
        self._resolve()
        return self

    def _info(self) -> VolumeInfo:
        """Return name, creation, id, head, size in bytes, commits. Cost grows with files and commits. Source: Modal."""
        resolved = self._resolve()
        head = resolved.repository.head()
        view = TreeView(resolved.repository, head)
        return VolumeInfo(
            name=self._name,
            created_at=time_of(resolved.record.created_at_ns),
            created_by=resolved.record.created_by,
            id=resolved.record.id,
            head=head.hex(),
            size=sum(entry.size for _, entries in view.walk(ROOT, recursive=True) for entry in entries.values()),
            commits=sum(1 for _ in resolved.repository.first_parents(head)),
            git_dir=self.git_dir,
        )

    def _commit(self, message: str | None = None) -> CommitInfo | None:
        """Publish what this process's mounts have; None if nothing changed. The receipt is in it. Source: Modal.

        Of several mounts the answer is the last commit, with the counts and lists of all. If one fails, the others
        are committed, and its error has their answer as ``published``. NotMountedError without a mount of the volume,
        ReadOnlyError for a read-only handle.
        """
        self._refuse_read_only()
        with self._mounts() as opened:
            return together.commit_all(opened, message)

    def _reload(self) -> ReloadInfo:
        """Bring the newest published state into this process's mounts. Source: Modal.

        Of several mounts the answer has the counts and lists of all, with the volume's paths; another error of one is
        raised when the others are reloaded. FilesOpenError, before anything is touched, while a process has files
        open in one; NotMountedError without a mount.
        """
        with self._mounts() as opened:
            return together.reload_all(opened)

    def _mount(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool | None = None,
        at: str | None = None,
        sub_path: str | None = None,
        commit_every: float | None = None,
        adopt: bool = False,
    ) -> "mounts.Mount":
        """Check the newest commit out into ``path`` and return the mount, a context manager that gives the path.

        ``at`` mounts an old revision, read-only. ``sub_path`` mounts what is
        below one directory of the volume: only that is checked out and
        committed. ``commit_every`` commits in the background after so many
        seconds, and at the end after an exception too. ``adopt`` takes a
        directory that has files: equal ones are clean, others are local changes.
        This volume's mount is taken up again, one that `vgit run` handed over is used as it is.
        InvalidError for a directory that cannot be one, AlreadyExistsError if it, or the volume, is
        mounted by this process, FilesOpenError for a mount that is behind while files are open there.
        """
        resolved = self._resolve()
        revision = resolve_revision(resolved.repository, at) if at is not None else None
        options = self._mount_options or MountOptions()
        shown = parse_path(sub_path) if sub_path is not None else options.sub_path
        scope.check_sub_path(resolved.repository, shown, revision)
        is_read_only = options.read_only if read_only is None else read_only
        binding = mount_open.Binding(
            store=self._client.store,
            volume_id=resolved.record.id,
            volume_name=self._name,
            environment=resolved.record.environment,
            read_only=self._read_only or at is not None or is_read_only,
            at=revision,
            adopt=adopt,
            sub_path=shown,
        )
        return mounts.open_for_program(
            local_place(path),
            binding,
            resolved.repository,
            self._client.author,
            commit_every=commit_every,
            handed=self._client.handed_mounts,
        )

    def _log(
        self,
        path: str | None = None,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
    ) -> Iterator[CommitInfo]:
        """Yield the published states, newest first; of ``path`` only those that changed something there.

        ``since`` and ``until``, both inclusive, are datetimes or text such as
        "2026-11-01" or "2 hours ago". NotFoundError if nothing was ever at ``path``.
        """
        repository = self._resolve().repository
        now_ns = self._client.clock.now_ns()
        logged = read_log(
            repository,
            repository.head(),
            parse_path(path) if path is not None else None,
            since=to_seconds(since, now_ns) if since is not None else None,
            until=to_seconds(until, now_ns) if until is not None else None,
            limit=limit,
            now_ns=now_ns,
        )
        for id, commit, counts in logged:
            yield CommitInfo.of(id, commit, counts)

    def _diff(self, old: str = "HEAD~1", new: str = "HEAD", path: str | None = None) -> list[Change]:
        """Return what differs between two revisions, in path order. NotFoundError if there is no such."""
        repository = self._resolve().repository
        trees = [repository.commit(resolve_revision(repository, one)).tree for one in (old, new)]
        where = parse_path(path) if path is not None else None
        return [change(one) for one in changes(repository, trees[0], trees[1], where)]

    def _restore(
        self, revision: str, paths: list[str] | None = None, *, message: str | None = None
    ) -> CommitInfo | None:
        """Publish an old state, or some paths of it, as the newest; None if it is that already. Or NotFoundError."""
        self._refuse_read_only()
        if isinstance(paths, str) or not isinstance(paths, Iterable | None):  # of a text, each letter would be a path
            raise InvalidError(f"paths must be a list; got {paths!r}. Give [{paths!r}].")
        repository = self._resolve().repository
        wanted = [parse_path(path) for path in paths] if paths is not None else None
        published = restore(repository, resolve_revision(repository, revision), wanted, self._client.author, message)
        return answer(repository, published)

    def _at(self, revision: str) -> Snapshot:
        """Return a published state to be read; NotFoundError if there is no such revision."""
        repository = self._resolve().repository
        return Snapshot(self, repository, resolve_revision(repository, revision))

    def _tag(self, name: str, revision: str = "HEAD") -> None:
        """Give a revision a name that stays with it; AlreadyExistsError if another revision has it."""
        self._refuse_read_only()
        repository = self._resolve().repository
        set_tag(repository, name, resolve_revision(repository, revision))

    def _untag(self, name: str) -> None:
        """Take a tag away; NotFoundError if there is none."""
        self._refuse_read_only()
        delete_tag(self._resolve().repository, name)

    def _tags(self) -> dict[str, str]:
        """Return tag → hex id of its commit, in order of name."""
        return {name: id.hex() for name, id in list_tags(self._resolve().repository).items()}

    hydrate = Method(_hydrate)
    info = Method(_info)
    commit = Method(_commit)
    reload = Method(_reload)
    mount = Method(_mount, undo=lambda made: made.release())
    log = Generator(_log)
    diff = Method(_diff)
    restore = Method(_restore)
    at = Method(_at)
    tag = Method(_tag)
    untag = Method(_untag)
    tags = Method(_tags)

    @property
    def repository(self) -> Repository:
        """The volume's repository, for what the API does not offer; below the API nothing is promised."""
        return self._resolve().repository

    def _resolve(self) -> Resolved:
        """Return the volume, looked up at first use and again in a forked child."""
        return self._resolved.get(self._look_up)

    def _look_up(self) -> Resolved:
        environment = self._client.in_environment(self._environment)
        resolved = look_up(self._client, environment, self._name, self._volume_id, create=self._create_if_missing)
        self._name = resolved.record.name
        return resolved

    def _mounts(self) -> "AbstractContextManager[list[mounts.Mount]]":
        resolved = self._resolve()
        return handed.expect_mounts(resolved.record.id, self._client, resolved.repository, repr(self))

    def _view(self) -> TreeView:
        repository = self._resolve().repository
        return TreeView(repository, repository.head())

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError("Read-only Volume can not be written to")


@contextmanager
def _ephemeral(cls: type[Volume], client: Client, environment: str | None) -> Iterator[Volume]:
    with ephemeral(client, client.in_environment(environment)) as resolved:
        volume = cls._make(client, name=None, environment=environment, volume_id=resolved.record.id)
        volume._resolved.put(resolved)
        try:
            yield volume
        finally:
            volume._resolved.clear()  # from now on a use of it says that it is gone


Volume.objects = Objects(Volume._make)
