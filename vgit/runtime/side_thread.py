"""Side thread: one call runs in a thread of its own while its caller goes on; for calls that wait for the disk."""

import threading
from collections.abc import Callable


class SideThread:
    """Begins ``call`` at once. As a context manager it does not end before the call has ended.

    An interrupt of the caller, even in the middle of waiting, is raised when the
    call has ended: it never goes on behind the back of a caller that has given up.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call
        self._calling = threading.Lock()
        self._ended = threading.Event()  # an interrupted Thread.join takes the thread for ended (Python 3.11)
        self._raised = _HeldBack()
        started = _HeldBack()
        with started:
            threading.Thread(target=self._run, name="vgit-side").start()
        if isinstance(
            started.error, RuntimeError
        ):  # the machine gives no more threads: the caller makes the call itself
            self._run()
        elif started.error is not None:
            _to_the_end(self._drop_call)
            raise started.error

    def __enter__(self) -> "SideThread":
        return self

    def __exit__(self, *exc: object) -> None:
        _to_the_end(self._ended.wait)

    def wait(self) -> None:
        """Return when the call has ended; raise what it raised."""
        _to_the_end(self._ended.wait)
        if self._raised.error is not None:
            raise self._raised.error

    def _run(self) -> None:
        with self._calling, self._raised:
            if self._call is not None:
                self._call()
        self._ended.set()

    def _drop_call(self) -> None:
        with self._calling:  # if it has begun, this waits for its end
            self._call = None


class _HeldBack:
    """Holds back what is raised in a block, of whatever kind, until somebody asks for ``error``."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self.error = error or self.error
        return True


def _to_the_end(step: Callable[[], object]) -> None:
    """Call ``step``, which only waits, until it is not interrupted; then raise the interrupt that there was."""
    interrupts = _HeldBack()
    done = False
    while not done:
        with interrupts:
            step()
            done = True
    if interrupts.error is not None:
        raise interrupts.error
