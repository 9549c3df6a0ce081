"""Open files: which processes use files of a mount, read from /proc.

The kernel names an open file by a path, but by the path in the mount namespace
of the process that opened it: a container that has the directory bound to /data
shows "/data/x", as does a bind mount of our own. So for each namespace the mount
tables tell under which names the root, or a directory in it, stands; a name
counts if looking it up from that process really leads to that directory. Then
one prefix test a descriptor is enough. Not seen: processes of other users
(unless we are root), and other file systems laid over the directory's own
(a container's overlay whose lower layer holds the mount).

This is help for people, before a reload touches anything. A process may open a
file right after, and what keeps its data safe is the way a reload swaps files.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from vgit.backend.file_systems import MountPoint, mount_point_of, read_mount_points
from vgit.errors import FilesOpenError
from vgit.mount.layout import STATE_DIRECTORY
from vgit.mount.shared_maps import Mapped, read_maps, shared_writable, unescape_newlines
from vgit.paths import decode_name, printable

_COMMAND_CHARACTERS = 200
_DELETED = b" (deleted)"  # appended by the kernel; also a name that a file may have
_STATE = STATE_DIRECTORY.encode()
_STATE_SLASH = _STATE + b"/"

# What /proc answers for a process that is somebody else's or has ended.
_UNREADABLE = (PermissionError, FileNotFoundError, ProcessLookupError)


class _Spelling(NamedTuple):
    """A path that leads to the mount's root, or into it, in some process's eyes."""

    start: bytes  # ends with "/"
    inside: bytes  # what stands there, from the mount's root; "" or ends with "/"


def check_no_open_files(root: str, *, own: Collection[int] = (), ignore_pids: Collection[int] = ()) -> None:
    """Raise FilesOpenError if a process has a file below ``root`` open or mapped, or works inside it.

    ``own`` are descriptors of this process that vgit itself holds. Never counted: what is deleted,
    descriptors of the root directory itself, and ``.vgit``. Costs about 0.1 ms a process.
    """
    views = _Views(root)
    own_process = os.readlink(b"/proc/self")
    for process in _processes(own_process, {b"%d" % pid for pid in ignore_pids}):
        is_own = process == own_process
        try:
            use = _find_use(process, views, own if is_own else (), is_own=is_own)
        except _UNREADABLE:
            continue
        if use:
            raise FilesOpenError(f"there are open files preventing the operation: {use}")


def shared_writable_maps(root: str) -> set[tuple[int, int]]:
    """Return (st_dev, st_ino) of each file below ``root`` that a process maps shared and writable.

    Other files of its file system may be among them: a mapped one may have a second name below ``root``.
    """
    device = os.stat(root).st_dev
    found = set()
    elsewhere = []  # processes that map files of other devices, by the numbers that maps show, and these
    for process in _processes(os.readlink(b"/proc/self"), ()):
        try:
            mapped = shared_writable(process)
        except _UNREADABLE:
            continue
        found |= {(file.device, file.inode) for file in mapped if file.device == device}
        others = [file for file in mapped if file.device != device]
        if others:
            elsewhere.append((process, others))
    return found | _mapped_by_name(root, elsewhere) if elsewhere else found


def _mapped_by_name(root: str, mapped: list[tuple[bytes, list[Mapped]]]) -> set[tuple[int, int]]:
    """Return (st_dev, st_ino) of what processes map under a name in the mount.

    On btrfs maps show another device than stat, and other file systems may be mounted below the root.
    """
    views = _Views(root)
    found = set()
    for process, files in mapped:
        try:
            spellings = views.of(process)
        except _UNREADABLE:
            continue
        for file in files:
            inside = _inside(file.path, spellings)
            if inside is not None:
                found.add(_identity(os.path.join(views.root, inside)) or (file.device, file.inode))
    return found


def _processes(first: bytes, ignored: Collection[bytes]) -> Iterator[bytes]:
    """Yield the ids of all processes, our own first: it is the likeliest to have forgotten a file."""
    names = [name for name in os.listdir(b"/proc") if name.isdigit() and name != first]
    return (name for name in (first, *names) if name not in ignored)


class _Views:
    """Under which names processes see the mount's root: looked up once for each mount namespace."""

    def __init__(self, root: str) -> None:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.root = os.readlink(b"/proc/self/fd/%d" % fd)  # the kernel's words, as for files in it
            self._point = mount_point_of(fd)
        finally:
            os.close(fd)
        self._known: dict[tuple[bytes, bytes], tuple[_Spelling, ...]] = {}
        self._own_namespace = os.readlink(b"/proc/self/ns/mnt")
        self._known[self._own_namespace, b"/"] = self._look_up(b"self", b"/")

    def of(self, process: bytes) -> tuple[_Spelling, ...]:
        """Return the spellings that hold for ``process``, perhaps none."""
        namespace = os.readlink(b"/proc/%b/ns/mnt" % process)
        # In our own namespace names are shown from our root, whatever that of the process.
        top = b"/" if namespace == self._own_namespace else os.readlink(b"/proc/%b/root" % process)
        known = self._known.get((namespace, top))
        if known is None:
            known = self._known[namespace, top] = self._look_up(process, top)
        return known

    def _look_up(self, process: bytes, top: bytes) -> tuple[_Spelling, ...]:
        candidates = []
        if self._point is not None:
            candidates = list(_candidates(read_mount_points(os.fsdecode(process)), self._point, self.root))
        if process == b"self":
            candidates.append(_Spelling(_slashed(self.root), b""))
        seen_from = b"/proc/%b/root" % process
        spellings = set()
        for start, inside in candidates:
            there = _identity(seen_from + start)
            # Not the same if something else is mounted over it on the way.
            if there is not None and there == _identity(os.path.join(self.root, inside)):
                spellings.add(_Spelling(top.rstrip(b"/") + start, inside))
        return tuple(spellings)


