"""Command: what commands have in common: options for the store, examples in the help, and options that many share."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from vgit.errors import InvalidError
from vgit.paths import expand_home

if TYPE_CHECKING:
    from vgit.api.client import Client
    from vgit.api.snapshot import Readable
    from vgit.volume import Volume

F = TypeVar("F", bound=Callable[..., Any])


class Settings(NamedTuple):
    """Where the volumes are, as the command line says; None: as the environment variables say."""

    store: str | None = None
    environment: str | None = None

    def client(self) -> "Client":
        """Return the client that a command works with."""
        from vgit.api.client import Client

        return Client.from_env(self.store, self.environment)

    def volume(self, name: str, *, create_if_missing: bool = False) -> "Volume":
        """Return the handle of a volume."""
        from vgit.volume import Volume

        return Volume.from_name(name, create_if_missing=create_if_missing, client=self.client())


def settings_of(ctx: click.Context) -> Settings:
    """Return what the options before and after the command's name say; those after it win."""
    return ctx.obj if isinstance(ctx.obj, Settings) else Settings()


def readable(ctx: click.Context, name: str, at: str | None) -> "Readable":
    """Return what a command reads: a volume at its newest state, or at a revision."""
    volume = settings_of(ctx).volume(name)
    return volume.at(at) if at is not None else volume


def _remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("it is empty.", ctx, parameter)
    if value is not None:
        ctx.obj = settings_of(ctx)._replace(**{parameter.name or "": value})


STORE_OPTIONS: list[click.Parameter] = [
    click.Option(
        ["-e", "--env", "environment"],
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="The environment that volumes' names belong to.",
    ),
    click.Option(
        ["--store"], metavar="PATH", expose_value=False, callback=_remember, help="The directory that holds volumes."
    ),
]


class LocalPath(click.Path):
    """A path of this machine. An empty one, as of a variable that was not set, is a mistake and not where we are.

    ``~`` and ``~user`` at its beginning mean home, also where no shell saw them. What its mode allows is not asked
    here: a directory that may not be listed can be opened for a command.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(allow_dash=allow_dash, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, ``~`` expanded."""
        if value == "":
            self.fail("the path is empty.", param, ctx)
        try:
            return super().convert(expand_home(value), param, ctx)
        except InvalidError as error:
            self.fail(str(error), param, ctx)


class LocalSource(LocalPath):
    """A path of this machine that is read. What a shell put there for a ``*`` may be a file that is named ``~``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, as it is if there is something of that name."""
        if value and os.path.lexists(value):
            return click.Path.convert(self, value, param, ctx)
        return super().convert(value, param, ctx)


class Command(click.Command):
    """A command of vgit: it takes --env and --store, and its help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params += STORE_OPTIONS

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        format_examples(self.examples, formatter)


def format_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write the examples as they are typed, never wrapped."""
    with formatter.section("Example" if len(examples) == 1 else "Examples"):
        for example in examples:
            formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def command(name: str, *examples: str, cls: type[Command] = Command) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command, as ``click.command`` does."""
    return click.command(name, cls=cls, examples=examples)


def complete_volume(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the volumes whose names begin so, for the shell; none if they cannot be read."""
    from vgit.errors import Error

    try:
        client = settings_of(ctx).client()
        records = client.root.catalog().named(client.environment)
    except (Error, OSError):
        return []
    return [CompletionItem(one.name) for one in records if one.name and one.name.startswith(incomplete)]


volume_argument = click.argument("volume", shell_complete=complete_volume)


def option_json(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def option_at(function: F) -> F:
    """Add ``--at``."""
    return click.option("--at", metavar="REV", help="Read this revision: an id, HEAD~2, a tag, @{2 hours ago}.")(
        function
    )


def option_yes(function: F) -> F:
    """Add ``-y``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def option_patch(function: F) -> F:
    """Add ``-p``."""
    return click.option("-p", "--patch", is_flag=True, help="Show the lines of text files that differ.")(function)


def option_message(function: F) -> F:
    """Add ``-m``."""
    return click.option("-m", "--message", metavar="TEXT", help="Say why; else vgit says what changed.")(function)
