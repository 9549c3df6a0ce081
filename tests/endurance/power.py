"""Power: an ext4 file system on a loop device, whose power can be cut.

``cut`` asks ext4 to stop at once without writing its journal (EXT4_IOC_SHUTDOWN
with the flag for "no log flush", what file system tests call a go-down): what
was not made durable by then is gone at the next mount.
"""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2


class PoweredDirectory:
    """A directory whose power can be cut; a context manager. Needs root."""

    def __init__(self, beside: Path, size_bytes: int) -> None:
        self._image = beside / "image"
        self.path = beside / "powered"
        self._size = size_bytes

    def __enter__(self) -> "PoweredDirectory":
        self.path.mkdir()
        with open(self._image, "wb") as image:
            image.truncate(self._size)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self._mount()
        return self

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["umount", "-l", self.path], check=True)
        self._image.unlink()

    def cut(self) -> None:
        """Cut the power: from now on nothing is written, and whoever tries gets an error."""
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(root)

    def restore(self) -> None:
        """Mount what is left: a copy of the image, since somebody may still have the old file system open."""
        subprocess.run(["umount", "-l", self.path], check=True)
        copy = self._image.with_suffix(".copy")
        subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
        copy.replace(self._image)
        self._mount()

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.path], check=True)
