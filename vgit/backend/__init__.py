"""Backend: keys to bytes, with compare-and-swap. Knows nothing of git; knows the world's failures."""

from vgit.backend.protocol import Backend, Held, Listed, Mark, StagedFile

__all__ = ["Backend", "Held", "Listed", "Mark", "StagedFile"]
