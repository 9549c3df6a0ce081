"""Diff: what differs between two revisions, or in a mount, as letters and paths or as a patch."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from vgit.cli.command import Command, command, complete_volume, option_json, option_patch, settings_of
from vgit.cli.entries import change_json, change_lines
from vgit.cli.output import write, write_json_list, write_lines
from vgit.errors import NotFoundError
from vgit.paths import expand_home
from vgit.types import Change

if TYPE_CHECKING:
    from vgit.api.snapshot import Snapshot
    from vgit.cli.patch import Files

_PATH = "vgit.cli.diff.path"


class _DiffCommand(Command):
    """A command that takes revisions, then ``--`` and a path: which is which must not depend on what exists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``-- PATH`` off, then read the rest as usual."""
        if "--" in args:
            border = args.index("--")
            paths = args[border + 1 :]
            if len(paths) != 1:
                raise click.UsageError(f"expected one PATH after '--', got {len(paths)}.", ctx)
            ctx.meta[_PATH] = paths[0]
            args = args[:border]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the arguments that the usage line shows."""
        return [*super().collect_usage_pieces(ctx), "[-- PATH]"]


@command(
    "diff",
    "vgit diff",
    "vgit diff weights",
    "vgit diff weights 'HEAD~5' HEAD --stat",
    "vgit diff weights v1.0 -p -- config.json",
    cls=_DiffCommand,
)
@click.argument("volume", required=False, shell_complete=complete_volume)
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--stat", is_flag=True, help="With sizes, and permissions or times where those changed.")
@option_patch
@option_json
@click.pass_context
def diff(
    ctx: click.Context, volume: str | None, old: str | None, new: str | None, *, stat: bool, patch: bool, as_json: bool
) -> None:
    """Show what differs from OLD to NEW. NEW is the newest state, OLD the one before it, if not given.

    Without VOLUME, or with a directory in its place (`.`, ./weights), show what that mount has that is not
    published, against the state it was last reloaded from.

    A added, M changed, D removed, R renamed, T permissions changed, t only the time changed. Only PATH and what
    is below it, if given.
    """
    if volume is None or "/" in volume or volume == "." or volume.startswith("~"):
        if old is not None:
            raise click.UsageError(
                "a mount is compared with the state it was last reloaded from; give a volume to compare revisions.", ctx
            )
        _diff_mount(ctx, expand_home(volume) if volume is not None else None, stat=stat, patch=patch, as_json=as_json)
        return
    old, new = old or "HEAD~1", new or "HEAD"
    handle = settings_of(ctx).volume(volume)
    try:
        handle.hydrate()
    except NotFoundError as error:
        if not os.path.isdir(volume):
            raise
        raise NotFoundError(f"{error} For the mount in the directory {volume!r}, write ./{volume}.") from error
    # Found once, so that a commit that comes meanwhile does not change what the names mean.
    old_id, new_id = handle.at(old).id, handle.at(new).id
    changes = handle.diff(old_id, new_id, ctx.meta.get(_PATH))
    if as_json:
        write_json_list(map(change_json, changes))
    else:
        write_changes(changes, handle.at(old_id), handle.at(new_id), patch=patch, stat=stat)


class _Published:
    """The state that a mount was last reloaded from, by the mount's paths."""

    def __init__(self, snapshot: "Snapshot", sub_path: str) -> None:
        self._snapshot = snapshot
        self._sub_path = sub_path

    def read_file(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        return self._snapshot.read_file(f"{self._sub_path}/{path}")


class _Local:
    """A mount's own files."""

    def __init__(self, root: str) -> None:
        self._root = root

    def read_file(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes, or a link's target."""
        file = os.path.join(self._root, path)
        if os.path.islink(file):
            yield os.fsencode(os.readlink(file))
            return
        with open(file, "rb") as opened:
            yield opened.read()


def _diff_mount(ctx: click.Context, path: str | None, *, stat: bool, patch: bool, as_json: bool) -> None:
    from vgit.api.client import Client
    from vgit.cli.mount_argument import mount_of
    from vgit.volume import Volume

    with mount_of(ctx, path) as existing:
        changes = existing.mount.diff(ctx.meta.get(_PATH))
        if as_json:
            write_json_list(map(change_json, changes))
            return
        record = existing.working.record
        volume = Volume.from_id(record.volume_id, client=Client.from_env(record.store, record.environment))
        base = existing.working.base
        assert base is not None, "its changes are known"
        before = _Published(volume.at(base.hex()), record.sub_path)
        write_changes(changes, before, _Local(existing.working.path), patch=patch, stat=stat)


def write_changes(changes: Iterable[Change], before: "Files", after: "Files", *, patch: bool, stat: bool) -> None:
    """Write the changes between two states as a patch, or a line each."""
    if patch:
        from vgit.cli.patch import patch_of

        for change in changes:
            for piece in patch_of(change, before, after):
                write(piece)
    else:
        write_lines(change_lines(changes, with_size=stat))
