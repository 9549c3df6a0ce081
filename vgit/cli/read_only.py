"""Read only: what was changed in a mount that publishes nothing is told of, and not taken for the volume's."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from vgit.api.mount import Mount
from vgit.api.user_warnings import LocalChangesWarning, local_changes_text
from vgit.cli.output import warn


@contextmanager
def telling_of_local_changes() -> Iterator[None]:
    """Show the warning of a read-only mount that was changed as ours look, whatever Python is told of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LocalChangesWarning)
        yield
    for one in caught:
        warn(str(one.message))


def report_local_changes(mount: Mount) -> None:
    """Tell people if a read-only mount was changed: what is in it is not the volume's."""
    changes = mount.local_changes()
    if changes:
        warn(local_changes_text(str(mount.path), changes))
