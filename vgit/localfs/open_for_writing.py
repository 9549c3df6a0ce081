"""Open for writing: whether anybody has a file so, and who may change it without its times showing it.

A write or a store sets a file's times when it begins. Two kinds go on after that:

    a shared map       a store into a page that is dirty already moves no time
    a direct write     (O_DIRECT) that was begun asynchronously holds no lock either

Both need the file to be open for writing, and that the kernel tells of any
process, container or user: a read lease is given only if nobody has. We take one
and give it back at once. It may be asked of one's own files only (root: of all),
and not on network file systems. Where the answer is "somebody", /proc shows who
maps what, and which descriptors are direct; of other users' processes to root only.
"""

import ctypes
import errno
import fcntl
import os
import re
import signal
from itertools import repeat
from typing import TypeAlias

from vgit.localfs.mount_namespaces import MountNamespaces, PathPrefix, identity, path_inside
from vgit.localfs.processes import is_our_trouble, processes, skip_unreadable
from vgit.localfs.shared_maps import Mapped, shared_writable

Identity: TypeAlias = tuple[int, int]  # st_dev, st_ino

_F_SETSIG = 10  # linux/fcntl.h; Python has no name for it
_WRITES = 0o200  # of the permission bits that a link in /proc/<pid>/fd has
_INFO_BYTES = 1024  # what is wanted stands in the first lines
# Who opens the file for writing between these calls waits for the last one, and we get the signal: by default that
# of leases kills a process, this one is ignored.
_ASK = (_F_SETSIG, fcntl.F_SETLEASE, fcntl.F_SETLEASE), (signal.SIGURG, fcntl.F_RDLCK, fcntl.F_UNLCK)
_FIELD = re.compile(rb"^(flags|ino):\s*(\d+)", re.MULTILINE)

_fcntl = ctypes.PyDLL(None, use_errno=True).fcntl  # unlike ``fcntl.fcntl`` and CDLL, it keeps Python's lock


def is_open_for_writing(file: int) -> bool | None:
    """Return whether any process has the file open for writing; None if that cannot be found out.

    ``file`` must be open for reading only, and be ours alone: it gets another signal for broken leases.
    """
    # In C from the first call to the last, with Python's lock held: no other thread runs in between, however long it
    # would keep that lock, and none can wait with it for a lease that we could then not give back.
    _, leased, _ = map(_fcntl, repeat(file), *_ASK)
    if leased == 0:
        return False
    return (
        True if ctypes.get_errno() == errno.EAGAIN else None
    )  # of giving back what was not given, which says the same


def shared_writable_maps(root: str) -> set[Identity]:
    """Return each file below ``root`` that a process maps shared and writable.

    Other files of its file system may be among them: a mapped one may have a second name below ``root``.
    """
    return maps_below(root, all_shared_writable())


def all_shared_writable() -> list[tuple[bytes, list[Mapped]]]:
    """Return what processes map shared and writable, of those that map anything so. Costs about 10 µs a process."""
    found = []
    for process in processes():
        try:  # as ``skip_unreadable``, in a loop over all processes
            mapped = shared_writable(process)
        except OSError as error:
            if is_our_trouble(error):
                raise
            continue
        if mapped:
            found.append((process, mapped))
    return found


def maps_below(root: str, mapped: list[tuple[bytes, list[Mapped]]]) -> set[Identity]:
    """Return the files among ``mapped`` that may be below ``root``, as ``stat`` numbers them."""
    device = os.stat(root).st_dev
    found = {(file.device, file.inode) for _, files in mapped for file in files}
    elsewhere = [
        (process, others) for process, files in mapped if (others := [file for file in files if file.device != device])
    ]
    return found | _mapped_by_name(root, elsewhere) if elsewhere else found


def _mapped_by_name(root: str, mapped: list[tuple[bytes, list[Mapped]]]) -> set[Identity]:
    """Return what processes map under a name below ``root``: on btrfs, say, maps show another device than stat."""
    namespaces = MountNamespaces(root)
    found = set()
    for process, files in mapped:
        prefixes: tuple[PathPrefix, ...] = ()
        with skip_unreadable():
            prefixes = namespaces.prefixes(process)
        for file in files:
            inside = path_inside(file.path, prefixes)
            if inside is not None:
                found.add(identity(os.path.join(namespaces.root, inside)) or (file.device, file.inode))
    return found


class OpenForWriting:
    """What processes had open for writing at one moment. Costs 5 to 10 µs for each descriptor of the machine.

    Nothing is asked of a file system before a file of the same inode number is: one may be a server's, and hang.
    """

    def __init__(self) -> None:
        self._descriptors: dict[int, list[tuple[bytes, bool]]] = {}  # inode → link in /proc, and whether it is direct
        for process in processes():
            with skip_unreadable():
                self._look_at(b"/proc/%b/" % process)

    def is_direct(self, file: Identity) -> bool | None:
        """Return whether a descriptor of the file was direct; None if none was seen."""
        found = [is_direct for link, is_direct in self._descriptors.get(file[1], ()) if identity(link) == file]
        return any(found) if found else None

    def _look_at(self, process: bytes) -> None:
        directory = process + b"fd/"
        for descriptor in os.listdir(directory):
            link = directory + descriptor
            try:
                if os.lstat(link).st_mode & _WRITES and os.readlink(link)[:1] == b"/":
                    self._note(link, process + b"fdinfo/" + descriptor)
            except OSError as error:  # as ``skip_unreadable``, in a loop over all that is open: closed meanwhile, say
                if is_our_trouble(error):
                    raise

    def _note(self, link: bytes, about: bytes) -> None:
        file = os.open(about, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = dict(_FIELD.findall(os.read(file, _INFO_BYTES)))
        finally:
            os.close(file)
        flags = int(fields.get(b"flags", b"0"), 8)
        inode = int(fields[b"ino"]) if b"ino" in fields else os.stat(link).st_ino  # Linux 5.14 and later tell
        self._descriptors.setdefault(inode, []).append((link, bool(flags & os.O_DIRECT)))
