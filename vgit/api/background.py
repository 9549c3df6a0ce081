"""Background: commits a mount every so many seconds while its program works in it, so that a crash costs seconds.

A file that is being written is held back at its published version until it
holds still; nothing torn is published. One that never does is told of, once. A commit that fails (a full disk, a
store out of reach) does not disturb the program: it is logged once, kept in
``error``, and tried again. The time between commits grows where they are dear:

    a commit that found nothing    five times as long as it took, at least
    a commit that published        as long as it took, at least

So looking at a huge tree takes a sixth of one core at most, and slow commits
never pile up.
"""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from vgit.api.user_warnings import left_out_texts
from vgit.clock import Clock
from vgit.errors import Error, InvalidError
from vgit.files.left_out import LeftOutKind
from vgit.paths import Path, format_path, printable
from vgit.runtime.forks import reset_after_fork
from vgit.runtime.lazy_import import lazy_import
from vgit.types import LeftOut

if TYPE_CHECKING:
    import logging
else:
    logging = lazy_import("logging")

LONG_SECONDS = 60
_LONG_TIMES = 3  # commits, however slow they are
_REST_AFTER_NOTHING = 5
_REST_AFTER_COMMIT = 1


def check_commit_every(seconds: float, *, read_only: bool) -> float:
    """Return ``seconds`` if a mount can commit so often, else raise InvalidError."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:
        raise InvalidError(f"Invalid commit_every: {seconds!r}; expected a number of seconds above 0.")
    if read_only:
        raise InvalidError("commit_every makes no sense for a read-only mount, which never commits; leave it out.")
    return seconds


def time_to_rest(every_seconds: float, took_seconds: float, *, published: bool) -> float:
    """Return how long to wait after a commit.

    >>> time_to_rest(5, 2, published=False), time_to_rest(5, 20, published=True), time_to_rest(5, 2, published=True)
    (10, 20, 5)
    """
    return max(every_seconds, took_seconds * (_REST_AFTER_COMMIT if published else _REST_AFTER_NOTHING))


class HeldBack:
    """Tells once of each file that commits in the background never find at rest: nobody else would before the end."""

    def __init__(self, where: str, clock: Clock) -> None:
        self._where = where
        self._clock = clock
        self._since: dict[Path, tuple[float, int]] = {}  # when it was first held back, and how often since
        self._told: set[Path] = set()

    def note(self, paths: Iterable[Path]) -> None:
        """Take over what a commit held back; what it did not has come to rest."""
        now = self._clock.monotonic()
        since = self._since
        self._since = {path: (first, times + 1) for path in paths for first, times in (since.get(path, (now, 0)),)}
        long = [
            path
            for path, (first, times) in self._since.items()
            if times >= _LONG_TIMES and now - first >= LONG_SECONDS and path not in self._told
        ]
        if long:
            self._told.update(long)
            self._tell(long)

    def _tell(self, paths: Sequence[Path]) -> None:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        logging.getLogger(__name__).warning(
            "%s%s in %s has been written without a pause for %d seconds: what was published of it before stays until it"
            " rests for a moment, or until the last commit. To publish it as it is, named unstable, commit explicitly"
            " (`vgit commit`, commit()); a program that writes a new file and renames it is published at any time.",
            printable(format_path(paths[0])),
            more,
            self._where,
            LONG_SECONDS,
        )


def log_left_out(left_out: Sequence[LeftOut], told: set[LeftOutKind]) -> None:
    """Log each kind that is not in ``told``, and add it there: for commits whose answer nobody waits for."""
    for kind, text in left_out_texts(left_out).items():
        if kind not in told:
            told.add(kind)
            logging.getLogger(__name__).warning("%s", text)


class Background:
    """A thread that calls ``commit`` until ``stop``; ``commit`` says whether it published something.

    A forked child has no such thread: the mount is its parent's, and ``stop``
    does nothing there.
    """

    def __init__(self, commit: Callable[[], bool], every_seconds: float, where: str, clock: Clock) -> None:
        self.error: Error | OSError | None = None  # of the last commit; None: it went well
        self._is_inherited = False
        self._commit = commit
        self._every_seconds = every_seconds
        self._where = where
        self._clock = clock
        self._ending = threading.Event()
        self._ended = threading.Event()  # an interrupted Thread.join takes the thread for ended (Python 3.11)
        # A daemon: a program that forgets to close its mount must still come to its end.
        self._thread = threading.Thread(target=self._run, name=f"vgit commits {where}", daemon=True)
        reset_after_fork(self)
        self._thread.start()

    def after_fork(self) -> None:
        """Note that the thread is the parent's."""
        self._is_inherited = True
        self._ending = threading.Event()

    def stop(self) -> None:
        """End the thread, after the commit that is under way; nothing if that was done.

        Interrupted, it waits no more; called again, it does.
        """
        self._ending.set()
        if not self._is_inherited:
            self._ended.wait()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._commit_until_the_end()
        finally:
            self._ended.set()

    def _commit_until_the_end(self) -> None:
        wait = self._every_seconds
        while not self._ending.wait(min(wait, threading.TIMEOUT_MAX)):
            began = self._clock.monotonic()
            published = self._commit_once()
            wait = time_to_rest(self._every_seconds, self._clock.monotonic() - began, published=published)

    def _commit_once(self) -> bool:
        """Commit and say whether something was published; what went wrong is in ``error``."""
        try:
            published = self._commit()
        except (Error, OSError) as error:
            if self.error is None:  # once for each time that it stops working, not every few seconds
                logging.getLogger(__name__).warning(
                    "commits of %s in the background fail, and are tried again: %s", self._where, error
                )
            self.error = error
            return False
        self.error = None
        return published