def _candidates(points: Sequence[MountPoint], ours: MountPoint, root: bytes) -> Iterator[_Spelling]:
    """Yield where the file system's directory that ``root`` is should stand, by this mount table."""
    below = root[len(ours.point.rstrip(b"/")) :].lstrip(b"/")
    place = _slashed(_slashed(ours.root) + below)  # of the root, within its file system
    for point in points:
        if point.device != ours.device:
            continue
        shown = _slashed(point.root)
        if place.startswith(shown):
            yield _Spelling(_slashed(point.point) + place[len(shown) :], b"")
        elif shown.startswith(place):
            yield _Spelling(_slashed(point.point), shown[len(place) :])


def _find_use(process: bytes, views: _Views, own: Collection[int], *, is_own: bool) -> str | None:
    """Return how ``process`` uses the mount, in words, or None."""
    spellings, root = views.of(process), views.root
    if not spellings:
        return None
    inside = _inside(os.readlink(b"/proc/%b/cwd" % process), spellings)
    if inside is not None and _counts(inside, root):
        of, advice = _whose(process, "of", is_own=is_own)
        return f"cwd{of} is inside volume. Change to another directory{advice}, then try again."
    inside = _find_open(process, spellings, root, own)
    state = "open"
    if inside is None:
        inside = _find_mapped(process, spellings, root)
        state = "mapped"
    if inside is None:
        return None
    by, advice = _whose(process, "from", is_own=is_own)
    return f"path {printable(decode_name(inside))} is {state}{by}. Close it{advice}, then try again."


def _find_open(process: bytes, spellings: tuple[_Spelling, ...], root: bytes, own: Collection[int]) -> bytes | None:
    directory = b"/proc/%b/fd/" % process
    starts = tuple(spelling.start[:-1] for spelling in spellings)
    for number in os.listdir(directory):
        try:
            link = os.readlink(directory + number)
        except FileNotFoundError:
            continue  # closed meanwhile
        if not link.startswith(starts) or int(number) in own:
            continue
        inside = _inside(link, spellings)
        if inside and _counts(inside, root):
            return inside
    return None


def _find_mapped(process: bytes, spellings: tuple[_Spelling, ...], root: bytes) -> bytes | None:
    maps = read_maps(process)
    if not any(_escape(spelling.start) in maps for spelling in spellings):
        return None
    for line in maps.split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) < 6:
            continue
        inside = _inside(unescape_newlines(fields[5]), spellings)
        if inside and _counts(inside, root):
            return inside
    return None


def _inside(link: bytes, spellings: tuple[_Spelling, ...]) -> bytes | None:
    """Return the path from the mount's root that ``link`` means, b"" for the root; None for elsewhere."""
    for start, inside in spellings:
        if link.startswith(start):
            return inside + link[len(start) :]
        if len(link) == len(start) - 1 and start.startswith(link):
            return inside[:-1]
    return None


def _counts(inside: bytes, root: bytes) -> bool:
    if inside == _STATE or inside.startswith(_STATE_SLASH):
        return False
    return not inside.endswith(_DELETED) or os.path.lexists(os.path.join(root, inside))


def _whose(process: bytes, word: str, *, is_own: bool) -> tuple[str, str]:
    """Return " from 'command'" and " in process 1"; both empty for ourselves."""
    if is_own:
        return "", ""
    return f" {word} '{_command(process)}'", f" in process {process.decode()}"


def _command(process: bytes) -> str:
    text = b""
    for name in (b"cmdline", b"comm"):  # a process may have blanked its command line
        try:
            with open(b"/proc/%b/%b" % (process, name), "rb") as file:
                text = text or b" ".join(file.read().replace(b"\0", b" ").split())
        except _UNREADABLE:
            pass
    command = printable(decode_name(text))
    return command if len(command) <= _COMMAND_CHARACTERS else command[:_COMMAND_CHARACTERS] + "…"


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _slashed(path: bytes) -> bytes:
    return path if path.endswith(b"/") else path + b"/"


def _escape(path: bytes) -> bytes:
    return path.replace(b"\n", b"\\012")  # all that maps escape
