"""Backend: keys to bytes, with compare-and-swap: on local disk, in memory, later on object stores and in caches.

It knows no git object. It does know git's names for lock files and temporaries
(``keys``, ``git_lock``), since stock git works in the same directory.
"""

from vgit.backend.protocol import Backend, Held, KeyStat, Mark, StagedFile

__all__ = ["Backend", "Held", "KeyStat", "Mark", "StagedFile"]
