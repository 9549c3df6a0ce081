"""Handle: which volume a program means, found when it is first used.

It is found by its name or id then, and the handle stays with that id: a volume
renamed meanwhile is still the same volume. What can be done with it is in
``snapshot.py`` (``Readable``), ``writable.py``, ``mountable.py`` and ``versioned.py``.
"""

import os
from copy import copy
from typing import Any, NamedTuple, Self

from vgit.api.client import Client
from vgit.api.resolve import Resolved, look_up
from vgit.errors import InvalidError, ReadOnlyError
from vgit.paths import ROOT, Path, parse_path
from vgit.repository.repository import Repository
from vgit.runtime.once import Once


class MountOptions(NamedTuple):
    """What ``with_mount_options`` said of a handle's mounts."""

    read_only: bool = False
    sub_path: Path = ROOT


class Handle:
    """A volume as a program names it. Cheap, picklable, safe in threads."""

    _client: Client
    _name: str | None
    _environment: str | None
    _volume_id: str | None
    _create_if_missing: bool
    _read_only: bool
    _mount_options: MountOptions | None
    _resolved: Once[Resolved]

    @classmethod
    def _make(
        cls,
        client: Client,
        *,
        name: str | None,
        environment: str | None,
        volume_id: str | None,
        create_if_missing: bool = False,
    ) -> Self:
        handle = object.__new__(cls)
        handle._client = client
        handle._name = name
        handle._environment = environment
        handle._volume_id = volume_id
        handle._create_if_missing = create_if_missing
        handle._read_only = False
        handle._mount_options = None
        handle._resolved = Once()
        return handle

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

    def read_only(self) -> Self:
        """Return a handle that refuses to write, through mounts and through the API. Source: Modal."""
        if self._mount_options is not None:
            raise InvalidError(
                "read_only() and with_mount_options() do not mix; use with_mount_options(read_only=True)."
            )
        handle = copy(self)
        handle._read_only = True
        return handle

    def with_mount_options(self, *, read_only: bool | None = None, sub_path: str | None = None) -> Self:
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

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError("Read-only Volume can not be written to")
