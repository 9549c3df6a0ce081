"""Pack finish: a full pack is hashed, synced and named in a thread while the next one fills.

Reading 1 GiB back for its hash takes 0.7 s and the fsync as long as the disk
wants, all of it without the interpreter lock; the writer would stand still.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vgit.objects.named_pack import NamedPack
from vgit.objects.pack_writer import PackWriter
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy_import("concurrent.futures")


class PackFinish:
    """A pack on its way to its name, no longer written by anybody; ``wait`` must be called."""

    def __init__(self, pack: PackWriter) -> None:
        self.entries: Mapping[bytes, int] = pack.entries
        self._pack = pack
        self._thread = futures.ThreadPoolExecutor(1, "vgit-pack-finish")
        self._written = self._thread.submit(pack.finish)

    def wait(self) -> NamedPack:
        """Return the pack once it has its name, or raise what went wrong, the pack discarded."""
        try:
            return self._written.result()
        finally:
            self._thread.shutdown()
            self._pack.discard()
