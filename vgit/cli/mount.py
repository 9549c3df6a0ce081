"""Mount: a directory becomes a mount of a volume."""

import click

from vgit.cli.command import LocalPath, command, settings_of, volume_argument
from vgit.cli.output import write_lines
from vgit.cli.report import report_left_out, show_local_changes


@command("mount", "vgit mount weights ~/weights", "vgit mount weights /tmp/old --at 'HEAD~3'")
@volume_argument
@click.argument("path", type=LocalPath())
@click.option("--read-only", is_flag=True, help="Without write permission; commits are refused.")
@click.option("--at", metavar="REV", help="Mount this revision, read-only.")
@click.option("--sub-path", metavar="DIR", help="Only this directory of the volume; others' files stay out.")
@click.option("--adopt", is_flag=True, help="Take files that are there into the volume, at the next commit.")
@click.option("--create", is_flag=True, help="Make the volume if it is missing.")
@click.pass_context
def mount(
    ctx: click.Context,
    volume: str,
    path: str,
    *,
    read_only: bool,
    at: str | None,
    sub_path: str | None,
    adopt: bool,
    create: bool,
) -> None:
    """Make PATH a mount of a volume. Its files are there when this command ends.

    PATH is a new or empty directory, or a mount of the volume already, which is brought up to date. It
    stays a mount until `vgit unmount`, over restarts too, and can be moved: all it knows is in PATH/.vgit.
    """
    handle = settings_of(ctx).volume(volume, create_if_missing=create)
    with show_local_changes():
        made = handle.mount(path, read_only=read_only, at=at, sub_path=sub_path, adopt=adopt)
    report_left_out(made.left_out)
    made.close(commit=False)
    write_lines([str(made.path)])
