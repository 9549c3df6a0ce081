"""Mounting: file systems mounted for a test."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


@lru_cache
def can_mount() -> bool:
    """Return whether this process may mount a file system."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["mount", "-t", "tmpfs", "none", directory], check=False, capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", directory], check=True)
    return done.returncode == 0


@contextmanager
def mounted(at: Path, kind: str, elsewhere: Path) -> Iterator[None]:
    """Mount a file system in memory at ``at``, or by "bind" the directory ``elsewhere``, or by "file" that file."""
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", "mode=755", "none"]
    else:
        if kind == "bind":
            elsewhere.mkdir()
        else:
            elsewhere.write_text("of elsewhere")
        command = ["mount", "--bind", os.fspath(elsewhere)]
    subprocess.run([*command, os.fspath(at)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", os.fspath(at)], check=True)
