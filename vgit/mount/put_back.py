"""Put back: a local change that came out of a mount returns to it, at its own name or beside it.

Beside means ``<name>.displaced-<n>``: a file that stands at the name by now
is newer still, and neither of the two may be lost.
"""

from vgit.localfs.syscalls import rename_noreplace

_NAME_BYTES = 255  # of Linux file systems
_SUFFIX_ROOM = 20


def put_back(area_fd: int, name: str, parent_fd: int, wanted: str) -> str:
    """Rename ``name`` to ``wanted``, or to a free name beside it; return the name that it got."""
    try:
        rename_noreplace(area_fd, name, parent_fd, wanted)
    except FileExistsError:
        return put_beside(area_fd, name, parent_fd, wanted)
    return wanted


def put_beside(area_fd: int, name: str, parent_fd: int, wanted: str) -> str:
    """Rename ``name`` to a free name beside ``wanted``; return it."""
    stem = wanted
    while len(stem.encode("utf-8", "surrogateescape")) > _NAME_BYTES - _SUFFIX_ROOM:
        stem = stem[:-1]
    number = 1
    while True:
        beside = f"{stem}.displaced-{number}"
        try:
            rename_noreplace(area_fd, name, parent_fd, beside)
        except FileExistsError:
            number += 1
            continue
        return beside
