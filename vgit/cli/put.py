"""Put: files of this machine into a volume."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from vgit.api.convert import commit_info
from vgit.cli.command import LocalSource, command, option_json, option_message, settings_of, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.report import report_commit, report_left_out
from vgit.cli.transfer import transfer
from vgit.transfer.puts import Put, put_directory, put_file
from vgit.transfer.upload import upload
from vgit.types import LeftOut

_STDIN = "-"


@command(
    "put",
    "vgit put weights model.bin",
    "vgit put weights ./checkpoints /runs/3 -m 'run 3'",
    "vgit put weights data/ / --force",
    "train | vgit put weights - /log.txt",
)
@volume_argument
@click.argument("local", type=LocalSource(allow_dash=True))
@click.argument("remote", default="/", shell_complete=complete_remote)
@click.option("-f", "--force", is_flag=True, help="Replace files that exist; nothing else is removed.")
@option_message
@option_json
@click.pass_context
def put(
    ctx: click.Context, volume: str, local: str, remote: str, *, force: bool, message: str | None, as_json: bool
) -> None:
    """Copy a file or a directory of this machine into a volume, as one commit. Prints the commit's id.

    To REMOTE itself; if that ends in /, to LOCAL's name below it, of which `dir/` has none: `put VOL dir /`
    fills /dir, `put VOL dir /x` fills /x, `put VOL dir/ /` fills the root. LOCAL - is standard input.
    """
    target = _target(ctx, local, remote)
    handle = settings_of(ctx).volume(volume)
    repository, author = handle.repository, settings_of(ctx).client().author
    with transfer() as progress, _put(local, target) as one:
        uploaded = upload(repository, [one], author=author, message=message, force=force, progress=progress)
    left_out = tuple(map(LeftOut.of, uploaded.left_out))
    report_left_out(left_out)
    info = commit_info(repository, uploaded.published, left_out)
    report_commit(info, nothing="nothing to put: the volume has it all", as_json=as_json)


def _target(ctx: click.Context, local: str, remote: str) -> str:
    """Return the path that ``local`` is to have, or that its contents are to be below."""
    if not remote.endswith("/"):
        return remote
    if local == _STDIN:
        raise click.UsageError(f"REMOTE {remote!r} is a directory; name the file that standard input is to be.", ctx)
    name = os.path.basename(local)
    return remote if name in (".", "..") else remote + name


@contextmanager
def _put(local: str, target: str) -> Iterator[Put]:
    if local == _STDIN:
        yield put_file(sys.stdin.buffer, target)
    elif os.path.isdir(local) or local.endswith("/"):
        yield put_directory(local, target, recursive=True)
    elif os.path.exists(local) and stat.S_ISFIFO(os.stat(local).st_mode):  # such as <(command) of a shell
        with open(local, "rb") as stream:
            yield put_file(stream, target)
    else:
        yield put_file(local, target)
