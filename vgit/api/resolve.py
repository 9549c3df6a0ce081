"""Resolve: from a name or an id to a volume that exists, with its repository open; and volumes without a name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vgit.api.client import Client
from vgit.catalog import VolumeRecord, create_ephemeral, reap_ephemerals
from vgit.errors import AlreadyExistsError, NotFoundError
from vgit.names import check_volume_id
from vgit.repository.repository import Repository


@dataclass(slots=True)
class Resolved:
    """A volume that is known to exist, and its repository, open in this process."""

    record: VolumeRecord
    repository: Repository


def look_up(client: Client, environment: str, name: str | None, volume_id: str | None, *, create: bool) -> Resolved:
    """Return the volume of an id or, without one, of a name; ``create``: made if there is none. Else NotFoundError."""
    if volume_id is not None:
        return resolve_id(client, volume_id)
    assert name is not None, "a handle has a name or an id"
    return create_or_find(client, environment, name) if create else resolve_name(client, environment, name)


def resolve_name(client: Client, environment: str, name: str) -> Resolved:
    """Return the volume of a name; NotFoundError if there is none."""
    try:
        record = client.root.catalog().find(environment, name)
    except NotFoundError:  # no store yet: no volumes in it
        record = None
    if record is None:
        raise NotFoundError(
            f"Volume {name!r} not found in environment {environment!r} of the store {client.store}."
            f" `vgit create {name}` makes it, or in Python create_if_missing=True."
        )
    return _open(client, record)


def resolve_id(client: Client, volume_id: str) -> Resolved:
    """Return the volume of an id; NotFoundError if the store does not have it, or it was deleted."""
    check_volume_id(volume_id)
    try:
        record = client.root.catalog().find_id(volume_id)
    except NotFoundError:
        record = None
    if record is None:
        if not os.path.isdir(client.store):  # on a disk that is not there, nothing was deleted
            raise NotFoundError(
                f"Volume {volume_id} not found in the store {client.store}: there is no such directory."
                " If its disk is not mounted, mount it; if the store was moved, move it back, or leave a symbolic link"
                " to it there."
            )
        raise NotFoundError(f"Volume {volume_id} not found in the store {client.store}; {_why(client, volume_id)}.")
    return _open(client, record)


def _why(client: Client, volume_id: str) -> str:
    """Return what may have become of a volume that the catalog does not know."""
    if not client.root.has_repository(volume_id):
        return "it may have been deleted"
    catalog = os.path.join(client.store, "catalog.git")
    return (
        "its repository is there, so it may have been deleted, and `vgit undelete NAME` brings it back. If nobody"
        " deleted it, the catalog was set back to an older copy, and its newest state may still be there:"
        f" `git --git-dir={catalog} fsck --no-reflogs --lost-found` names it"
    )


def create_or_find(client: Client, environment: str, name: str) -> Resolved:
    """Return the volume of a name, made if it is missing; of two that make it at once, one wins and both get it."""
    try:
        return resolve_name(client, environment, name)
    except NotFoundError:
        pass
    try:
        return _open(client, client.root.create_volume(environment, name, client.author))
    except AlreadyExistsError:
        return resolve_name(client, environment, name)


@contextmanager
def ephemeral(client: Client, environment: str) -> Iterator[Resolved]:
    """Give a volume without a name, removed at the end with all its bytes.

    Before that, those are removed whose processes died before they could.
    """
    reap_ephemerals(client.root, client.author)
    made = create_ephemeral(client.root, environment, client.author)
    try:
        resolved = _open(client, made.record)
        try:
            yield resolved
        finally:
            resolved.repository.close()
    finally:
        made.remove(client.author)


def _open(client: Client, record: VolumeRecord) -> Resolved:
    return Resolved(record, client.root.open_volume(record.id))
