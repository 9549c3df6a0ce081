"""Upkeep: what vgit does for a volume's repository beyond what it was asked for, and after what.

    after each commit                     small packs are rolled up            roll_up.py
    after a mount is opened for writing   what dead writers left is removed    sweep.py

Who calls these does so in a step of an ``Aftermath`` (repository/aftermath.py), so that
nothing of it can make what came before look failed. A program that only reads loads none of it.
"""

from typing import TYPE_CHECKING

from vgit.repository.repository import Repository
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from vgit.maintenance import roll_up, sweep
else:
    roll_up, sweep = lazy_import("vgit.maintenance.roll_up"), lazy_import("vgit.maintenance.sweep")


def after_commit(repository: Repository) -> None:
    """Keep the number of packs low: bounded work, and mostly none."""
    roll_up.roll_up(repository)


def after_mount(repository: Repository) -> None:
    """Remove what dead writers left: opening a mount is rare, and has time for it."""
    sweep.sweep(repository)
