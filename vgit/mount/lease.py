"""Lease: how a store knows its mounts, and keeps what they still need.

    refs/vgit/lease/<mount id>   the commit that the mount was last reloaded from
    vgit/leases/<mount id>       JSON: host, path, read_only, renewed_ns

A lease is renewed by mount and reload. Commits need not renew it: they only move
a mount's base forward along the line that head keeps reachable anyway.
"""

import json
from typing import NamedTuple

from vgit.errors import NotFoundError
from vgit.ids import CommitId
from vgit.repository.repository import Repository

_REFS = "refs/vgit/lease/"
_FILES = "vgit/leases/"


class Lease(NamedTuple):
    """A mount as its store knows it."""

    mount_id: str
    host: str
    path: str
    read_only: bool
    renewed_ns: int
    base: CommitId | None = None


def renew_lease(repository: Repository, lease: Lease) -> None:
    """Set the lease of a mount; durable on return."""
    assert lease.base is not None
    name = _REFS + lease.mount_id
    while True:
        current = repository.refs.resolve(name)
        if current == lease.base or repository.refs.advance(name, lease.base, current):
            break
    fields = {"host": lease.host, "path": lease.path, "read_only": lease.read_only, "renewed_ns": lease.renewed_ns}
    repository.backend.put(_FILES + lease.mount_id, json.dumps(fields).encode("utf-8", "surrogateescape"))


def drop_lease(repository: Repository, mount_id: str) -> None:
    """End a lease; nothing if there is none."""
    repository.backend.delete(_FILES + mount_id)
    current = repository.refs.resolve(_REFS + mount_id)
    if current is not None:
        repository.refs.delete(_REFS + mount_id, current)


def list_leases(repository: Repository) -> list[Lease]:
    """Return the leases of one volume, in order of mount id; damaged ones are left out."""
    found = []
    for listed in repository.backend.list(_FILES):
        mount_id = listed.key.removeprefix(_FILES)
        try:
            fields = json.loads(repository.backend.get(listed.key))
            base = repository.refs.resolve(_REFS + mount_id)
            found.append(Lease(mount_id, base=CommitId(base) if base else None, **fields))
        except (NotFoundError, ValueError, TypeError):
            continue  # gone meanwhile, or not ours: a list for people, not a promise
    return found
