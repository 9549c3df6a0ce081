"""Report: what commands tell people of a commit, of what it left out, and of changes that nothing publishes."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vgit.api.user_warnings import LocalChangesWarning, local_changes_text
from vgit.cli.entries import commit_json, counts_line, receipt_lines
from vgit.cli.output import note, shown_name, span, warn, write_json, write_lines
from vgit.files.left_out import LeftOutKind
from vgit.history.dated_states import DOUBT_SECONDS
from vgit.ids import short_id
from vgit.types import CommitInfo, LeftOut

if TYPE_CHECKING:
    from vgit.api.mount import Mount
    from vgit.mount.mount_commit import Committed

INCOMPLETE = 3  # the exit code: published, but something could not be read
_LINES = 20
_WORDS = {
    LeftOutKind.UNREADABLE: "not read, so what is published of it stays",
    LeftOutKind.SPELLING: "published, and not here",
    LeftOutKind.MOUNTED: "published, and not here",
}


def report_commit(info: CommitInfo | None, *, nothing: str, as_json: bool) -> None:
    """Print the commit's id, or all of it as JSON, and tell people what it did; ``nothing`` where there is none."""
    if as_json:
        write_json(commit_json(info) if info is not None else None)
    elif info is not None:
        write_lines([short_id(info.id)])
    if info is None:
        note(nothing)
        return
    note(counts_line(info))
    report_receipt(info)


def report_receipt(info: CommitInfo) -> None:
    """Tell people what a commit overwrote unseen, what was written meanwhile, and of a clock that is wrong."""
    for line in receipt_lines(info):
        note(line)
    _warn_of_clock(info)


def _warn_of_clock(info: CommitInfo) -> None:
    """Tell people of a clock that is wrong: the state before a commit is from later than the commit, by the clocks."""
    if info.clock_behind > DOUBT_SECONDS:
        warn(
            f"by this machine's clock, the state published before is from {span(info.clock_behind)} in the future:"
            " this clock is wrong, or that of an earlier writer. `vgit log` shows what each told. Nothing is lost;"
            " HEAD~1, ids and tags do not depend on clocks."
        )


def report_surprises(mount: "Mount", committed: "Committed", where: str | None = None) -> None:
    """Tell people what they should know of a commit and not what they expect; after ``where``, if there is anything."""
    info = mount.info_of(committed)
    if where is not None and (committed.left_out or (info is not None and list(receipt_lines(info)))):
        note(f"{where}:")
    report_left_out(tuple(map(LeftOut.of, committed.left_out)))
    if info is not None:
        report_receipt(info)


def report_left_out(left_out: Sequence[LeftOut]) -> None:
    """Tell people what a commit left out; long lists are cut."""
    kinds: dict[str, list[LeftOut]] = {}
    for one in left_out:
        kinds.setdefault(_WORDS.get(one.kind, "not kept in a volume"), []).append(one)
    for words, found in kinds.items():
        _warn_each(words, found)


def _warn_each(words: str, left_out: Sequence[LeftOut]) -> None:
    for one in left_out[:_LINES]:
        warn(f"{words}: {shown_name(one.path) or '/'}: {one.reason}")
    if len(left_out) > _LINES:
        warn(f"{words}: … and {len(left_out) - _LINES} more (`vgit status --json` has them)")


def is_incomplete(left_out: Iterable[LeftOut]) -> bool:
    """Return whether something that was to be published could not be read."""
    return any(one.kind is LeftOutKind.UNREADABLE for one in left_out)


def exit_if_incomplete(ctx: click.Context, left_out: Iterable[LeftOut]) -> None:
    """End the command with the exit code for a commit that something is missing from, if it is."""
    if is_incomplete(left_out):
        ctx.exit(INCOMPLETE)


@contextmanager
def show_local_changes() -> Iterator[list[str]]:
    """Show the warning of a read-only mount that was changed as ours look, whatever Python is told of warnings.

    The list that it gives has the texts that were shown, once the block has ended.
    """
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LocalChangesWarning)
        yield told
    told += [str(one.message) for one in caught]
    for text in told:
        warn(text)


def report_local_changes(mount: "Mount", told: Sequence[str] = ()) -> None:
    """Tell people if a read-only mount was changed, what is in it is not the volume's; but not what they were told."""
    changes = mount.local_changes()
    text = local_changes_text(str(mount.path), changes) if changes else None
    if text is not None and text not in told:
        warn(text)
