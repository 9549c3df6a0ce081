"""Backend: keys to bytes, with compare-and-swap. Knows nothing of git; knows the world's failures."""

from vgit.backend.protocol import Backend, Buffer, Held, Listed, Mark, StagedFile

__all__ = ["Backend", "Buffer", "Held", "Listed", "Mark", "StagedFile"]
