"""Completion: paths in a volume, for the shell."""

import re
from collections.abc import Iterator
from itertools import islice

import click
from click.shell_completion import CompletionItem

from vgit.cli.command import settings_of

_LIMIT = 300
# Click's scripts hand values to the shell unquoted: what a shell would take for something else is not offered.
_PLAIN = re.compile(r"[\w.@%+^/-]+")


def complete_remote(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the paths that begin so in the volume of the command line; none if it cannot be read."""
    try:
        found = _begin_with(ctx, incomplete)
        if len(found) == 1 and found[0].endswith("/"):  # what is in it too, or the shell would end the word here
            found += _begin_with(ctx, found[0])
    except Exception:  # a traceback amid what somebody types helps nobody
        return []
    return [CompletionItem(path) for path in found]


def _begin_with(ctx: click.Context, incomplete: str) -> list[str]:
    parent, slash, _ = incomplete.rpartition("/")
    paths = (parent + slash + name for name in _names(ctx, parent + slash))
    return list(islice((path for path in paths if path.startswith(incomplete) and _PLAIN.fullmatch(path)), _LIMIT))


def _names(ctx: click.Context, parent: str) -> Iterator[str]:
    """Yield the names in a directory, those of directories with a slash."""
    from vgit.paths import format_path, parse_path
    from vgit.types import FileEntryType

    handle = settings_of(ctx).volume(ctx.params["volume"])
    at = ctx.params.get("at")
    above = format_path(parse_path(parent))
    for entry in (handle.at(at) if at else handle).iterdir(parent or "/", recursive=False):
        directory, _, name = entry.path.rpartition("/")
        if directory == above:  # the path of a file gives the file itself
            yield f"{name}/" if entry.type is FileEntryType.DIRECTORY else name
