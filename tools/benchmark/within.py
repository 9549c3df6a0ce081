"""Within: what is measured inside a program; run as a child, prints JSON.

    python -m benchmark.within library WORK FILE OFFSET    vgit's calls, in a process that is warm
    python -m benchmark.within commits WORK COUNT          COUNT commits of one file each, by vgit
    python -m benchmark.within git-commits WORK COUNT      the same by git, a process each, flushed each
    python -m benchmark.within hash FILE                   reading a file once and its BLAKE3

Printed: operation → {"wall_s": ..., "extra": {...}}.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

import vgit
from benchmark.measuring import flush

MIB = 1 << 20
Answer = dict[str, dict[str, Any]]


def library(work: Path, path: str, offset: int) -> Answer:
    """Return what the calls take that do not depend on starting a process."""
    volume = vgit.Volume.from_name("bench")
    chance = random.Random(1)
    answer: Answer = {}
    with_mount = volume.mount(work)
    try:
        answer["library:no-op-commit"] = _figure(_median(with_mount.commit, 5))
        processes = sum(name.isdigit() for name in os.listdir("/proc"))
        answer["library:no-op-reload"] = _figure(_median(with_mount.reload, 9), processes=processes)
        if len(list(volume.log(limit=2))) > 1:

            def away_and_back() -> None:
                for _ in range(2):
                    volume.restore("HEAD~1")
                    with_mount.reload()

            answer["library:switch"] = _figure(_median(away_and_back, 3))
    finally:
        with_mount.close(commit=False)

    def read() -> None:
        start = max(0, offset - chance.randrange(64 * MIB))
        b"".join(volume.at("first").read_file(path, offset=start, length=MIB))

    answer["library:read-range"] = _figure(_median(read, 15))
    return answer


def hash_file(path: Path) -> Answer:
    """Return what reading a file and its BLAKE3 take, on one thread."""

    def read() -> None:
        hasher = blake3()
        buffer = memoryview(bytearray(4 * MIB))
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
        hasher.digest()

    return {"library:blake3": _figure(_median(read, 3))}


def commits(work: Path, count: int) -> Answer:
    """Commit ``count`` times, one changed file each time."""
    mount = vgit.Volume.from_name("bench").mount(work)
    try:
        return _commits(work, count, lambda _path: mount.commit())
    finally:
        mount.close(commit=False)


def git_commits(work: Path, count: int) -> Answer:
    """Commit with git, each commit flushed."""

    def commit(path: Path) -> None:
        subprocess.run(["git", "add", path], cwd=work, check=True)
        subprocess.run(["git", "commit", "-q", "-m", "bench"], cwd=work, check=True)
        flush(work)

    return _commits(work, count, commit)


def _commits(work: Path, count: int, commit: Callable[[Path], Any]) -> Answer:
    files = sorted(work.glob("group*/*/*.txt"))
    took = []
    for number in range(count):
        path = files[number % len(files)]
        path.write_text(f"commit {number}\n" * 50)
        took.append(_time(lambda path=path: commit(path)))
    tenth = max(1, count // 10)
    slow_down = statistics.median(took[-tenth:]) / statistics.median(took[:tenth])
    return {
        "library:one-file-commit": _figure(statistics.median(took), slow_down=round(slow_down, 3), worst_s=max(took))
    }


def _median(call: Callable[[], Any], times: int) -> float:
    return statistics.median(_time(call) for _ in range(times))


def _time(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _figure(wall_s: float, **extra: float) -> dict[str, Any]:
    return {"wall_s": wall_s, "extra": extra}


def main(arguments: list[str]) -> None:
    match arguments:
        case ["library", work, path, offset]:
            answer = library(Path(work), path, int(offset))
        case ["commits", work, count]:
            answer = commits(Path(work), int(count))
        case ["git-commits", work, count]:
            answer = git_commits(Path(work), int(count))
        case ["hash", path]:
            answer = hash_file(Path(path))
        case _:
            sys.exit(f"unknown: {arguments}")
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
