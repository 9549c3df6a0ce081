"""Reload: what others published, brought into a mount."""

from dataclasses import asdict

import click

from vgit.cli.command import LocalPath, command, option_json
from vgit.cli.mount_argument import mount_of
from vgit.cli.output import note, plural, shown_name, write_json, write_lines
from vgit.cli.report import report_left_out, report_local_changes
from vgit.ids import short_id
from vgit.mount.policy import LocalChanges

_KEPT_LINES = 20


@command("reload", "vgit reload ~/weights", "vgit reload --discard ~/weights")
@click.argument("path", required=False, type=LocalPath())
@click.option("--discard", is_flag=True, help="Give local changes up that are not published.")
@option_json
@click.pass_context
def reload(ctx: click.Context, path: str | None, *, discard: bool, as_json: bool) -> None:
    """Bring what others published into a mount. Prints the id of the state that is there now.

    Local changes that are not published stay as they are. Refused while a process has a file of the mount
    open or works in one of its directories, this shell included: leave it first and give its PATH.
    """
    with mount_of(ctx, path) as existing:
        info = existing.reload(LocalChanges.DISCARD if discard else LocalChanges.KEEP)
        if existing.mount.read_only and not discard:
            report_local_changes(existing.mount)
    for kept in info.kept[:_KEPT_LINES]:
        note(f"kept: {shown_name(kept)}")
    if len(info.kept) > _KEPT_LINES:
        note(f"kept: … and {len(info.kept) - _KEPT_LINES} more (--json has them)")
    report_left_out(info.left_out)
    note(f"{plural(info.changed, 'path')} brought in" if info.changed else "nothing to bring in")
    if as_json:
        left_out = [asdict(one) for one in info.left_out]
        write_json({"head": info.head, "changed": info.changed, "kept": info.kept, "left_out": left_out})
    else:
        write_lines([short_id(info.head)])
