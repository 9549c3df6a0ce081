"""Progress bar: how far a transfer is, on stderr: a bar on a terminal, gone at the end, else one line at the end."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from vgit.cli.output import note, size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_DRAWN_EVERY_SECONDS = 0.1
_WORTH_FILES = 100  # fewer are done before rich is loaded, unless they are large
_WORTH_BYTES = 16 << 20
_FILE_WEIGHT = 4096  # the bytes that take as long as making a file does


def shown_progress() -> "AbstractContextManager[Counter]":
    """Return the context in which a transfer tells how far it is; shown if it ends well."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _bar()
    return _line()


class Counter:
    """Counts what is expected and what is done."""

    def __init__(self) -> None:
        self.files = self.size_bytes = 0
        self.expected_files = self.expected_bytes = 0
        self.started = time.monotonic()

    def expect(self, files: int, size_bytes: int) -> None:
        """So much more is to come."""
        self.expected_files += files
        self.expected_bytes += size_bytes

    def advance(self, files: int, size_bytes: int) -> None:
        """So much more is done."""
        self.files += files
        self.size_bytes += size_bytes

    def speed(self) -> str:
        """Return the bytes a second since the beginning."""
        return f"{size(int(self.size_bytes / max(time.monotonic() - self.started, 0.001)))}/s"

    def summary(self) -> str:
        """Return what was done, in one line.

        >>> Counter().summary().partition(" in ")[0]
        '0 files, 0 B'
        """
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        return f"{files}, {size(self.size_bytes)} in {time.monotonic() - self.started:.1f} s, {self.speed()}"


class Bar(Counter):
    """Draws itself at most ten times a second, and in the calling thread: what is counted costs next to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._rich: RichProgress | None = None
        self._drawn = self.started

    def expect(self, files: int, size_bytes: int) -> None:
        """Count, and draw."""
        super().expect(files, size_bytes)
        self._draw_if_due()

    def advance(self, files: int, size_bytes: int) -> None:
        """Count, and draw."""
        super().advance(files, size_bytes)
        self._draw_if_due()

    def remove(self) -> None:
        """Leave the terminal as it was."""
        if self._rich is not None:
            self._rich.stop()

    def _draw_if_due(self) -> None:
        now = time.monotonic()
        if self._rich is None:
            is_worth_it = self.expected_files >= _WORTH_FILES or self.expected_bytes >= _WORTH_BYTES
            if not is_worth_it and now - self.started < 1:
                return
            self._rich = _rich_progress()
        elif now - self._drawn < _DRAWN_EVERY_SECONDS:
            return
        self._drawn = now
        self._draw(self._rich)

    def _draw(self, rich: "RichProgress") -> None:
        rich.update(
            rich.task_ids[0],
            total=self.expected_bytes + self.expected_files * _FILE_WEIGHT,
            completed=self.size_bytes + self.files * _FILE_WEIGHT,
            files=f"{self.files:,}/{self.expected_files:,} files",
            sizes=f"{size(self.size_bytes)}/{size(self.expected_bytes)}",
            speed=self.speed(),
        )
        rich.refresh()


def _rich_progress() -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), *(TextColumn(f"{{task.fields[{name}]}}") for name in ("files", "sizes", "speed")))
    console = Console(stderr=True, highlight=False)
    progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, auto_refresh=False)
    progress.add_task("", files="", sizes="", speed="")
    progress.start()
    return progress


@contextmanager
def _bar() -> Iterator[Counter]:
    bar = Bar()
    try:
        yield bar
    finally:
        bar.remove()


@contextmanager
def _line() -> Iterator[Counter]:
    counter = Counter()
    yield counter
    note(counter.summary())
