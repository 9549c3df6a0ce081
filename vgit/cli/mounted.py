"""Mounted: the mount that a command is meant for, found from a path or the current directory as git finds its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from vgit.cli.command import Settings, settings_of
from vgit.client import Client
from vgit.errors import InvalidError, NotFoundError
from vgit.mount.layout import STATE_DIRECTORY, MountRecord, find_root, read_record
from vgit.mounts import MountedDirectory
from vgit.paths import local_place
from vgit.volumes import resolve_id


@contextmanager
def mounted(ctx: click.Context, path: str | None) -> Iterator[MountedDirectory]:
    """Take up the mount that ``path`` (None: the current directory) is in.

    The mount says which store, environment and volume it belongs to; options
    that say otherwise are refused, the environment variables do not matter.
    """
    root = _find_root(path)
    record = read_record(root)
    _check_settings(settings_of(ctx), root, record)
    client = Client.from_env(record.store, record.environment)
    try:
        repository = resolve_id(client, record.volume_id).repository
    except NotFoundError as error:
        raise NotFoundError(
            f"{error} {root} is a mount of it. To keep its files and forget the volume, remove"
            f" {os.path.join(root, STATE_DIRECTORY)}."
        ) from error
    # We were started in the mount, and must not be the process that uses it; the shell that started us still counts.
    os.chdir("/")
    try:
        with MountedDirectory(root, repository, client.author) as directory:
            yield directory
    finally:
        repository.close()


def _find_root(path: str | None) -> str:
    if path is None:
        try:
            return find_root(os.getcwd())
        except FileNotFoundError as error:
            raise click.ClickException("the current directory was deleted; go to another, or give a PATH.") from error
    if not os.path.lexists(path):
        raise NotFoundError(f"No such file or directory: {path!r}.")
    return find_root(path)


def _check_settings(settings: Settings, root: str, record: MountRecord) -> None:
    """Refuse options that name another store or environment: what is asked cannot be meant for this mount."""
    if settings.store is not None and os.path.realpath(local_place(settings.store)) != os.path.realpath(record.store):
        raise InvalidError(
            f"{root} is a mount of the store {record.store}, not of {settings.store}; leave --store out."
        )
    if settings.environment not in (None, record.environment):
        raise InvalidError(
            f"{root} is a mount of the environment {record.environment}, not of {settings.environment};"
            " leave --env out."
        )
