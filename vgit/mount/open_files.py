"""Open files: which processes use files of a mount, read from /proc.

Under which names a process sees them is ``vgit/localfs/mount_namespaces.py``'s to know. Not
seen are processes of other users (unless we are root), and what of a process
cannot be looked at, as a path of more than 4,096 bytes.

This is help for people, before a reload touches anything. A process may open a
file right after, and what keeps its data safe is the way a reload swaps files.
"""

import os
from collections.abc import Collection

from vgit.errors import FilesOpenError
from vgit.localfs.mount_namespaces import MountNamespaces, PathPrefix, path_inside
from vgit.localfs.processes import own_process, processes, skip_unreadable
from vgit.localfs.shared_maps import read_maps, unescape_newlines
from vgit.paths import STATE_NAME, decode_name, printable

_COMMAND_CHARACTERS = 200
_DELETED = b" (deleted)"  # appended by the kernel; also a name that a file may have
_STATE = STATE_NAME.encode()
_STATE_SLASH = _STATE + b"/"


def check_no_open_files(
    root: str,
    *,
    own: Collection[int] = (),
    may_work_inside: Collection[int] = (),
) -> None:
    """Raise FilesOpenError if a process has a file below ``root`` open or mapped, or works inside it.

    ``own`` are descriptors of this process that vgit itself holds, ``may_work_inside`` the processes whose working
    directory may be in the mount. Never counted: what is deleted, descriptors of the root directory itself, and
    ``.vgit``. Costs about 0.1 ms a process.
    """
    ourselves = own_process()
    if ourselves is None:
        return  # without /proc nothing can be told
    namespaces = MountNamespaces(root)
    for process in processes():
        is_own = process == ourselves
        use = None
        with skip_unreadable():
            if int(process) not in may_work_inside:
                use = _find_work(process, namespaces, is_own=is_own)
            use = use or _find_use(process, namespaces, own if is_own else (), is_own=is_own)
        if use:
            raise FilesOpenError(f"there are open files preventing the operation: {use}")


def this_and_its_ancestors() -> frozenset[int]:
    """Return the ids of this process and of those that started it, one by the other: they wait for it."""
    found = [os.getpid()]
    while found[-1] > 1:
        try:
            with open(f"/proc/{found[-1]}/stat", "rb") as file:
                found.append(int(file.read().rpartition(b")")[2].split()[1]))  # a command may have ")" in it
        except OSError:
            break
    return frozenset(found)


def _find_work(process: bytes, namespaces: MountNamespaces, *, is_own: bool) -> str | None:
    """Say in words that ``process`` works in the mount; None if it does not, or that cannot be looked at."""
    with skip_unreadable():
        inside = path_inside(os.readlink(b"/proc/%b/cwd" % process), namespaces.prefixes(process))
        if inside is not None and _counts(inside, namespaces.root):
            of, advice = _whose(process, "of", is_own=is_own)
            return f"cwd{of} is inside volume. Change to another directory{advice}, then try again."
    return None


def _find_use(process: bytes, namespaces: MountNamespaces, own: Collection[int], *, is_own: bool) -> str | None:
    """Return how ``process`` uses the mount's files, in words, or None."""
    prefixes, root = namespaces.prefixes(process), namespaces.root
    if not prefixes:
        return None
    inside = _find_open(process, prefixes, root, own)
    state = "open"
    if inside is None:
        inside = _find_mapped(process, prefixes, root)
        state = "mapped"
    if inside is None:
        return None
    by, advice = _whose(process, "from", is_own=is_own)
    return f"path {printable(decode_name(inside))} is {state}{by}. Close it{advice}, then try again."


def _find_open(process: bytes, prefixes: tuple[PathPrefix, ...], root: bytes, own: Collection[int]) -> bytes | None:
    directory = b"/proc/%b/fd/" % process
    starts = tuple(prefix.start[:-1] for prefix in prefixes)
    for number in os.listdir(directory):
        try:
            link = os.readlink(directory + number)
        except OSError:
            continue  # closed meanwhile, or its path is too long to be told
        if not link.startswith(starts) or int(number) in own:
            continue
        inside = path_inside(link, prefixes)
        if inside and _counts(inside, root):
            return inside
    return None


def _find_mapped(process: bytes, prefixes: tuple[PathPrefix, ...], root: bytes) -> bytes | None:
    maps = read_maps(process)
    if not any(_escape(prefix.start) in maps for prefix in prefixes):
        return None
    for line in maps.split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) < 6:
            continue
        inside = path_inside(unescape_newlines(fields[5]), prefixes)
        if inside and _counts(inside, root):
            return inside
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
        with skip_unreadable(), open(b"/proc/%b/%b" % (process, name), "rb") as file:
            text = text or b" ".join(file.read().replace(b"\0", b" ").split())
    command = printable(decode_name(text))
    return command if len(command) <= _COMMAND_CHARACTERS else command[:_COMMAND_CHARACTERS] + "…"


def _escape(path: bytes) -> bytes:
    return path.replace(b"\n", b"\\012")  # all that maps escape
