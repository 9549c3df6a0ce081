"""Status: what a mount has that is not published."""

from dataclasses import asdict

import click

from vgit.cli.command import LocalPath, command, option_json
from vgit.cli.entries import change_json, change_lines
from vgit.cli.mount_argument import mount_of
from vgit.cli.output import note, shown_name, write_json, write_lines
from vgit.cli.report import report_left_out
from vgit.ids import short_id


@command("status", "vgit status", "vgit status ~/weights --json")
@click.argument("path", required=False, type=LocalPath())
@option_json
@click.pass_context
def status(ctx: click.Context, path: str | None, *, as_json: bool) -> None:
    """Show what a mount has that is not published.

    A added, M changed, D removed, T permissions changed, t only the time changed. PATH is the mount, or in it;
    else the current directory is.
    """
    with mount_of(ctx, path) as existing:
        record, root = existing.working.record, existing.working.path
        found = existing.mount.status()
    report_left_out(found.left_out)
    if as_json:
        fields = {"base": found.base, "head": found.head, "changes": [change_json(one) for one in found.changes]}
        left_out = [asdict(one) for one in found.left_out]
        write_json({"volume": record.volume_name, "path": root, **fields, "left_out": left_out})
        return
    note(f"{record.volume_name or record.volume_id} at {short_id(found.base)}, mounted at {shown_name(root)}")
    if record.at is None and found.base != found.head:
        note(f"newest is {short_id(found.head)}; `vgit reload` brings in what others published")
    if not found.changes:
        note("nothing to commit")
    write_lines(change_lines(found.changes))
