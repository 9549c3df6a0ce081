"""Working: status, commit, reload: what is done in a mount every day."""

import click

from vgit.cli.command import LocalPath, command, option_json, option_message
from vgit.cli.entries import change_json, change_lines, commit_json, counts_line, receipt_lines
from vgit.cli.mounted import mounted
from vgit.cli.output import note, plural, short, shown_name, warn, write_json, write_lines
from vgit.cli.published import warn_of_clock
from vgit.mount.results import Committed
from vgit.mount.scan import describe_problem
from vgit.mounts import MountedDirectory
from vgit.paths import format_path
from vgit.results import commit_info
from vgit.types import CommitInfo

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
    _report_left_out(found.problems, found.skipped)
    if as_json:
        fields = {"base": found.base, "head": found.head, "changes": [change_json(one) for one in found.changes]}
        left_out = {"problems": found.problems, "skipped": found.skipped}
        write_json({"volume": record.volume_name, "path": root, **fields, **left_out})
        return
    note(f"{record.volume_name or record.volume_id} at {short(found.base)}, mounted at {shown_name(root)}")
    if record.at is None and found.base != found.head:
        note(f"newest is {short(found.head)}; `vgit reload` brings in what others published")
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

    PATH is the mount, or in it; else the current directory is.
    """
    with mounted(ctx, path) as directory:
        info = publish(directory, message)
    if as_json:
        write_json(commit_json(info) if info is not None else None)
    elif info is not None:
        write_lines([short(info.id)])


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
        info = directory.mount.reload(discard=discard)
        directory.renew()
    for kept in info.kept[:_KEPT_LINES]:
        note(f"kept: {shown_name(kept)}")
    if len(info.kept) > _KEPT_LINES:
        note(f"kept: … and {len(info.kept) - _KEPT_LINES} more (--json has them)")
    note(f"{plural(info.changed, 'path')} brought in" if info.changed else "nothing to bring in")
    if as_json:
        write_json({"head": info.head, "changed": info.changed, "kept": info.kept})
    else:
        write_lines([short(info.head)])


def publish(directory: MountedDirectory, message: str | None) -> CommitInfo | None:
    """Commit a mount and tell people what came of it; None if nothing changed."""
    committed = directory.mount.commit_in_detail(message)
    info = commit_info(directory.working.repository, committed.published)
    _report_commit(committed, info)
    return info


def report_surprises(committed: Committed, info: CommitInfo | None, where: str | None = None) -> None:
    """Tell people what they should know of a commit and not what they expect; after ``where``, if there is anything."""
    receipt = list(receipt_lines(info)) if info is not None else []
    if where is not None and (committed.problems or committed.skipped or receipt):
        note(f"{where}:")
    _report_what_is_missing(committed)
    for line in receipt:
        note(line)
    if info is not None:
        warn_of_clock(info)


def _report_commit(committed: Committed, info: CommitInfo | None) -> None:
    _report_what_is_missing(committed)
    if info is None:
        note("nothing to commit")
        return
    note(counts_line(info))
    for line in receipt_lines(info):
        note(line)
    warn_of_clock(info)


def _report_what_is_missing(committed: Committed) -> None:
    _report_left_out(
        tuple(describe_problem(problem) for problem in committed.problems),
        tuple(f"{format_path(path)}: {kind}" for kind, path in committed.skipped),
    )


def _report_left_out(problems: tuple[str, ...], skipped: tuple[str, ...]) -> None:
    for problem in problems:
        warn(f"not read, so what is published of it stays: {shown_name(problem)}")
    for one in skipped:
        warn(f"not kept in a volume: {shown_name(one)}")
