"""Write back: the disk begins with what is written while more is written, so that little is left for the end."""

import threading

from vgit.mount.syscalls import syncfs

_SECONDS = 0.3  # from one time to the next


class WriteBack:
    """Writes the file system of ``descriptor`` back, over and over, in a thread; a context manager that ends it.

    What it finds wrong is not told here: the last ``syncfs``, the caller's, is told it as well.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vgit-write-back", daemon=True)

    def __enter__(self) -> "WriteBack":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            try:
                syncfs(self._descriptor)
            except OSError:
                return
