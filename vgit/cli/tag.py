"""Tag: names for revisions, set, listed and taken away."""

from typing import TYPE_CHECKING

import click

from vgit.cli.command import command, option_json, settings_of, volume_argument
from vgit.cli.output import note, shown_name, write_json, write_table
from vgit.ids import short_id

if TYPE_CHECKING:
    from vgit.volume import Volume


@command(
    "tag",
    "vgit tag weights",
    "vgit tag weights v1.0",
    "vgit tag weights before-cleanup 'HEAD~2'",
    "vgit tag weights -d v1.0",
)
@volume_argument
@click.argument("name", required=False)
@click.argument("revision", default="HEAD")
@click.option("-d", "--delete", is_flag=True, help="Take the tag NAME away; its commit stays.")
@option_json
@click.pass_context
def tag(ctx: click.Context, volume: str, name: str | None, revision: str, *, delete: bool, as_json: bool) -> None:
    """Name a revision, or list the names.

    REVISION, else the newest state, stays with the name whatever is published later.
    """
    handle = settings_of(ctx).volume(volume)
    if delete:
        if name is None:
            raise click.UsageError("Missing argument 'NAME': which tag is to be taken away?", ctx)
        _untag(handle, name)
    elif name is not None:
        handle.tag(name, revision)
        note(f"{shown_name(name)} is {short_id(handle.at(name).id)}")
    elif as_json:
        write_json(handle.tags())
    else:
        write_table(("Tag", "Commit"), ((one, short_id(id)) for one, id in handle.tags().items()))


@command("untag", "vgit untag weights v1.0", "vgit untag weights v1.0 v1.1")
@volume_argument
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_context
def untag(ctx: click.Context, volume: str, names: tuple[str, ...]) -> None:
    """Take tags away; their commits stay."""
    handle = settings_of(ctx).volume(volume)
    for name in names:
        _untag(handle, name)


def _untag(handle: "Volume", name: str) -> None:
    handle.untag(name)
    note(f"tag {shown_name(name)} is gone")
