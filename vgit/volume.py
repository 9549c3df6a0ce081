"""Volume: the handle that programs hold; lazy, cheap, picklable, safe in threads.

A handle does no I/O until it is first used. What it can do stands where it is done:

    Handle       api/handle.py      name, object_id, git_dir, read_only, with_mount_options
    Readable     api/snapshot.py    listdir, read_file, …
    Writable     api/writable.py    batch_upload, copy_files, remove_file
    Mountable    api/mountable.py   mount, commit, reload
    Versioned    api/versioned.py   log, diff, restore, tags
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from vgit.api.aio import Both, Method
from vgit.api.client import Client, client_or_default
from vgit.api.mountable import Mountable
from vgit.api.namespace import Objects, Renaming, check_version
from vgit.api.resolve import ephemeral
from vgit.api.snapshot import Readable, Snapshot
from vgit.api.versioned import Versioned
from vgit.api.writable import Writable
from vgit.errors import InvalidError
from vgit.history.revision import resolve_revision
from vgit.names import check_volume_id, check_volume_name
from vgit.paths import ROOT
from vgit.repository.ancestry import first_parents
from vgit.repository.tree_view import TreeView
from vgit.types import (
    FileEntry as FileEntry,  # also here, because Modal's programs take them from modal.volume
)
from vgit.types import (
    FileEntryType as FileEntryType,
)
from vgit.types import VolumeInfo, time_of


class Volume(Readable, Writable, Mountable, Versioned):
    """A versioned directory tree that many programs share. Get one by ``from_name``, ``from_id`` or ``ephemeral``."""

    objects: "ClassVar[Objects[Volume]]"
    rename = Renaming().rename

    def __init__(self) -> None:
        raise InvalidError("Volume() makes nothing; use Volume.from_name(name), from_id(id) or ephemeral().")

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
            client_or_default(client),
            name=check_volume_name(name),
            environment=environment_name,
            volume_id=None,
            create_if_missing=create_if_missing,
        )

    @classmethod
    def from_id(cls, volume_id: str, client: Client | None = None) -> "Volume":
        """Return the handle of a volume by its id. No I/O; ``name`` is known once it was used."""
        return cls._make(client_or_default(client), name=None, environment=None, volume_id=check_volume_id(volume_id))

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
        return Both(_ephemeral(cls, client_or_default(client), environment_name))

    def _hydrate(self) -> "Volume":
        """Resolve the handle now and return it; NotFoundError if there is no such volume."""
        self._resolve()
        return self

    def _info(self) -> VolumeInfo:
        """Return name, creation, id, head, size in bytes, commits. Cost grows with files and commits. Source: Modal."""
        resolved = self._resolve()
        head = resolved.repository.head()
        view = TreeView.at(resolved.repository, head)
        return VolumeInfo(
            name=self._name,
            created_at=time_of(resolved.record.created_at_ns),
            created_by=resolved.record.created_by,
            id=resolved.record.id,
            head=head.hex(),
            size=sum(entry.size for _, entries in view.list(ROOT, recursive=True) for entry in entries.values()),
            commits=sum(1 for _ in first_parents(resolved.repository, head)),
            git_dir=self.git_dir,
        )

    def _at(self, revision: str) -> Snapshot:
        """Return a published state to be read; NotFoundError if there is no such revision."""
        repository = self.repository
        return Snapshot(self, repository, resolve_revision(repository, revision))

    hydrate = Method(_hydrate)
    info = Method(_info)
    at = Method(_at)

    def _view(self) -> TreeView:
        return TreeView.at(self.repository, self.repository.head())


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
