"""Start: the `vgit` command from its first moment to its last.

An interrupt while it is still being loaded ends it quietly, too. What a process costs before and after its work is
kept low: nothing that is loaded is garbage, so the collector stands still meanwhile (``main.py`` turns it on, for the
work), and at the end the kernel takes memory back faster than the interpreter takes itself apart.
"""

import gc
import os
import sys
import threading

_INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process."""
    gc.disable()
    try:
        from vgit.cli.main import main as run

        run()
        code: object = 0
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except SystemExit as end:
        code = end.code
    _leave(code)


def _leave(code: object) -> None:
    """End the process: at once if there is nothing left to wait for or to tell, else as the interpreter does it."""
    if threading.active_count() > 1 or not isinstance(code, int | None):
        sys.exit(code)  # type: ignore[arg-type]
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # a full disk, a closed stream
        if not code:  # nothing was told of it yet: the interpreter will
            sys.exit(code)
    os._exit(code or 0)
