"""Liveness: whether a free flock proves that its holder is dead.

It does on a file system that only one kernel writes. On a network file system
it does only where locks reach the other machines, which cannot be seen from
here (NFS may be mounted with ``local_lock``). So each holder notes the boot id
of its kernel in the file, and of a lock taken under another kernel nothing is
concluded there.
"""

import os

from vgit.localfs.file_systems import is_network_file_system

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def note_of_this_kernel() -> str:
    """Return what a holder writes into its lock file; the pid is for people only."""
    return f"boot {_boot_id()} pid {os.getpid()}"


def may_be_held_elsewhere(path: str, note: str) -> bool:
    """Return whether a lock file that is there, with this note, may have a holder whose flock is not seen here."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return is_network_file_system(fd) and not _is_of_this_kernel(note)
    finally:
        os.close(fd)


def _is_of_this_kernel(note: str) -> bool:
    boot_id = _boot_id()
    return boot_id != "" and note.split()[:2] == ["boot", boot_id]


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
