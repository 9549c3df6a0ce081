"""Namespace: the volumes of a store as a whole, made, listed, renamed, deleted and brought back."""

import builtins
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from vgit.api.aio import Method
from vgit.api.client import Client, client_or_default
from vgit.api.resolve import create_or_find, resolve_name
from vgit.errors import InvalidError, NotFoundError
from vgit.names import check_volume_name
from vgit.types import time_of

_VERSIONS = (None, 1, 2)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Maker(Protocol[V_co]):
    """How a handle is made; given by ``volume``, which this module must not import."""

    def __call__(self, client: Client, *, name: str | None, environment: str | None, volume_id: str | None) -> V_co:
        """Return the handle of a volume."""


class Objects(Generic[V]):
    """The volumes of a store: ``Volume.objects``."""

    def __init__(self, make: Maker[V]) -> None:
        self._make = make

    def _create(
        self,
        name: str,
        *,
        allow_existing: bool = False,
        environment_name: str | None = None,
        version: int | None = None,
        create_options: Any = None,
        experimental_options: Any = None,
        client: Client | None = None,
    ) -> None:
        """Make a volume; AlreadyExistsError if the name is taken, unless that is allowed. Source: Modal.

        ``version`` 1 and 2 and the options are accepted for Modal's sake and change nothing.
        """
        check_volume_name(name)
        check_version(version)
        client = client_or_default(client)
        environment = client.in_environment(environment_name)
        if allow_existing:
            create_or_find(client, environment, name).repository.close()
        else:
            client.root.create_volume(environment, name, client.author)

    def _list(
        self,
        *,
        max_objects: int | None = None,
        created_before: datetime | str | None = None,
        environment_name: str = "",
        client: Client | None = None,
    ) -> builtins.list[V]:
        """Return handles of the named volumes, newest first. Source: Modal.

        ``created_before`` is exclusive: a datetime (the machine's time zone if
        it has none) or ISO text. InvalidError for what is neither.
        """
        if max_objects is not None and (not isinstance(max_objects, int) or max_objects < 0):
            raise InvalidError(f"max_objects must be a number that is not negative; got {max_objects!r}.")
        before = _as_datetime(created_before) if created_before is not None else None
        client = client_or_default(client)
        environment = client.in_environment(environment_name)
        try:
            records = client.root.catalog().named(environment)
        except NotFoundError:
            return []
        if before is not None:
            records = [record for record in records if time_of(record.created_at_ns) < before]
        return [
            self._make(client, name=record.name, environment=environment_name or None, volume_id=record.id)
            for record in records[:max_objects]
        ]

    def _delete(
        self,
        name: str,
        *,
        allow_missing: bool = False,
        environment_name: str | None = None,
        client: Client | None = None,
    ) -> None:
        """Take a volume's name away; NotFoundError if there is none, unless that is allowed. Source: Modal.

        Unlike at Modal it can be undone: ``undelete`` brings it back until gc.
        """
        check_volume_name(name)
        client = client_or_default(client)
        environment = client.in_environment(environment_name)
        try:
            resolved = resolve_name(client, environment, name)
            resolved.repository.close()
            client.root.catalog().remove(resolved.record, client.author)
        except NotFoundError:
            if not allow_missing:
                raise

    def _undelete(self, name: str, *, environment_name: str | None = None, client: Client | None = None) -> V:
        """Bring back the volume that had ``name`` last; NotFoundError if none had, AlreadyExistsError if one has."""
        check_volume_name(name)
        client = client_or_default(client)
        environment = client.in_environment(environment_name)
        catalog = client.root.catalog()
        record = next(catalog.deleted(environment, name), None)
        if record is None:
            raise NotFoundError(f"No deleted volume was called {name!r} in environment {environment!r}.")
        client.root.open_volume(record.id).close()
        catalog.undelete(record, client.author)
        return self._make(client, name=name, environment=environment_name, volume_id=record.id)

    create = Method(_create)
    list = Method(_list)
    delete = Method(_delete)
    undelete = Method(_undelete)


class Renaming:
    """``Volume.rename``: a call of the class, not of a handle."""

    def _rename(
        self, old_name: str, new_name: str, *, environment_name: str | None = None, client: Client | None = None
    ) -> None:
        """Give a volume another name; its id stays. Source: Modal.

        Raises NotFoundError without a volume of the old name, AlreadyExistsError with one of the new.
        """
        check_volume_name(old_name)
        check_volume_name(new_name)
        client = client_or_default(client)
        environment = client.in_environment(environment_name)
        client.root.catalog().rename(environment, old_name, new_name, client.author)

    rename = Method(_rename)


def check_version(version: int | None) -> None:
    """Raise InvalidError unless Modal knows this version of volumes."""
    if version not in _VERSIONS:
        raise InvalidError(f"Invalid version: {version!r}; expected 1, 2 or None, which are all the same here.")


def _as_datetime(when: datetime | str) -> datetime:
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError as error:
            raise InvalidError(f"Invalid created_before: {when!r} is not an ISO date or time.") from error
    if not isinstance(when, datetime):
        raise InvalidError(
            f"Invalid created_before: {when!r} is {type(when).__name__}, expected a datetime or ISO text."
        )
    return when.astimezone()
