"""Get: files of a volume onto this machine."""

import click

from vgit.cli.command import LocalPath, command, option_at, settings_of, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.output import write
from vgit.cli.transfer import transfer
from vgit.history.revision import resolve_revision
from vgit.paths import parse_path
from vgit.repository.tree_view import TreeView
from vgit.transfer.download import download
from vgit.transfer.local_target import DownloadSource

_STDOUT = "-"


@command(
    "get",
    "vgit get weights model.bin",
    "vgit get weights checkpoints ./backup --at '@{yesterday}'",
    "vgit get weights / ~/weights --force",
    "vgit get weights config.json - | jq .layers",
)
@volume_argument
@click.argument("remote", shell_complete=complete_remote)
@click.argument("dest", default=".", type=LocalPath(allow_dash=True))
@click.option("-f", "--force", is_flag=True, help="Replace files that exist; nothing else is removed.")
@option_at
@click.pass_context
def get(ctx: click.Context, volume: str, remote: str, dest: str, *, force: bool, at: str | None) -> None:
    """Copy a file or a directory of a volume to this machine.

    Into DEST if that is a directory (what / holds directly, anything else under its name), else to DEST
    itself; to standard output if DEST is -. Modes, times, links and empty directories are kept, every
    byte is checked. Files appear whole or not at all.
    """
    repository = settings_of(ctx).volume(volume).repository
    revision = resolve_revision(repository, at or "HEAD")
    view = TreeView.at(repository, revision)
    path = parse_path(remote)
    if dest == _STDOUT:
        for piece in view.read(path):
            write(piece)
        return
    source = DownloadSource(revision, path, view.expect(path))
    with transfer() as progress:
        download(repository, source, dest, force=force, progress=progress)
