"""Ls: what is in a directory of a volume."""

from datetime import UTC, datetime
from functools import lru_cache

import click

from vgit.cli.command import command, option_at, option_json, readable, volume_argument
from vgit.cli.completion import complete_remote
from vgit.cli.entries import TYPE_NAMES, octal
from vgit.cli.output import (
    is_terminal,
    local_seconds,
    shown_name,
    size,
    write_json_list,
    write_lines,
    write_table,
)
from vgit.types import FileEntry, FileEntryType

_SHOWN_HASH = 16  # digits that fit beside a name on a terminal


@command("ls", "vgit ls weights", "vgit ls weights checkpoints -R --at '@{yesterday}'", "vgit ls weights -l --json")
@volume_argument
@click.argument("path", default="/", shell_complete=complete_remote)
@click.option("-R", "--recursive", is_flag=True, help="With all that is below.")
@click.option("-l", "--long", "is_long", is_flag=True, help="With permissions, exact sizes and BLAKE3.")
@option_at
@option_json
@click.pass_context
def ls(
    ctx: click.Context, volume: str, path: str, *, recursive: bool, is_long: bool, at: str | None, as_json: bool
) -> None:
    r"""List what is in a directory of a volume.

    A table on a terminal, one path a line in a pipe. A byte of a name that is not UTF-8 is \udcXX in
    JSON, which Python's json and os.fsencode turn into that byte again.
    """
    entries = readable(ctx, volume, at).iterdir(path, recursive)
    if as_json:
        write_json_list(_as_json(entry, is_long=is_long) for entry in entries)
    elif is_long and is_terminal():
        write_table(("Mode", "Size>", "Modified", "BLAKE3", "Filename"), map(_long_row, entries))
    elif is_long:
        write_lines(map(_long_line, entries))
    elif is_terminal():
        write_table(("Filename", "Type", "Modified", "Size>"), map(_row, entries))
    else:
        write_lines(entry.path for entry in entries)


def _as_json(entry: FileEntry, *, is_long: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "filename": entry.path,
        "type": TYPE_NAMES[entry.type],
        "created_modified": _iso_time(entry.mtime),
        "size": entry.size,
    }
    if is_long:
        fields |= {"mode": octal(entry.mode), "mtime_ns": entry.mtime_ns, "hash": entry.hash}
    return fields


def _row(entry: FileEntry) -> tuple[str, str, str, str]:
    is_sized = entry.type is not FileEntryType.DIRECTORY
    return entry.path, TYPE_NAMES[entry.type], local_seconds(entry.mtime), size(entry.size) if is_sized else ""


def _long_row(entry: FileEntry) -> tuple[str, str, str, str, str]:
    hash = (entry.hash or "-")[:_SHOWN_HASH]
    return octal(entry.mode), str(entry.size), local_seconds(entry.mtime), hash, entry.path


def _long_line(entry: FileEntry) -> str:
    """Return what a table would have as cells, with tabs between them."""
    path = shown_name(entry.path)
    return f"{entry.mode:04o}\t{entry.size}\t{local_seconds(entry.mtime)}\t{entry.hash or '-'}\t{path}"


@lru_cache(maxsize=4096)
def _iso_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
