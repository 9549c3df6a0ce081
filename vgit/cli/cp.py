"""Cp: files and directories copied inside a volume."""

import click

from vgit.api.convert import commit_info
from vgit.cli.command import command, option_json, option_message, settings_of, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.report import report_commit
from vgit.transfer.path_copy import copy


@command(
    "cp",
    "vgit cp weights model.bin best.bin",
    "vgit cp weights a.bin b.bin /backup",
    "vgit cp weights -r runs/3 released -m 'release run 3'",
)
@volume_argument
@click.argument("sources", nargs=-1, required=True, metavar="SRC...", shell_complete=complete_remote)
@click.argument("destination", metavar="DST", shell_complete=complete_remote)
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories too, with all that is below them.")
@option_message
@option_json
@click.pass_context
def cp(
    ctx: click.Context,
    volume: str,
    sources: tuple[str, ...],
    destination: str,
    *,
    recursive: bool,
    message: str | None,
    as_json: bool,
) -> None:
    """Copy files and directories inside a volume, as one commit. No content is copied: both paths share it.

    To DST, or into DST if that is a directory, as the Unix cp does. Files at the target are replaced.
    """
    repository, author = settings_of(ctx).volume(volume).repository, settings_of(ctx).client().author
    published = copy(repository, sources, destination, recursive=recursive, author=author, message=message)
    info = commit_info(repository, published)
    report_commit(info, nothing="nothing to copy: it is so already", as_json=as_json)
