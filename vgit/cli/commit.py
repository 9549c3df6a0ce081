"""Commit: what a mount has, published."""

import click

from vgit.api.existing_mount import ExistingMount
from vgit.cli.command import LocalPath, command, option_json, option_message
from vgit.cli.entries import commit_json, counts_line
from vgit.cli.mount_argument import mount_of
from vgit.cli.output import note, write_json, write_lines
from vgit.cli.report import exit_if_incomplete, report_left_out, report_receipt
from vgit.ids import short_id
from vgit.types import CommitInfo, LeftOut


@command("commit", "vgit commit", "vgit commit ~/weights -m 'epoch 3'")
@click.argument("path", required=False, type=LocalPath())
@option_message
@option_json
@click.pass_context
def commit(ctx: click.Context, path: str | None, *, message: str | None, as_json: bool) -> None:
    """Publish what a mount has that is not published. Prints the commit's id, and what it did on stderr.

    Commits never fail because others commit too: of a file that two changed, the later commit counts. If
    that replaced a version which this mount had not seen, "overwrote: PATH" says so; it is in the history.
    If something could not be read, the rest is published, and the exit code is 3.

    PATH is the mount, or in it; else the current directory is.
    """
    with mount_of(ctx, path) as existing:
        info, left_out = commit_existing(existing, message)
    if as_json:
        write_json(commit_json(info) if info is not None else None)
    elif info is not None:
        write_lines([short_id(info.id)])
    exit_if_incomplete(ctx, left_out)


def commit_existing(existing: ExistingMount, message: str | None) -> tuple[CommitInfo | None, tuple[LeftOut, ...]]:
    """Commit a mount and tell people what it did; return the commit, None if nothing changed, and what it left out."""
    committed = existing.mount.commit_in_detail(message)
    info = existing.mount.info_of(committed)
    report_left_out(tuple(map(LeftOut.of, committed.left_out)))
    if info is None:
        note("nothing to commit")
    else:
        note(counts_line(info))
        report_receipt(info)
    return info, existing.mount.left_out_of(committed)
