"""Mounts: mount, unmount, mounts: directories become mounts and ordinary directories again."""

import time
from datetime import UTC, datetime

import click

from vgit.cli.command import LocalPath, command, complete_volume, option_json, settings_of, volume_argument
from vgit.cli.mounted import mounted_or_half_unmounted
from vgit.cli.output import note, shown_name, span, warn, write_json_list, write_lines, write_table
from vgit.cli.published import exit_if_incomplete, report_left_out
from vgit.cli.read_only import telling_of_local_changes
from vgit.cli.working import publish
from vgit.ids import short_id
from vgit.mount.lease import Lease, list_leases
from vgit.mount.plan import Local
from vgit.types import LeftOut
from vgit.volume import Volume


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
    with telling_of_local_changes():
        made = handle.mount(path, read_only=read_only, at=at, sub_path=sub_path, adopt=adopt)
    report_left_out(made.left_out)
    made.close(commit=False)
    write_lines([str(made.path)])


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
    with mounted_or_half_unmounted(ctx, path) as directory:
        working = directory.working
        left_out: tuple[LeftOut, ...] = ()
        working.own()  # no program may have it mounted while we take it away
        working.check_open_files()  # before anything is published, and again when it is taken away
        if working.is_half_unmounted:
            pass  # all that was to be published was, before the first file went
        elif not discard and not working.record.read_only:
            _, left_out = publish(directory, message=None)
        elif discard and not keep_files:
            working.reload(Local.DISCARD)
        removed = directory.unmount(remove_files=not keep_files)
    place = shown_name(working.path)
    if not removed and not keep_files:
        warn(f"{place} is no mount any more, but some of its files are not in the volume and were left there.")
    else:
        note(f"{place} is unmounted")
    exit_if_incomplete(ctx, left_out)


@command("mounts", "vgit mounts", "vgit mounts weights --json")
@click.argument("volume", required=False, shell_complete=complete_volume)
@option_json
@click.pass_context
def mounts(ctx: click.Context, volume: str | None, *, as_json: bool) -> None:
    """List where volumes are mounted, on any machine.

    Shows the mounts of all volumes of the environment, those of directories that were deleted and never
    unmounted too. Age is the time since the last mount or reload, base the commit that it brought in.
    """
    settings = settings_of(ctx)
    volumes = [settings.volume(volume)] if volume is not None else Volume.objects.list(client=settings.client())
    found = [(one.hydrate().name or "", lease) for one in volumes for lease in list_leases(one.repository)]
    found.sort(key=lambda one: (one[0], one[1].host, one[1].path))
    if as_json:
        write_json_list(_as_json(name, lease) for name, lease in found)
        return
    now = time.time_ns()
    titles = ("Volume", "Host", "Path", "Access", "Base", "Age>")
    write_table(titles, ((name, *_row(lease, now)) for name, lease in found))


def _as_json(name: str, lease: Lease) -> dict[str, object]:
    return {
        "volume": name,
        "host": lease.host,
        "path": lease.path,
        "read_only": lease.read_only,
        "base": lease.base.hex() if lease.base is not None else None,
        "renewed": datetime.fromtimestamp(lease.renewed_ns / 1e9, UTC).isoformat(),
        "mount_id": lease.mount_id,
    }


def _row(lease: Lease, now_ns: int) -> tuple[str, ...]:
    return (
        lease.host,
        lease.path,
        "read-only" if lease.read_only else "read-write",
        short_id(lease.base) if lease.base is not None else "-",
        span((now_ns - lease.renewed_ns) // 1_000_000_000),
    )
