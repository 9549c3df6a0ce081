"""Pack key: what the files of a pack are called.

objects/pack/pack-<hash>.pack    the objects
objects/pack/pack-<hash>.idx     where each of them is; a pack without it does not exist for anybody
objects/pack/pack-<hash>.keep    the mark by which git and vgit leave the pack alone
"""

PACKS = "objects/pack"


def pack_key(pack_hash: bytes) -> str:
    """Return the key of the pack that ends with this hash."""
    return f"{PACKS}/pack-{pack_hash.hex()}.pack"


def index_key(pack_key: str) -> str:
    """Return the key of a pack's index."""
    return pack_key.removesuffix(".pack") + ".idx"


def mark_key(pack_key: str) -> str:
    """Return the key of a pack's mark."""
    return pack_key.removesuffix(".pack") + ".keep"


def pack_of(key: str) -> str | None:
    """Return the pack that a pack or an index belongs to, None for any other key.

    Those below ``objects/tmp_objdir-…`` belong to a push that stock git has not let in yet.
    """
    stem, dot, kind = key.rpartition(".")
    if kind not in ("pack", "idx") or stem.rpartition("/")[0] != PACKS:
        return None
    return stem + dot + "pack"


def marked_pack(key: str) -> str | None:
    """Return the pack that a mark belongs to, None for any other key."""
    return key.removesuffix(".keep") + ".pack" if key.endswith(".keep") else None
