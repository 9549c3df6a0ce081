"""Cli: the `vgit` command, the only part that prints, asks or exits. Start at ``main``; commands are in ``table``."""
