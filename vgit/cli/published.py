"""Published: what a command says of the commit it made."""

from vgit.cli.entries import commit_json, counts_line, receipt_lines
from vgit.cli.output import note, short, write_json, write_lines
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
