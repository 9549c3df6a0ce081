"""Rm: files and directories removed from a volume."""

import click

from vgit.api.convert import commit_info
from vgit.cli.command import command, option_json, option_message, settings_of, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.report import report_commit
from vgit.transfer.path_removal import remove


@command("rm", "vgit rm weights old.bin", "vgit rm weights -r runs/1 runs/2 -m 'bad runs'")
@volume_argument
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", shell_complete=complete_remote)
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories too, with all that is below them.")
@option_message
@option_json
@click.pass_context
def rm(
    ctx: click.Context, volume: str, paths: tuple[str, ...], *, recursive: bool, message: str | None, as_json: bool
) -> None:
    """Remove files and directories from a volume, as one commit. Older states keep them.

    `vgit restore` brings them back.
    """
    repository, author = settings_of(ctx).volume(volume).repository, settings_of(ctx).client().author
    published = remove(repository, paths, recursive=recursive, author=author, message=message)
    info = commit_info(repository, published)
    report_commit(info, nothing="nothing to remove: it is gone already", as_json=as_json)
