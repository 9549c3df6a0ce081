"""Main: finds the command that was asked for, and turns whatever goes wrong into one line and an exit code.

0    done
1    an error, told as "Error: …" on stderr; VGIT_DEBUG=1 shows where it came from
2    the command line itself was wrong, or get or put would replace something and --force was not given
3    published, but something could not be read and is missing from it
130  interrupted from the keyboard
141  whoever read our output has gone (as if killed by SIGPIPE)
"""

import gc
import os
import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from vgit import __version__
from vgit.cli.command import STORE_OPTIONS, format_examples
from vgit.cli.output import shown
from vgit.cli.table import COMMANDS, SECTIONS
from vgit.errors import CorruptObjectError, Error

_INTERRUPTED = 130
_BROKEN_PIPE = 141
_AFTER_DAMAGE = (
    "`git fsck` in the volume's directory, STORE/volumes/ID.git, tells what else is damaged;"
    " a clone or a backup of it may have what is lost."
)
_EXAMPLES = ("vgit create weights", "vgit mount weights ~/weights", "vgit log weights")

# How many more objects there are at each collection of the garbage collector. A commit of 10^5 files makes 10^6 tuples
# that are no garbage; looking through them every 700 took up to a fifth of its time.
_COLLECT = (100_000, 20, 100)


class Program(click.Group):
    """All of vgit's commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        command = getattr(import_module(module), attribute)
        if not gc.isenabled():  # start.py turned it off
            gc.freeze()  # what was loaded stays, and need not be looked at again
            gc.set_threshold(*_COLLECT)
            gc.enable()
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, without importing them."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, entry.help) for name, entry in commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        format_examples(_EXAMPLES, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, from the table; options as click does."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see the top of this module for what its errors become."""
        if sys.stdout is None:  # and the next file that is opened would get its descriptor
            raise click.ClickException("standard output is closed (>&-); give vgit one, or /dev/null.")
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, so that a full disk or a closed pipe is noticed while it can be told
        except click.ClickException as error:
            # A word that it quotes may be a name that a shell put there for a `*`.
            vars(error).update(message=shown(error.message))
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as interrupt:
            for line in getattr(interrupt, "__notes__", ()):  # what is done all the same
                click.echo(shown(line), err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # What is still in the buffer would be tried again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_BROKEN_PIPE)
        except Exception as error:
            if os.environ.get("VGIT_DEBUG"):
                import traceback

                traceback.print_exc()
            raise click.ClickException(shown(_describe(error))) from error
        return result


def _describe(error: Exception) -> str:
    """Return one line, or a few, that say what went wrong."""
    if isinstance(error, CorruptObjectError) and "fsck" not in str(error):
        return f"{str(error).rstrip('.')}. {_AFTER_DAMAGE}"
    if isinstance(error, Error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return where + error.strerror
    return f"{type(error).__name__}: {error}. vgit did not expect this; VGIT_DEBUG=1 shows where it came from."


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"vgit {__version__}")
    ctx.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show it and exit."
)
def program() -> None:
    """Versioned volumes that many programs share, each a real git repository.

    A program works in a mount, an ordinary directory. `vgit commit` publishes what it changed,
    `vgit reload` brings in what others published, and every state stays readable.

    Volumes are in --store, else in $VGIT_STORE, else in `vgit` in your data directory; of the
    environment --env, else $VGIT_ENVIRONMENT, else `main`.
    """


program.params += STORE_OPTIONS


def main() -> None:
    """Run the command line of this process."""
    try:
        program.main(prog_name="vgit")
    except OSError as error:  # of --help and --version, which print before any command runs
        click.echo(f"Error: {shown(_describe(error))}", err=True)
        sys.exit(1)
