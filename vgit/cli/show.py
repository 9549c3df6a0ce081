"""Show: one commit and what it changed."""

from typing import TYPE_CHECKING

import click

from vgit.cli.command import command, option_json, option_patch, settings_of, volume_argument
from vgit.cli.entries import change_json, commit_json
from vgit.cli.log import paragraph
from vgit.cli.output import write_json, write_lines
from vgit.history.log import counts_of
from vgit.ids import CommitId, ObjectId
from vgit.types import CommitInfo

if TYPE_CHECKING:
    from vgit.volume import Volume


@command("show", "vgit show weights", "vgit show weights 'HEAD~2' -p")
@volume_argument
@click.argument("revision", default="HEAD")
@option_patch
@option_json
@click.pass_context
def show(ctx: click.Context, volume: str, revision: str, *, patch: bool, as_json: bool) -> None:
    """Show one commit and what it changed."""
    handle = settings_of(ctx).volume(volume)
    info = _commit_info(handle, revision)
    changes = handle.diff(info.parent, info.id) if info.parent is not None else []
    if as_json:
        write_json({**commit_json(info), "changes": [change_json(change) for change in changes]})
        return
    write_lines(paragraph(info))
    if changes:
        from vgit.cli.diff import write_changes

        assert info.parent is not None, "without a parent there is nothing to differ from"
        write_changes(changes, handle.at(info.parent), handle.at(info.id), patch=patch, stat=True)


def _commit_info(volume: "Volume", revision: str) -> CommitInfo:
    id = CommitId(ObjectId(bytes.fromhex(volume.at(revision).id)))
    repository = volume.repository
    commit = repository.commit(id)
    return CommitInfo.of(id, commit, counts_of(repository, commit))
