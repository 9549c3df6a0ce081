"""Aftermath: what is still to be done once something is published or mounted, and cannot change that it is.

    after = Aftermath("commit 1a2b3c is published")
    with after.step("rolling up packs"):
        …                     an error ends the step, is logged, and that is all
    return the answer
    after.hand_on()           an interrupt ends the step too, and is raised when nothing is left to be done

A roll-up that finds the disk full, a mark that cannot be removed: whoever committed
would be told that it failed, do it again, and overwrite what others did meanwhile. Of this kind is all of:

    after a commit    its marks are removed, upkeep is done      repository/publish.py, maintenance/upkeep.py
                      the mount takes note of it                 mount/mount_commit.py
    after a mount     upkeep is done                             api/open_mounts.py, maintenance/upkeep.py
    after a reload    the lease is renewed                       api/mount.py

An interrupt is not lost, since it means the program and not the commit; but the
answer comes first where there is one to be given, and a note says what is published.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from vgit.errors import Error
from vgit.runtime.cancel import shield
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    import logging
else:
    logging = lazy_import("logging")


class Aftermath:
    """The steps after one event; ``what`` is a sentence about it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._interrupt: BaseException | None = None

    def step(self, doing: str) -> "_Step":
        """Return a ``with`` block that lets nothing out: errors are logged, an interrupt is kept for ``hand_on``."""
        return _Step(self, doing)

    def keep(self, interrupt: BaseException) -> None:
        """Keep an interrupt for ``hand_on``; the first counts."""
        self._interrupt = self._interrupt or interrupt

    def hand_on(self) -> None:
        """Raise the interrupt that came in one of the steps, if one did."""
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            interrupt.add_note(f"{self.what}; this came afterwards.")
            raise interrupt


class _Step:
    def __init__(self, after: Aftermath, doing: str) -> None:
        self._after = after
        self._doing = doing
        self._stack = ExitStack()

    def __enter__(self) -> None:
        self._stack.enter_context(shield())  # a task that is cancelled has published all the same

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self._stack.close()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._after.keep(error)
            return True
        if isinstance(error, Exception):  # of whatever kind: a bug in the upkeep is no reason to commit twice, either
            shown = None if isinstance(error, Error | OSError) else error
            logging.getLogger(__name__).warning(
                "%s, but %s failed: %s", self._after.what, self._doing, error, exc_info=shown
            )
            return True
        return False
