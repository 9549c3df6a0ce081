"""Transfer: what get and put have in common: how far they are, and that they replace nothing unasked.

What is there already stays unless --force says otherwise; forgetting that is exit 2.
A command that is told to end cleans up first; its exit code is 128 and the number of the signal.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from vgit.cli.progress_bar import Counter, shown_progress
from vgit.errors import AlreadyExistsError

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def transfer() -> Iterator[Counter]:
    """Give a transfer what it tells its progress; see the top of this module for how it ends."""
    with _refuse_to_replace(), _clean_up_when_told_to_end(), shown_progress() as progress:
        yield progress


class Exists(click.ClickException):
    """Something is there already, and the command line did not say that it may be replaced."""

    exit_code = 2


@contextmanager
def _refuse_to_replace() -> Iterator[None]:
    """End the command with exit code 2 where --force is missing."""
    try:
        yield
    except AlreadyExistsError as error:
        raise Exists(str(error).replace("force=True", "--force")) from error


@contextmanager
def _clean_up_when_told_to_end() -> Iterator[None]:
    """Make of SIGTERM and SIGHUP an exception, as Ctrl-C is one, so that nothing half-made is left behind."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # what nohup had ignored stays so
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    for one in _SIGNALS:  # a second one would cut the cleaning up short
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)
