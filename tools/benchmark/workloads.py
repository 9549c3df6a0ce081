"""Workloads: the files that are stored, and what is changed in them, the same for every tool and every run.

``generate`` and the edits run in a child (see measuring.in_child), so that what
they need of memory is not taken for a tool's.
"""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmark.content import MIB, Text, numbers

SEED = 20_250_101
TEN = 10  # files changed by the edit of many files
INSERT_AT = 1000
GIB = 1 << 30


class Edit(NamedTuple):
    """One change of the files; ``apply`` takes their directory."""

    name: str
    changed_bytes: int
    apply: Callable[[Path], None]


class Workload(NamedTuple):
    """Files, and what to do with them."""

    name: str
    files: int
    size_bytes: int  # about, for files of mixed sizes
    generate: Callable[[Path], None]
    edits: tuple[Edit, ...]
    read: str  # the file that is read back
    range_at: int  # where 1 MiB of it is read, or what there is
    commits: int = 0  # of one file each, for history

    copies: int = 4  # of all files that must fit, with a store that shares nothing: work, copy, got, put

    @property
    def room_bytes(self) -> int:
        """How large a file system must be."""
        copies = self.copies + 1 + len(self.edits)
        return GIB + int(1.1 * copies * self.size_bytes) + self.files * 40_000

    @property
    def memory_bytes(self) -> int:
        """How much memory an operation may need, with the page cache of what it writes."""
        return min(2 * self.size_bytes + self.files * 10_000 + (32 << 20), 12 * GIB)


def _many(name: str, files: int, directories: int, sizes: tuple[int, int], commits: int = 0) -> Workload:
    """Return a workload of text files of ``sizes`` (smallest, largest) bytes."""

    def generate(top: Path) -> None:
        text = Text(SEED)
        chance = random.Random(f"{SEED} {name}")
        for number in range(min(directories, files)):
            (top / _directory(number)).mkdir(parents=True)
        for number in range(files):
            _write(top / path_of(number), text.make(chance, chance.randint(*sizes)))

    def path_of(number: int) -> str:
        return f"{_directory(number % directories)}/file{number:06}.txt"

    def change_ten(top: Path) -> None:
        text = Text(SEED + 1)
        chance = random.Random(f"{SEED} edit")
        for number in range(0, files, max(1, files // TEN)):
            _write(top / path_of(number), text.make(chance, sizes[1]))

    edits = () if commits else (Edit("edit-ten", TEN * sizes[1], change_ten),)
    return Workload(name, files, files * sum(sizes) // 2, generate, edits, path_of(0), 0, commits)


def _large(name: str, number_format: str, files: int, size_bytes: int) -> Workload:
    """Return a workload of large files of numbers."""

    def generate(top: Path) -> None:
        for number in range(files):
            with open(top / _model(number), "wb") as file:
                for piece in numbers(number_format, SEED + number, size_bytes):
                    file.write(piece)

    def overwrite(top: Path) -> None:
        with open(top / _model(0), "r+b") as file:
            file.seek(size_bytes // 2)
            file.write(random.Random(SEED + 100).randbytes(MIB))

    def insert(top: Path) -> None:
        old, new = top / _model(0), top / "new"
        with open(old, "rb") as source, open(new, "wb") as target:
            target.write(source.read(INSERT_AT))
            target.write(random.Random(SEED + 101).randbytes(1024))
            shutil.copyfileobj(source, target, MIB)
        os.replace(new, old)

    def append(top: Path) -> None:
        with open(top / _model(0), "ab") as file:
            file.write(random.Random(SEED + 102).randbytes(10 * MIB))

    edits = (
        Edit("edit-overwrite", MIB, overwrite),
        Edit("edit-insert", 1024, insert),
        Edit("edit-append", 10 * MIB, append),
    )
    range_at = size_bytes * 3 // 4 + 4321
    return Workload(name, files, files * size_bytes, generate, edits if files == 1 else edits[:1], _model(0), range_at)


def _directory(number: int) -> str:
    return f"group{number // 25:03}/directory{number:05}"


def _model(number: int) -> str:
    return f"model{number:02}.bin"


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(descriptor, data)
    os.close(descriptor)


def _by_name(*workloads: Workload) -> dict[str, Workload]:
    return {workload.name: workload for workload in workloads}


FULL = _by_name(
    _many("small", 20_000, 200, (1 << 10, 16 << 10)),
    _many("tiny", 100_000, 1000, (200, 400)),
    _large("weights", "float16", 1, GIB),
    _large("checkpoint", "float32", 8, 512 * MIB),
    _many("history", 1000, 20, (1 << 10, 4 << 10), commits=1000),
)

SMOKE = _by_name(
    _many("small", 200, 8, (1 << 10, 16 << 10)),
    _many("tiny", 500, 20, (200, 400)),
    _large("weights", "float16", 1, 16 * MIB),
    _large("checkpoint", "float32", 2, 8 * MIB),
    _many("history", 20, 4, (1 << 10, 4 << 10), commits=20),
)

SIZES = {"full": FULL, "smoke": SMOKE}


GROWTH_OPERATIONS = ("first-commit", "checkout", "list")


def growth(limit_bytes: int) -> list[Workload]:
    """Return workloads of growing count and size, large ones up to ``limit_bytes``, with room for GROWTH_OPERATIONS."""
    many = [_many(f"files-{files}", files, files // 100, (200, 400)) for files in (10_000, 100_000, 300_000)]
    sizes = [size for size in (1, 5, 20) if size * GIB <= limit_bytes]
    large = [_large(f"bytes-{size}GiB", "float16", 1, size * GIB) for size in sizes]
    return [workload._replace(edits=(), copies=2) for workload in (*many, *large)]
