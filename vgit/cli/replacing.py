"""Replacing: what is there already stays unless --force says otherwise; forgetting that is exit 2."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from vgit.errors import AlreadyExistsError


class Exists(click.ClickException):
    """Something is there already, and the command line did not say that it may be replaced."""

    exit_code = 2


@contextmanager
def refusing_to_replace() -> Iterator[None]:
    """End the command with exit code 2 where --force is missing."""
    try:
        yield
    except AlreadyExistsError as error:
        raise Exists(str(error).replace("force=True", "--force")) from error
