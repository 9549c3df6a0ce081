"""Published: what a command says of the commit it made."""

from vgit.cli.entries import commit_json, counts_line, receipt_lines
from vgit.cli.output import note, short, span, warn, write_json, write_lines
from vgit.history.placed import DOUBT_SECONDS
from vgit.types import CommitInfo


def report_commit(info: CommitInfo | None, *, nothing: str, as_json: bool) -> None:
    """Print the commit's id, or all of it as JSON, and tell people what it did; ``nothing`` where there is none."""
    if as_json:
        write_json(commit_json(info) if info is not None else None)
    elif info is not None:
        write_lines([short(info.id)])
    if info is None:
        note(nothing)
        return
    note(counts_line(info))
    for line in receipt_lines(info):
        note(line)
    warn_of_clock(info)


def warn_of_clock(info: CommitInfo) -> None:
    """Tell people of a clock that is wrong: the state before a commit is from later than the commit, by the clocks."""
    if info.clock_behind > DOUBT_SECONDS:
        warn(
            f"by this machine's clock, the state published before is from {span(info.clock_behind)} in the future:"
            " this clock is wrong, or that of an earlier writer. `vgit log` shows what each told. Nothing is lost;"
            " HEAD~1, ids and tags do not depend on clocks."
        )
