"""Volumes: create, list, info, rename, delete, undelete."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vgit.cli.command import command, complete_volume, option_json, option_yes, settings_of, volume_argument
from vgit.cli.output import local_time, note, shown_name, size, write_json, write_json_list, write_lines, write_table
from vgit.errors import NotFoundError
from vgit.types import time_of

if TYPE_CHECKING:
    from vgit.volume import Volume


@command("create", "vgit create weights", "vgit create weights --allow-existing")
@click.argument("name")
@click.option("--allow-existing", is_flag=True, help="Do nothing if there is a volume of this name.")
@click.pass_context
def create(ctx: click.Context, name: str, *, allow_existing: bool) -> None:
    """Make a volume. Prints its name, and how a program uses it."""
    _volume_class().objects.create(name, allow_existing=allow_existing, client=settings_of(ctx).client())
    write_lines([name])
    note(f'In Python: vol = vgit.Volume.from_name("{name}")')


@command("list", "vgit list", "vgit list --json -e dev")
@option_json
@click.pass_context
def list_volumes(ctx: click.Context, *, as_json: bool) -> None:
    """List the volumes, newest first."""
    client = settings_of(ctx).client()
    try:
        records = client.root.catalog().named(client.environment)
    except NotFoundError:  # no store yet: no volumes
        records = []
    rows = [(one.name or "", time_of(one.created_at_ns), shown_name(one.created_by)) for one in records]
    if as_json:
        write_json_list({"name": name, "created_at": at.isoformat(), "created_by": by} for name, at, by in rows)
    else:
        write_table(("Name", "Created at", "Created by"), ((name, local_time(at), by) for name, at, by in rows))


@command("info", "vgit info weights", "git --git-dir=$(vgit info weights --json | jq -r .git_dir) log")
@volume_argument
@option_json
@click.pass_context
def info(ctx: click.Context, volume: str, *, as_json: bool) -> None:
    """Show a volume's id, size, newest commit and git directory. Takes longer the more files there are."""
    about = settings_of(ctx).volume(volume).info()
    if as_json:
        write_json({**asdict(about), "created_at": about.created_at.isoformat()})
        return
    fields = {
        "Name": about.name or "",
        "Id": about.id,
        "Created at": local_time(about.created_at),
        "Created by": about.created_by,
        "Newest": about.head,
        "Size": f"{size(about.size)} ({about.size} bytes)",
        "Commits": str(about.commits),
        "Git": f"git --git-dir={about.git_dir} log",
    }
    write_lines(f"{title + ':':<12}{shown_name(value)}" for title, value in fields.items())


@command("rename", "vgit rename weights old-weights", "vgit rename -y weights old-weights")
@click.argument("old", shell_complete=complete_volume)
@click.argument("new")
@option_yes
@click.pass_context
def rename(ctx: click.Context, old: str, new: str, *, yes: bool) -> None:
    """Give a volume another name; its id stays. So do its history and its mounts."""
    settings = settings_of(ctx)
    settings.volume(old).hydrate()  # nobody is asked about a volume that is not there
    _confirm(f"Rename volume {old} to {new}?", yes=yes)
    _volume_class().rename(old, new, client=settings.client())
    note(f"{old} is now {new}")


@command("delete", "vgit delete old-weights", "vgit delete -y --allow-missing old-weights")
@click.argument("name", shell_complete=complete_volume)
@option_yes
@click.option("--allow-missing", is_flag=True, help="Do nothing if there is no such volume.")
@click.pass_context
def delete(ctx: click.Context, name: str, *, yes: bool, allow_missing: bool) -> None:
    """Delete a volume; undelete brings it back. That works until its bytes are collected as garbage."""
    settings = settings_of(ctx)
    try:
        settings.volume(name).hydrate()  # nobody is asked about a volume that is not there
        _confirm(f"Delete volume {name}?", yes=yes)
        _volume_class().objects.delete(name, client=settings.client())
    except NotFoundError:
        if not allow_missing:
            raise
        note(f"there is no volume {name}")
    else:
        note(f"{name} is deleted; `vgit undelete {name}` brings it back")


@command("undelete", "vgit undelete old-weights")
@click.argument("name")
@click.pass_context
def undelete(ctx: click.Context, name: str) -> None:
    """Bring back a volume that was deleted. Of several that had NAME, the last; with all its history."""
    _volume_class().objects.undelete(name, client=settings_of(ctx).client())
    write_lines([name])


def _volume_class() -> "type[Volume]":
    """Return the class; imported here, since `vgit list` reads no more than the catalog."""
    from vgit.volume import Volume

    return Volume


def _confirm(question: str, *, yes: bool) -> None:
    """Return if somebody at the terminal says yes; end the command with exit code 1 if not, or if nobody is there.

    What happens to be piped in is no answer.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.ClickException(f"there is no terminal to ask on: {question} Say so with -y.")
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise click.ClickException("not confirmed; nothing was changed.")
