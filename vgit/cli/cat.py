"""Cat: a file's bytes to standard output."""

import click

from vgit.cli.command import command, option_at, readable, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.output import write


@command("cat", "vgit cat weights config.json", "vgit cat weights model.bin --offset 4096 --length 512 | xxd")
@volume_argument
@click.argument("path", shell_complete=complete_remote)
@option_at
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Begin at this byte.")
@click.option("--length", type=click.IntRange(min=0), metavar="N", help="Write at most so many bytes.")
@click.pass_context
def cat(ctx: click.Context, volume: str, path: str, *, at: str | None, offset: int, length: int | None) -> None:
    """Write a file's bytes to standard output. Each piece is checked against the file's BLAKE3 first."""
    for piece in readable(ctx, volume, at).read_file(path, offset=offset, length=length):
        write(piece)
