"""Named pack: a pack gets its name, by steps of which a crash may come after any.

1. pack and index durable, under temporary names
2. the mark ``.keep``: from here gc leaves the pack alone, though no ref needs it yet
3. the pack
4. the index: only now the pack exists for anybody
"""

from typing import NamedTuple

from vgit.backend.protocol import Backend, Mark, StagedFile
from vgit.objects.pack_key import index_key, mark_key, pack_key
from vgit.runtime.side_thread import SideThread


class NamedPack(NamedTuple):
    """A pack that has its name."""

    key: str
    mark: Mark  # until a ref protects it
    size_bytes: int
    index_size_bytes: int


def name_pack(backend: Backend, staged: StagedFile, pack_hash: bytes, index: bytes) -> NamedPack:
    """Give a staged pack and its index their names, durable after the next ``sync`` of ``PACKS``."""
    key = pack_key(pack_hash)
    with backend.stage() as staged_index:
        staged_index.write([index])
        with SideThread(staged_index.sync) as index_synced:  # two waits for the disk at once
            staged.sync()
            index_synced.wait()
        mark = backend.mark(mark_key(key))
        try:
            staged.rename(key)
        except BaseException:
            mark.remove()
            raise
        staged_index.rename(index_key(key))
    return NamedPack(key, mark, staged.size_bytes, len(index))
