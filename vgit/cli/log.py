"""Log: what was published, when and by whom."""

from collections.abc import Iterator
from itertools import chain

import click

from vgit.cli.command import command, option_json, settings_of, volume_argument
from vgit.cli.entries import commit_json, counts_line, receipt_lines
from vgit.cli.output import local_time, shown, shown_name, write_json_list, write_lines
from vgit.clock import SYSTEM_CLOCK
from vgit.history.moment import parse_moment
from vgit.ids import short_id
from vgit.types import CommitInfo


def _check_moment(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a time as it was given; a usage error for what is none."""
    if value is not None and parse_moment(value, SYSTEM_CLOCK.now_ns()) is None:
        raise click.BadParameter(f"{value!r} is no time; expected one like 2026-11-01T12:00 or '2 hours ago'.")
    return value


@command(
    "log", "vgit log weights", "vgit log weights model.bin --oneline -n 10", "vgit log weights --since '2 days ago'"
)
@volume_argument
@click.argument("path", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=0), metavar="N", help="Show at most so many.")
@click.option("--since", callback=_check_moment, metavar="TIME", help="Leave older ones out.")
@click.option("--until", callback=_check_moment, metavar="TIME", help="Leave newer ones out.")
@click.option("--oneline", is_flag=True, help="One line each.")
@option_json
@click.pass_context
def log(
    ctx: click.Context,
    volume: str,
    path: str | None,
    *,
    limit: int | None,
    since: str | None,
    until: str | None,
    oneline: bool,
    as_json: bool,
) -> None:
    """Show the published states, newest first. With PATH, only those that changed something there.

    "overwrote: PATH" names a file of which the commit replaced or removed a version that its writer had
    not seen; "unstable: PATH" one that was being written while it was stored.
    """
    commits = settings_of(ctx).volume(volume).log(path, since=since, until=until, limit=limit)
    if as_json:
        write_json_list(map(commit_json, commits))
    elif oneline:
        write_lines(map(_one_line, commits))
    else:
        write_lines(chain.from_iterable(map(paragraph, commits)))


def _one_line(info: CommitInfo) -> str:
    receipt = f" (overwrote {info.overwrote_count})" if info.overwrote_count else ""
    subject = shown_name(info.message.partition("\n")[0])
    return f"{short_id(info.id)} {local_time(info.time)} {shown_name(info.author)}: {subject}{receipt}"


def paragraph(info: CommitInfo) -> Iterator[str]:
    """Yield the lines that show one commit, an empty one at their end."""
    yield f"commit {info.id}"
    yield f"Author: {shown_name(info.author)}"
    yield f"Date:   {local_time(info.time)}"
    yield ""
    for line in info.message.split("\n"):
        yield f"    {shown(line)}".rstrip()
    yield ""
    yield f"    {counts_line(info)}"
    for line in receipt_lines(info):
        yield f"    {line}"
    yield ""
