"""Mounts: where volumes are mounted."""

import time
from datetime import UTC, datetime

import click

from vgit.cli.command import command, complete_volume, option_json, settings_of
from vgit.cli.output import span, write_json_list, write_table
from vgit.ids import short_id
from vgit.mount.lease import Lease, list_leases
from vgit.volume import Volume


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
