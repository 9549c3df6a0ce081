"""Restore: an old state, or some paths of it, published as the newest."""

import click

from vgit.cli.command import command, option_json, option_message, settings_of, volume_argument
from vgit.cli.entries import change_json, change_lines
from vgit.cli.output import write_json, write_lines
from vgit.cli.report import report_commit
from vgit.types import Change
from vgit.volume import Volume


@command(
    "restore",
    "vgit restore weights 'HEAD~1' --dry-run",
    "vgit restore weights '@{yesterday}' checkpoints config.json -m 'bad run'",
)
@volume_argument
@click.argument("revision")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@option_message
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@option_json
@click.pass_context
def restore(
    ctx: click.Context,
    volume: str,
    revision: str,
    paths: tuple[str, ...],
    *,
    message: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish an old state, or some paths of it, as the newest. Nothing is lost: the states since stay in the log.

    Mounts have it after their next reload.
    """
    handle = settings_of(ctx).volume(volume)
    wanted = handle.at(revision).id
    if dry_run:
        changes = _changes_to(handle, wanted, paths)
        if as_json:
            write_json([change_json(one) for one in changes])
        else:
            write_lines(change_lines(changes))
        return
    info = handle.restore(wanted, list(paths) or None, message=message)
    report_commit(info, nothing="nothing to restore: it is so already", as_json=as_json)


def _changes_to(volume: Volume, revision: str, paths: tuple[str, ...]) -> list[Change]:
    head = volume.at("HEAD").id
    found = [change for path in paths or (None,) for change in volume.diff(head, revision, path)]
    return list({change.path: change for change in found}.values())  # paths may lie in each other
