"""Start: the `vgit` command from its first moment: an interrupt while it is still being loaded ends it quietly, too."""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process."""
    try:
        from vgit.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
