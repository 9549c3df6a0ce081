"""Places: where a tool works: a file system made for it alone, or a directory where that is not possible.

On a file system that has been in use ``cp -a`` of the same files took anything
from 1 to 11 s, so each tool of each round gets a new ext4 in a loop device. The
image is preallocated, filled with zeros and left alone by mkfs: else the disk
below would have to find room while a tool is measured. fallocate is not enough:
the first write to such a block was seen to take five times as long as the next.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

Places = Callable[[], AbstractContextManager[Path]]
"""Called for each tool in each round; gives an empty directory that is gone afterwards."""

LOOP_PROGRAMS = ("losetup", "mkfs.ext4", "mount", "umount", "fallocate")


def can_loop() -> bool:
    """Say whether a loop device may work here: root, and the programs are there."""
    return (
        os.geteuid() == 0
        and all(shutil.which(program) for program in LOOP_PROGRAMS)
        and Path("/dev/loop-control").exists()
    )


@contextmanager
def directories(top: Path) -> Iterator[Places]:
    """Give places that are directories below a temporary one in ``top``."""
    room = Path(tempfile.mkdtemp(prefix="vgit-bench-", dir=top))

    @contextmanager
    def place() -> Iterator[Path]:
        where = Path(tempfile.mkdtemp(dir=room))
        try:
            yield where
        finally:
            shutil.rmtree(where)

    try:
        yield place
    finally:
        shutil.rmtree(room)


@contextmanager
def loop_file_systems(top: Path, size_bytes: int) -> Iterator[Places]:
    """Give places that are new ext4 file systems, in an image in ``top`` that goes at the end."""
    room = Path(tempfile.mkdtemp(prefix="vgit-bench-", dir=top))
    image, where = room / "image", room / "mounted"
    device = ""
    try:
        where.mkdir()
        _run("fallocate", "-l", str(size_bytes), str(image))
        _fill(image, size_bytes)
        device = _attach(image)

        @contextmanager
        def place() -> Iterator[Path]:
            options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
            # an inode for every 8 KiB: 100,000 tiny files, several times
            _run("mkfs.ext4", "-q", "-F", "-i", "8192", "-E", options, device)
            _run("mount", "-o", "noatime", device, str(where))
            try:
                (where / "lost+found").rmdir()
                yield where
            finally:
                _unmount(where)

        yield place
    finally:
        if device:
            _run("losetup", "-d", device)
        shutil.rmtree(room)


def _fill(image: Path, size_bytes: int) -> None:
    zeros = bytes(1 << 20)
    with open(image, "r+b", buffering=0) as file:
        for _ in range(0, size_bytes, len(zeros)):
            file.write(zeros)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _attach(image: Path) -> str:
    # Direct I/O keeps the image out of the page cache, where it would be a second copy. Not every file system can.
    for options in (["--direct-io=on"], []):
        done = subprocess.run(
            ["losetup", "--find", "--show", *options, str(image)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout.strip()
    raise OSError(f"losetup: {done.stderr.strip()}")


def _unmount(where: Path) -> None:
    for pause_s in (0.1, 0.5, 1, 2, 5, 0):
        done = subprocess.run(["umount", str(where)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(pause_s)  # a process that was killed has it still
    raise OSError(done.stderr.strip())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
