"""Asking: a question on the terminal, never answered by what happens to be piped in."""

import sys

import click


def confirm(question: str, *, yes: bool) -> None:
    """Return if the answer is yes; end the command with exit code 1 if it is not, or if nobody can be asked."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.ClickException(f"there is no terminal to ask on: {question} Say so with -y.")
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise click.ClickException("not confirmed; nothing was changed.")
