"""Torn_writes: files that are rewritten in place while commits run; what was published is read back and judged.

    python -m tests.torn_writes --seconds 60 --every 1

Every block of 4 KiB says which generation of the file it belongs to, and has a
checksum. A writer process goes from one generation to the next in one of four ways:

    blocks   block after block, a write each: between two writes the file has
             blocks of the new generation, then blocks of the one before
    whole    one write of the whole file: between two writes there is one generation
    direct   the same, past the page cache, where the file system can: it holds the inode's lock shared
    mapped   block after block through a shared map, with no write at all

A version that is none of those that were on disk between two writes is torn, and
must be named unstable in its commit. Now and then the writer rests, so that there
is something to publish in the background.
"""

import argparse
import mmap
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import vgit

ROOT = Path(__file__).parent.parent
BLOCK = 4096
_HEAD = struct.Struct("<4sQII")  # magic, generation, number of the block, CRC-32 of the rest
_MAGIC = b"TORN"

# name → way of writing, blocks
FILES = {
    "small": ("blocks", 16),
    "large": ("blocks", 1200),
    "atonce": ("whole", 4096),
    "mapped": ("mapped", 64),
    "direct": ("direct", 1280),
}


def block(generation: int, number: int) -> bytes:
    """Return one block of one generation."""
    body = struct.pack("<QI", generation, number) * ((BLOCK - _HEAD.size) // 12)
    body += bytes(BLOCK - _HEAD.size - len(body))
    return _HEAD.pack(_MAGIC, generation, number, zlib.crc32(body)) + body


def generation_of(data: bytes, number: int) -> int | None:
    """Return which generation a stored block is of; None for zeros and for a mixture."""
    magic, generation, found, crc = _HEAD.unpack_from(data)
    is_good = magic == _MAGIC and found == number and crc == zlib.crc32(data[_HEAD.size :])
    return generation if is_good else None


def write(path: str, way: str, count: int, seconds: float) -> None:
    """Rewrite ``path`` in place for so long, as ``way`` says."""
    chance = random.Random(path)
    end = time.monotonic() + seconds
    descriptor = open_directly(path, count) if way == "direct" else os.open(path, os.O_RDWR | os.O_CREAT)
    view = None
    if way == "mapped":
        os.write(descriptor, b"".join(block(1, number) for number in range(count)))
        view = mmap.mmap(descriptor, count * BLOCK)
    generation = 1 if view is not None else 0
    while time.monotonic() < end:
        generation += 1
        blocks = [block(generation, number) for number in range(count)]
        if way == "whole":
            os.pwrite(descriptor, b"".join(blocks), 0)
        elif way == "direct":
            with mmap.mmap(-1, count * BLOCK) as aligned:
                aligned[:] = b"".join(blocks)
                os.pwrite(descriptor, aligned, 0)
            time.sleep(0.02)
        else:
            for number, data in enumerate(blocks):
                if view is not None:
                    view[number * BLOCK : (number + 1) * BLOCK] = data
                else:
                    os.pwrite(descriptor, data, number * BLOCK)
                if chance.random() < 0.002:
                    time.sleep(chance.choice((0.001, 0.01, 0.1)))
        if chance.random() < 0.3:
            time.sleep(chance.choice((0.02, 0.1, 0.4)))


def open_directly(path: str, count: int) -> int:
    """Open a file for direct writes, or others where there are none, with room for all blocks."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    except OSError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, count * BLOCK)
    return descriptor


def judge(data: bytes, way: str, count: int) -> str:
    """Return what a published version is: "whole", "between" two writes, or "torn: …"."""
    if len(data) % BLOCK or not data:
        return "between" if not data else f"torn: {len(data)} bytes"
    if way == "direct" and not any(data):
        return "between"  # room, before the first write
    found = [generation_of(data[number * BLOCK : (number + 1) * BLOCK], number) for number in range(len(data) // BLOCK)]
    first = found[0]
    if None in found or first is None:
        return f"torn: block {found.index(None)} of {len(found)} is of no generation"
    if len(found) == count and set(found) == {first}:
        return "whole"
    if way in ("whole", "direct"):
        return f"torn: {Counter(found)} of {count} blocks"
    new = found.count(first)
    before = [] if first == 1 else [first - 1] * (count - new)
    return "between" if found == [first] * new + before else f"torn: {Counter(found)} of {count} blocks, disordered"


def run(where: Path, seconds: float, commit: Callable[[vgit.Volume, float], None], **options: float) -> Counter[str]:
    """Commit while all files are being written; return how many versions of what kind were published."""
    client = vgit.Client(where / "store")
    volume = vgit.Volume.from_name("v", create_if_missing=True, client=client)
    with volume.mount(where / "mount", **options) as path:  # type: ignore[arg-type]
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.torn_writes", "--write", path / name, way, str(count), str(seconds)],
                cwd=ROOT,
            )
            for name, (way, count) in FILES.items()
        ]
        commit(volume, seconds)
        for writer in writers:
            assert writer.wait() == 0
    return read_back(volume)


def read_back(volume: vgit.Volume) -> Counter[str]:
    """Judge every version of every file in the history."""
    found: Counter[str] = Counter()
    for info in volume.log():
        found["commits"] += 1
        snapshot = volume.at(info.id)
        names = {entry.path for entry in snapshot.iterdir("/")}
        for name in names & FILES.keys():
            way, count = FILES[name]
            verdict = judge(b"".join(snapshot.read_file(name)), way, count)
            if verdict.startswith("torn") and name in info.unstable:
                verdict = "flagged"
            found[f"{name} {verdict}"] += 1
    return found


def in_background(volume: vgit.Volume, seconds: float) -> None:
    """Leave it to the thread that ``commit_every`` started."""
    time.sleep(seconds)


def every(interval: float) -> Callable[[vgit.Volume, float], None]:
    """Commit explicitly, every so many seconds."""

    def commit(volume: vgit.Volume, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(interval)
            volume.commit()

    return commit


def torn(found: Counter[str]) -> list[str]:
    """Return what must not be there."""
    return [verdict for verdict in found if " torn" in verdict]


def main() -> None:
    """Run as a program: a writer, or the whole."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", nargs=4, metavar=("PATH", "WAY", "BLOCKS", "SECONDS"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=1)
    parser.add_argument("--explicit", action="store_true")
    parser.add_argument("--in", dest="where", help="a directory on the file system to try")
    asked = parser.parse_args()
    if asked.write:
        path, way, count, seconds = asked.write
        write(path, way, int(count), float(seconds))
        return
    with tempfile.TemporaryDirectory(dir=asked.where) as where:
        if asked.explicit:
            found = run(Path(where), asked.seconds, every(asked.every))
        else:
            found = run(Path(where), asked.seconds, in_background, commit_every=asked.every)
    for verdict, count in sorted(found.items()):
        print(f"{count:6} {verdict}")
    sys.exit("torn versions were published" if torn(found) else 0)


if __name__ == "__main__":
    main()
