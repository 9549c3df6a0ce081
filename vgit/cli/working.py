"""Working: status, commit, reload: what is done in a mount every day."""

from dataclasses import asdict

import click

from vgit.api.convert import commit_info
from vgit.api.existing_mount import ExistingMount
from vgit.api.mount import Mount
from vgit.cli.command import LocalPath, command, option_json, option_message
from vgit.cli.entries import change_json, change_lines, commit_json, counts_line, receipt_lines
from vgit.cli.mounted import mounted
from vgit.cli.output import note, plural, shown_name, write_json, write_lines
from vgit.cli.published import exit_if_incomplete, report_left_out, report_receipt
from vgit.cli.read_only import report_local_changes
from vgit.ids import short_id
from vgit.mount.plan import Local
from vgit.mount.results import Committed
from vgit.types import CommitInfo, LeftOut

_KEPT_LINES = 20


@command("status", "vgit status", "vgit status ~/weights --json")
@click.argument("path", required=False, type=LocalPath())
@option_json
@click.pass_context
def status(ctx: click.Context, path: str | None, *, as_json: bool) -> None:
    """Show what a mount has that is not published.

    A added, M changed, D removed, T permissions changed, t only the time changed. PATH is the mount, or in it;
    else the current directory is.
    """
    with mounted(ctx, path) as directory:
        record, root = directory.working.record, directory.working.path
        found = directory.mount.status()
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
    with mounted(ctx, path) as directory:
        info, left_out = publish(directory, message)
    if as_json:
        write_json(commit_json(info) if info is not None else None)
    elif info is not None:
        write_lines([short_id(info.id)])
    exit_if_incomplete(ctx, left_out)


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
    with mounted(ctx, path) as directory:
        info = directory.reload(Local.DISCARD if discard else Local.KEEP)
        if directory.mount.read_only and not discard:
            report_local_changes(directory.mount)
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


def publish(directory: ExistingMount, message: str | None) -> tuple[CommitInfo | None, tuple[LeftOut, ...]]:
    """Commit a mount and tell people what came of it; return the commit, None if nothing changed, and what it lacks."""
    committed = directory.mount.commit_in_detail(message)
    info = info_of(directory.mount, committed)
    report_left_out(tuple(map(LeftOut.of, committed.left_out)))
    if info is None:
        note("nothing to commit")
    else:
        note(counts_line(info))
        report_receipt(info)
    return info, directory.mount.left_out_of(committed)


def report_surprises(mount: Mount, committed: Committed, where: str | None = None) -> None:
    """Tell people what they should know of a commit and not what they expect; after ``where``, if there is anything."""
    info = info_of(mount, committed)
    if where is not None and (committed.left_out or (info is not None and list(receipt_lines(info)))):
        note(f"{where}:")
    report_left_out(tuple(map(LeftOut.of, committed.left_out)))
    if info is not None:
        report_receipt(info)


def info_of(mount: Mount, committed: Committed) -> CommitInfo | None:
    """Return the commit that was made; None if nothing changed."""
    return commit_info(mount.repository, committed.published, mount.left_out_of(committed))
