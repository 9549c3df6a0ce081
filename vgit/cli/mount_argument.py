"""Mount argument: the mount that a command means by a path or the current directory, found as git finds its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from vgit.api.client import Client
from vgit.api.existing_mount import ExistingMount
from vgit.api.resolve import resolve_id
from vgit.cli.command import Settings, settings_of
from vgit.errors import InvalidError, NotFoundError
from vgit.mount.layout import MountRecord, find_marked, find_root, marker_of, read_record
from vgit.mount.open import reopen_mount, reopen_to_unmount
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import MOUNT_FILE, STATE_NAME, expand_home


@contextmanager
def mount_of(ctx: click.Context, path: str | None) -> Iterator[ExistingMount]:
    """Take up the mount that ``path`` (None: the current directory) is in.

    The mount says which store, environment and volume it belongs to; options
    that say otherwise are refused, the environment variables do not matter.
    """
    root = _find_root(path, find_root)
    with _take_up(ctx, root, MOUNT_FILE, reopen_mount) as existing:
        yield existing


@contextmanager
def mount_to_unmount(ctx: click.Context, path: str | None) -> Iterator[ExistingMount]:
    """Do as ``mount_of``, and take up also what an unmount that was cut off left."""
    root = _find_root(path, lambda start: find_marked(start) or find_root(start))
    with _take_up(ctx, root, marker_of(root) or MOUNT_FILE, reopen_to_unmount) as existing:
        yield existing


@contextmanager
def _take_up(
    ctx: click.Context, root: str, marker: str, reopen: Callable[..., WorkingDirectory]
) -> Iterator[ExistingMount]:
    record = read_record(root, marker)
    _check_settings(settings_of(ctx), root, record)
    client = Client.from_env(record.store, record.environment)
    try:
        repository = resolve_id(client, record.volume_id).repository
    except NotFoundError as error:
        if not os.path.isdir(record.store):
            raise  # a store that comes back must find its mounts
        raise NotFoundError(
            f"{error} {root} is a mount of it. To keep its files and forget the volume, remove"
            f" {os.path.join(root, STATE_NAME)}."
        ) from error
    # We were started in the mount, and must not be the process that uses it; the shell that started us still counts.
    os.chdir("/")
    try:
        with ExistingMount(root, repository, client.author, reopen) as existing:
            yield existing
    finally:
        repository.close()


def _find_root(path: str | None, find: Callable[[str], str]) -> str:
    if path is None:
        try:
            return find(os.getcwd())
        except FileNotFoundError as error:
            raise click.ClickException("the current directory was deleted; go to another, or give a PATH.") from error
    if not os.path.lexists(path):
        raise NotFoundError(f"No such file or directory: {path!r}.")
    return find(path)


def _check_settings(settings: Settings, root: str, record: MountRecord) -> None:
    """Refuse options that name another store or environment: what is asked cannot be meant for this mount."""
    if settings.store is not None and os.path.realpath(expand_home(settings.store)) != os.path.realpath(record.store):
        raise InvalidError(
            f"{root} is a mount of the store {record.store}, not of {settings.store}; leave --store out."
        )
    if settings.environment not in (None, record.environment):
        raise InvalidError(
            f"{root} is a mount of the environment {record.environment}, not of {settings.environment};"
            " leave --env out."
        )
