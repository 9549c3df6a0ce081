"""Start: the `vgit` command from its first moment to its last.

In a locale that is not UTF-8 it begins again, with Python's UTF-8 mode: names of files are bytes, and the same ones
everywhere. An option does that, no environment variable: the command of `vgit run` gets the user's own environment.

An interrupt while it is still being loaded ends it quietly, too. What a process costs before and after its work is
kept low: nothing that is loaded is garbage, so the collector stands still meanwhile (``main.py`` turns it on, for the
work), and at the end the kernel takes memory back faster than the interpreter takes itself apart.
"""

import gc
import io
import os
import sys
import threading

_INTERRUPTED = 130
_UTF8 = ["-X", "utf8"]


def main() -> None:
    """Run the command line of this process."""
    gc.disable()
    try:
        _begin_again_in_utf8()
        _spell_what_cannot_be_encoded()
        from vgit.cli.main import main as run

        run()
        code: object = 0
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except SystemExit as end:
        code = end.code
    _leave(code)


def _begin_again_in_utf8() -> None:
    """Be started anew by the same interpreter, if names of files are not UTF-8; return if they are, or cannot be."""
    is_asked_for = sys.orig_argv[1:3] == _UTF8
    if sys.getfilesystemencoding() != "utf-8" and not is_asked_for and sys.executable:
        # The words are encoded as they were decoded, so that they are the same bytes again.
        os.execv(sys.executable, [sys.executable, *_UTF8, *sys.orig_argv[1:]])


def _spell_what_cannot_be_encoded() -> None:
    """Let no table or message fail for a name, where PYTHONIOENCODING asks for less than all of Unicode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
