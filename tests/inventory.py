"""Inventory: what a directory, or a state of a volume, holds, in one form that JSON can keep.

An item is kind, permission bits, size, mtime in ns and the BLAKE3 of the content
(of a symlink: of its target), by path; a byte of a name that is not UTF-8 is a
lone surrogate. A directory's time is None: it moves with what happens in it.
Directories are looked at without vgit, so that they can judge it.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from blake3 import blake3

import vgit

Item: TypeAlias = list[object]  # kind, permission bits, size, mtime_ns, BLAKE3
Inventory: TypeAlias = dict[str, Item]

STATE = ".vgit"  # of a mount, at its root: no part of what it holds
_RESTORED = 0o1777  # set-user-id and set-group-id bits are recorded, and not set on disk
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def on_disk(root: Path) -> Inventory:
    """Return what is below ``root``, a mount's own state left out."""
    found: Inventory = {}
    for directory, names, others in os.walk(root):
        if directory == str(root):
            names[:] = [name for name in names if name != STATE]
        for name in (*names, *others):
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = _item(path)
    return found


def _item(path: str) -> Item:
    status = os.lstat(path)
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    digest = None
    if kind == "file":
        digest = blake3(Path(path).read_bytes()).hexdigest()
    elif kind == "symlink":
        digest = blake3(os.fsencode(os.readlink(path))).hexdigest()
    size = status.st_size if digest is not None else 0
    mtime_ns = None if kind == "directory" else status.st_mtime_ns
    return [kind, stat.S_IMODE(status.st_mode), size, mtime_ns, digest]


def in_volume(snapshot: vgit.Snapshot) -> Inventory:
    """Return what a state of a volume holds, each file read to its end."""
    found: Inventory = {}
    for entry in snapshot.listdir("/", recursive=True):
        digest = entry.hash
        if entry.type is vgit.FileEntryType.FILE:
            digest = blake3(b"".join(snapshot.read_file(entry.path))).hexdigest()
            assert entry.hash in (None, digest)
        kind = entry.type.name.lower()
        found[entry.path] = [kind, entry.mode, entry.size, None if kind == "directory" else entry.mtime_ns, digest]
    return found


def as_checked_out(inventory: Inventory) -> Inventory:
    """Return how it looks on disk: without the bits that are only recorded."""
    return {
        path: [kind, mode & _RESTORED if isinstance(mode, int) else mode, *rest]
        for path, (kind, mode, *rest) in inventory.items()
    }


def differences(one: Inventory, other: Inventory) -> Iterator[str]:
    """Yield a line for each path at which they differ."""
    for path in sorted(one.keys() | other.keys()):
        if one.get(path) != other.get(path):
            yield f"{path!r}: {one.get(path)} and {other.get(path)}"
