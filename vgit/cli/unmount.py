"""Unmount: a mount becomes an ordinary directory again."""

import click

from vgit.cli.command import LocalPath, command
from vgit.cli.commit import commit_existing
from vgit.cli.mount_argument import mount_to_unmount
from vgit.cli.output import note, shown_name, warn
from vgit.cli.report import exit_if_incomplete
from vgit.mount.policy import LocalChanges
from vgit.types import LeftOut


@command("unmount", "vgit unmount ~/weights", "vgit unmount --keep-files .")
@click.argument("path", required=False, type=LocalPath())
@click.option("--keep-files", is_flag=True, help="Leave the files, as an ordinary directory.")
@click.option("--discard", is_flag=True, help="Commit nothing: changes that are not published are lost.")
@click.pass_context
def unmount(ctx: click.Context, path: str | None, *, keep_files: bool, discard: bool) -> None:
    """Commit, then take a mount's files and its .vgit away. The directory itself stays, empty.

    PATH is the mount, or in it; else the current directory is. Refused while a process has files open there.
    One that was cut off can be repeated.
    """
    with mount_to_unmount(ctx, path) as existing:
        working = existing.working
        left_out: tuple[LeftOut, ...] = ()
        working.own()  # no program may have it mounted while we take it away
        working.check_open_files()  # before anything is published, and again when it is taken away
        if working.is_half_unmounted:
            pass  # all that was to be published was, before the first file went
        elif not discard and not working.record.read_only:
            _, left_out = commit_existing(existing, message=None)
        elif discard and not keep_files:
            working.reload(LocalChanges.DISCARD)
        removed = existing.unmount(remove_files=not keep_files)
    place = shown_name(working.path)
    if not removed and not keep_files:
        warn(f"{place} is no mount any more, but some of its files are not in the volume and were left there.")
    else:
        note(f"{place} is unmounted")
    exit_if_incomplete(ctx, left_out)
