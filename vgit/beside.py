"""Beside: one call in a thread of its own while the caller goes on; for work that mostly waits for the disk."""

import threading
from collections.abc import Callable


class Beside:
    """Begins ``call`` at once; as a context manager it does not end before the call has."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._carried = _Carried()
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="vgit-beside")
        try:
            self._thread.start()
        except RuntimeError:  # no more threads: then not beside, but now
            self._thread = None
            self._run()

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *exc: object) -> None:
        self._join()

    def wait(self) -> None:
        """Return when the call has ended; raise what it raised."""
        self._join()
        if self._carried.error is not None:
            raise self._carried.error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        with self._carried:
            self._call()


class _Carried:
    """Keeps what is raised in a block, of whatever kind: it belongs to the thread that waits."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self.error = error
        return True
