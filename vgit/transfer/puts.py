"""Puts: what a batch was asked to upload, checked as far as that needs no look at any file."""

import os
import stat
from typing import NamedTuple, TypeAlias

from vgit.errors import InvalidError
from vgit.localfs.file_systems import NAME_BYTES
from vgit.paths import STATE_NAME, Path, encode_name, has_state_name, parse_path
from vgit.repository.tree_view import shown
from vgit.transfer.streams import Stream, check_stream


class PutFile(NamedTuple):
    """A local file, or a file object, that is to be at ``path``."""

    source: str | Stream  # text: a local path
    path: Path
    mode: int | None  # permission bits; None: the local file's, or 0o644


class PutDirectory(NamedTuple):
    """A local directory whose contents are to be directly below ``path``."""

    local: str
    path: Path
    recursive: bool  # else only its own files, no directories


Put: TypeAlias = PutFile | PutDirectory


def put_file(source: object, remote: object, mode: int | None = None) -> PutFile:
    """Return the put of one file; InvalidError for arguments that can never work."""
    path = parse_path(remote)  # type: ignore[arg-type]  # which refuses what is no path
    if not path or os.fsdecode(remote).rpartition("/")[2] in ("", "."):  # type: ignore[arg-type]
        raise InvalidError(
            f"Invalid path: {remote!r} names a directory; give the path that the file is to have, its name included."
        )
    if mode is not None and (type(mode) is not int or mode >> 16 or stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise InvalidError(f"Invalid mode: {mode!r}; expected the permission bits of a file, such as 0o644.")
    content = _local(source) if isinstance(source, str | os.PathLike) else check_stream(source)
    return PutFile(content, check_target(path), stat.S_IMODE(mode) if mode is not None else None)


def put_directory(local: object, remote: object, *, recursive: bool) -> PutDirectory:
    """Return the put of a directory; InvalidError for arguments that can never work."""
    if not isinstance(local, str | os.PathLike):
        raise InvalidError(f"cannot upload {local!r} as a directory: it is {type(local).__name__}, expected a path.")
    return PutDirectory(_local(local), check_target(parse_path(remote)), recursive)  # type: ignore[arg-type]


def check_target(path: Path) -> Path:
    """Return ``path``, unless no mount could hold it: the state of the mount is in the way, or a name is too long."""
    if has_state_name(path):
        raise InvalidError(f"Invalid path: {shown(path)!r}; the name {STATE_NAME} is kept for mounts.")
    for name in path:
        if len(name) > NAME_BYTES // 4 and len(encode_name(name)) > NAME_BYTES:
            raise InvalidError(f"Invalid path: {shown(path)!r} has a name of more than {NAME_BYTES} bytes.")
    return path


def _local(path: "str | os.PathLike[str] | os.PathLike[bytes]") -> str:
    """Return a local path that stays the same place if the working directory changes before the batch ends."""
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise InvalidError(f"Invalid local path: {path!r}.")
    return text if os.path.isabs(text) else os.path.join(os.getcwd(), text)
