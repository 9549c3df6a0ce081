"""Main: ``python -m vgit`` is the `vgit` command."""

from vgit.cli.start import main

if __name__ == "__main__":
    main()
