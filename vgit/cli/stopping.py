"""Stopping: a command that is told to end cleans up first; its exit code is 128 and the number of the signal."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cleaning_up_when_told_to_end() -> Iterator[None]:
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
