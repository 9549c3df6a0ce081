"""Folding: directories that take names for one which differ in case only, or in how Unicode writes them.

Stands at the calls of the system, as few kernels can make such a directory. A
name that is given with the descriptor of its directory leads to the entry that
is there under another spelling; what is made keeps the spelling that it is made with.
"""

import os
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from vgit.localfs import syscalls
from vgit.runtime import worker_processes

_listdir = os.listdir
_ONE_NAME = ("open", "stat", "mkdir", "unlink", "rmdir", "utime", "chmod", "readlink", "mknod")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _found(name: Any, directory_fd: int | None) -> Any:
    """Return the spelling under which ``name`` is there, or ``name``."""
    if directory_fd is None or not isinstance(name, str) or "/" in name or name in (".", ".."):
        return name
    names = _listdir(f"/proc/self/fd/{directory_fd}")
    return name if name in names else next((one for one in names if _key(one) == _key(name)), name)


def fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all directories fold, in this process, which makes no others."""

    def one_name(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(name: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> Any:
            return real(_found(name, dir_fd), *args, dir_fd=dir_fd, **kwargs)

        return call

    for function in _ONE_NAME:
        monkeypatch.setattr(os, function, one_name(getattr(os, function)))
    symlink, rename, rename_with = os.symlink, os.rename, syscalls._rename_with

    def folding_symlink(target: Any, name: Any, *, dir_fd: int | None = None) -> None:
        symlink(target, _found(name, dir_fd), dir_fd=dir_fd)

    def folding_rename(
        source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        names = _found(source, src_dir_fd), _found(target, dst_dir_fd)
        rename(*names, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def folding_rename_with(flag: int, source_fd: int, source: str, target_fd: int, target: str) -> bool:
        return rename_with(flag, source_fd, _found(source, source_fd), target_fd, _found(target, target_fd))

    monkeypatch.setattr(os, "symlink", folding_symlink)
    monkeypatch.setattr(os, "rename", folding_rename)
    monkeypatch.setattr(syscalls, "_rename_with", folding_rename_with)
    monkeypatch.setattr(worker_processes, "workers_wanted", lambda: 0)
