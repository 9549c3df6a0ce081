"""Diff: what differs between two revisions, as letters and paths or as a patch."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from vgit.cli.command import Command, command, option_json, settings_of, volume_argument
from vgit.cli.entries import change_json, change_line, change_line_with_size
from vgit.cli.output import write, write_json_list, write_lines
from vgit.cli.patch import patch_of
from vgit.types import Change
from vgit.volume import Volume

F = TypeVar("F", bound=Callable[..., Any])

_PATH = "vgit.cli.diff.path"


def option_patch(function: F) -> F:
    """Add ``-p``."""
    return click.option("-p", "--patch", is_flag=True, help="Show the lines of text files that differ.")(function)


class _DiffCommand(Command):
    """A command that takes revisions, then ``--`` and a path: which is which must not depend on what exists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``-- PATH`` off, then read the rest as usual."""
        if "--" in args:
            border = args.index("--")
            paths = args[border + 1 :]
            if len(paths) != 1:
                raise click.UsageError(f"expected one PATH after '--', got {len(paths)}.", ctx)
            ctx.meta[_PATH] = paths[0]
            args = args[:border]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the arguments that the usage line shows."""
        return [*super().collect_usage_pieces(ctx), "[-- PATH]"]


@command(
    "diff",
    "vgit diff weights",
    "vgit diff weights 'HEAD~5' HEAD --stat",
    "vgit diff weights v1.0 -p -- config.json",
    cls=_DiffCommand,
)
@volume_argument
@click.argument("old", default="HEAD~1")
@click.argument("new", default="HEAD")
@click.option("--stat", is_flag=True, help="With sizes, and permissions where those changed.")
@option_patch
@option_json
@click.pass_context
def diff(ctx: click.Context, volume: str, old: str, new: str, *, stat: bool, patch: bool, as_json: bool) -> None:
    """Show what differs from OLD to NEW. NEW is the newest state, OLD the one before it, if not given.

    A added, M changed, D removed, R renamed, T permissions changed; only PATH and what is below it, if given.
    """
    handle = settings_of(ctx).volume(volume)
    # Found once, so that a commit that comes meanwhile does not change what the names mean.
    old_id, new_id = handle.at(old).id, handle.at(new).id
    changes = handle.diff(old_id, new_id, ctx.meta.get(_PATH))
    if as_json:
        write_json_list(map(change_json, changes))
    else:
        write_changes(handle, changes, old_id, new_id, patch=patch, stat=stat)


def write_changes(volume: Volume, changes: Iterable[Change], old: str, new: str, *, patch: bool, stat: bool) -> None:
    """Write the changes between two revisions as a patch, or a line each."""
    if patch:
        before, after = volume.at(old), volume.at(new)
        for change in changes:
            for piece in patch_of(change, before, after):
                write(piece)
    else:
        write_lines(map(change_line_with_size if stat else change_line, changes))
