"""Run: a command with volumes mounted for it, committed in the background and at its end."""

import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import click

from vgit.api.client import Client
from vgit.api.mount import Mount
from vgit.cli.child import PASSED_ON, Child, finish_despite_signals
from vgit.cli.command import Command, Settings, command, settings_of
from vgit.cli.output import note, shown_name, warn
from vgit.cli.report import INCOMPLETE, is_incomplete, report_local_changes, report_surprises, show_local_changes
from vgit.cli.witness import Witness
from vgit.errors import Error, InvalidError
from vgit.names import check_volume_name
from vgit.paths import expand_home
from vgit.repository.repository import Repository

_FAILED = 1  # the exit code: a last commit failed


class MountRequest(NamedTuple):
    """One ``-v``."""

    volume: str
    path: str  # absolute
    read_only: bool


class _RunMount(NamedTuple):
    mount: Mount
    repository: Repository
    told: Sequence[str]  # what people were told of local changes when it was opened


class _RunCommand(Command):
    allow_interspersed_args = False  # from the command's name on, all words are the command's


def _check_seconds(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number of seconds above 0.", ctx, param)
    return value


def _parse_all(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[MountRequest, ...]:
    asked = tuple(_parse(text, ctx, param) for text in value)
    paths = [os.path.realpath(one.path) for one in asked]
    written = [one.volume for one in asked if not one.read_only]
    for what, found in (("path", paths), ("volume to be written", written)):
        twice = next((one for one in found if found.count(one) > 1), None)
        if twice is not None:
            raise click.BadParameter(f"the {what} {twice!r} is given twice.", ctx, param)
    return asked


def _parse(text: str, ctx: click.Context, param: click.Parameter) -> MountRequest:
    """Parse ``NAME[:PATH[:ro]]``; nothing may be empty, since that is most often a variable that is not set."""
    name, *rest = text.split(":")
    try:
        check_volume_name(name)
    except InvalidError as error:
        raise click.BadParameter(f"{text!r}: {error}", ctx, param) from error
    if len(rest) > 2 or (len(rest) == 2 and rest[1] != "ro"):
        raise click.BadParameter(
            f"{text!r}: expected NAME[:PATH[:ro]]; for a path with ':' in it, give a link to it.", ctx, param
        )
    if rest and not rest[0]:
        raise click.BadParameter(f"{text!r}: there is no path after ':'.", ctx, param)
    try:
        path = expand_home(rest[0] if rest else name)
    except InvalidError as error:
        raise click.BadParameter(f"{text!r}: {error}", ctx, param) from error
    return MountRequest(name, os.path.abspath(path), len(rest) == 2)


@command(
    "run",
    "vgit run -v weights -- python train.py weights",
    "vgit run -v weights:/data/w -v datasets:/data/d:ro -- make",
    cls=_RunCommand,
)
@click.option(
    "-v", "--volume", "asked", metavar="NAME[:PATH[:ro]]", multiple=True, required=True, callback=_parse_all,
    help="Mount this volume; at ./NAME if there is no PATH. May be given several times.",
)  # fmt: skip
@click.option(
    "--commit-every", metavar="SECONDS", type=float, default=5, show_default=True, callback=_check_seconds,
    help="How long to wait from one commit in the background to the next.",
)  # fmt: skip
@click.option("--create", is_flag=True, help="Make volumes that are missing.")
@click.argument("words", metavar="COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context, asked: tuple[MountRequest, ...], words: tuple[str, ...], *, commit_every: float, create: bool
) -> None:
    """Run a command with volumes mounted; commit in the background and at its end, however it ends.

    A file that is being written is held back until it holds still; the last commit takes all. Signals go to the
    command, its exit code comes back (128 + n if signal n killed it, 127 if there is no such command, 126 if it
    cannot be run). It finds the mounts in $VGIT_MOUNTS, a JSON list; `vgit.Volume.from_name(NAME)` in it means
    the same volume, and its commit() and reload() act on these mounts. If the command went well, 1 says that the
    last commit failed, 3 that something could not be read for it.

    The directories stay mounts, with their files: run again, or see `vgit unmount`. What was changed in one that
    is read-only stays in it too, and is told of now and by the next run; `vgit reload --discard` takes it back.
    """
    client = settings_of(ctx).client()
    with Witness(PASSED_ON) as witness, _run_mounts(settings_of(ctx), asked, create=create) as mounts:
        child = Child(words, _environment(client, mounts), witness)
        os.chdir("/")  # or a reload that the command asks for would find us at work in a mount
        codes: list[int] = []
        with _background(mounts, commit_every):
            code = child.wait()
            finish_despite_signals(lambda: codes.extend(_commit_all(mounts)), _tell_to_wait)
    ctx.exit(code or next((one for one in (_FAILED, INCOMPLETE) if one in codes), 0))


@contextmanager
def _run_mounts(settings: Settings, asked: Sequence[MountRequest], *, create: bool) -> Iterator[list[_RunMount]]:
    """Open all mounts, or none; what the command leaves uncommitted stays in them."""
    mounts: list[_RunMount] = []
    try:
        for request in asked:
            volume = settings.volume(request.volume, create_if_missing=create)
            with show_local_changes() as told:
                mounts.append(
                    _RunMount(volume.mount(request.path, read_only=request.read_only), volume.repository, told)
                )
        yield mounts
    finally:
        for one in mounts:
            one.mount.release()
            one.repository.close()


def _environment(client: Client, mounts: Sequence[_RunMount]) -> dict[str, str]:
    """Return the command's environment: there, too, names mean the volumes that they mean here."""
    run_mounts = dict.fromkeys([*(str(one.mount.path) for one in mounts), *client.run_mounts])
    return _own_environment() | {
        "VGIT_STORE": client.store,
        "VGIT_ENVIRONMENT": client.environment,
        "VGIT_MOUNTS": json.dumps(list(run_mounts)),
    }


def _own_environment() -> dict[str, str]:
    """Return the environment that vgit was started with: in the C locale Python adds LC_CTYPE to it for itself."""
    environment = dict(os.environ)
    with open("/proc/self/environ", "rb") as file:
        if not any(one.startswith(b"LC_CTYPE=") for one in file.read().split(b"\0")):
            environment.pop("LC_CTYPE", None)
    return environment


@contextmanager
def _background(mounts: Sequence[_RunMount], every_seconds: float) -> Iterator[None]:
    """Commit the mounts that can be in the background; tell people if that fails."""
    handler = _Warnings(logging.WARNING)
    logger = logging.getLogger("vgit.api.background")
    logger.addHandler(handler)
    try:
        for one in mounts:
            if not one.mount.read_only:
                one.mount.commit_in_background(every_seconds)
        yield
    finally:
        logger.removeHandler(handler)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Show what the library logs, as our own warnings look."""
        warn(record.getMessage())


def _commit_all(mounts: Sequence[_RunMount]) -> Iterator[int]:
    """Commit each mount for the last time and tell what people should know; yield exit codes where all is not well."""
    for mount, _, told in mounts:
        if mount.read_only:
            _warn_if_changed(mount, told)
            continue
        where = str(mount.path) if len(mounts) > 1 else None
        try:
            mount.stop_background()
            committed = mount.commit_in_detail()
            report_surprises(mount, committed, where)
            if is_incomplete(mount.left_out_of(committed)):
                yield INCOMPLETE
        except (Error, OSError) as error:
            note(f"Error: the last commit failed: {error}")
            note(f"All files are in {shown_name(str(mount.path))}; `vgit commit` there publishes them.")
            yield _FAILED


def _warn_if_changed(mount: Mount, told: Sequence[str]) -> None:
    """Tell people if the command changed what is mounted read-only."""
    try:
        report_local_changes(mount, told)
    except (Error, OSError) as error:
        warn(f"whether {shown_name(str(mount.path))} was changed could not be seen: {error}")


def _tell_to_wait() -> None:
    note("committing what the command left; once more ends vgit without that")
