"""Reading_threads: threads read a volume through one handle while processes commit to it and its packs are rolled up.

    python -m tests.reading_threads --seconds 60 --threads 16 --writers 2
    python -m tests.reading_threads --seconds 60 --way asyncio

Each writer has a file of its own and writes rising numbers to it, and now and then
reads all of it. A reader must never fail, and of one file never see a number lower
than one that it has seen: what is published is there, and stays.
Readers use the handle in three ways: the newest state, a snapshot of it, and the log. With
``asyncio`` all of them are tasks of one loop, and their calls run in the threads of ``.aio``.
"""

import argparse
import asyncio
import io
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import vgit

ROOT = Path(__file__).parent.parent
_COMMITS_BEFORE = 50  # so that there soon are packs enough to be rolled up
_WAYS = ("newest", "snapshot", "log", "listing")


def name(writer: int) -> str:
    """Return the file of a writer."""
    return f"w{writer}/number"


def write(store: str, writer: int, seconds: float) -> None:
    """Commit one number after the other."""
    volume = vgit.Volume.from_name("v", client=vgit.Client(store))
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        with volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(b"%d" % number), name(writer))
            batch.put_file(io.BytesIO(b"%d of %d" % (number, writer)), f"w{writer}/of-{number % 50}")


class Judge:
    """What the readers saw."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.counts: Counter[str] = Counter()
        self._guard = threading.Lock()

    def note(self, way: str, error: str = "") -> None:
        """Count one read."""
        with self._guard:
            self.counts[way] += 1
            if error:
                self.counts["errors"] += 1
                self.errors.append(f"{way}: {error}")


class Reader:
    """One thread's or task's: what it has seen of each writer's file."""

    def __init__(self, judge: Judge, number: int, writers: int) -> None:
        self._judge = judge
        self._step = number
        self._writers = writers
        self._seen: Counter[int] = Counter()

    def next(self) -> tuple[str, int]:
        """Return what to do, and with whose file."""
        self._step += 1
        return _WAYS[self._step % len(_WAYS)], self._step // len(_WAYS) % self._writers

    def judge(self, way: str, writer: int, data: bytes) -> None:
        """Hold what was read against what was seen before."""
        number = int(data)
        error = f"{name(writer)} went from {self._seen[writer]} to {number}" if number < self._seen[writer] else ""
        self._seen[writer] = max(number, self._seen[writer])
        self._judge.note(way, error)

    def failed(self, way: str, error: Exception) -> None:
        """Note that a read failed."""
        self._judge.note(way, f"{type(error).__name__}: {error}")

    def read(self, volume: vgit.Volume) -> None:
        """Read once, in this thread."""
        way, writer = self.next()
        try:
            if way == "newest":
                self.judge(way, writer, b"".join(volume.read_file(name(writer))))
            elif way == "snapshot":
                self.judge(way, writer, b"".join(volume.at("HEAD").read_file(name(writer))))
            elif way == "log":
                self._judge.note(way, "" if list(volume.log(limit=20)) else "no commits")
            else:
                self._judge.note(way, "" if volume.listdir("/", recursive=True) else "no files")
        except Exception as error:
            self.failed(way, error)

    async def read_aio(self, volume: vgit.Volume) -> None:
        """Read once, awaiting it."""
        way, writer = self.next()
        try:
            if way == "newest":
                self.judge(way, writer, b"".join([piece async for piece in volume.read_file.aio(name(writer))]))
            elif way == "snapshot":
                snapshot = await volume.at.aio("HEAD")
                self.judge(way, writer, b"".join([piece async for piece in snapshot.read_file.aio(name(writer))]))
            elif way == "log":
                self._judge.note(way, "" if [info async for info in volume.log.aio(limit=20)] else "no commits")
            else:
                self._judge.note(way, "" if await volume.listdir.aio("/", recursive=True) else "no files")
        except Exception as error:
            self.failed(way, error)


def in_threads(volume: vgit.Volume, judge: Judge, count: int, writers: int, is_on: Callable[[], bool]) -> None:
    """Read in so many threads as long as ``is_on``."""

    def loop(number: int) -> None:
        reader = Reader(judge, number, writers)
        while is_on():
            reader.read(volume)

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_tasks(volume: vgit.Volume, judge: Judge, count: int, writers: int, is_on: Callable[[], bool]) -> None:
    """Read in so many tasks of asyncio as long as ``is_on``."""

    async def loop(number: int) -> None:
        reader = Reader(judge, number, writers)
        while is_on():
            await reader.read_aio(volume)

    async def all_of_them() -> None:
        await asyncio.gather(*(loop(number) for number in range(count)))

    asyncio.run(all_of_them())


WAYS = {"threads": in_threads, "asyncio": in_tasks}


def run(where: Path, seconds: float, way: str = "threads", readers: int = 16, writers: int = 2) -> Judge:
    """Read and write for so long; return what the readers saw."""
    client = vgit.Client(where / "store")
    volume = vgit.Volume.from_name("v", create_if_missing=True, client=client)
    with volume.batch_upload() as batch:
        for writer in range(writers):
            batch.put_file(io.BytesIO(b"0"), name(writer))
    for number in range(_COMMITS_BEFORE):
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"%d" % number), f"before/{number}")
    command = [sys.executable, "-m", "tests.reading_threads", "--seconds", str(seconds), "--store", client.store]
    others = [subprocess.Popen([*command, "--write", str(writer)], cwd=ROOT) for writer in range(writers)]
    judge = Judge()
    fresh = vgit.Volume.from_name("v", client=vgit.Client(where / "store"))
    WAYS[way](fresh, judge, readers, writers, lambda: any(other.poll() is None for other in others))
    for other in others:
        if other.wait() != 0:
            judge.note("writing", f"a writer ended with {other.returncode}")
    judge.counts["commits"] = fresh.info().commits
    packs = list(Path(fresh.git_dir, "objects/pack").glob("*.pack"))
    judge.counts["packs left"] = len(packs)
    return judge


def main() -> None:
    """Run as a program: a writer, or the whole."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=int, metavar="WRITER")
    parser.add_argument("--store")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--way", choices=sorted(WAYS), default="threads")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--in", dest="where", help="a directory on the file system to try")
    asked = parser.parse_args()
    if asked.write is not None:
        write(asked.store, asked.write, asked.seconds)
        return
    with tempfile.TemporaryDirectory(dir=asked.where) as where:
        judge = run(Path(where), asked.seconds, asked.way, asked.threads, asked.writers)
    for what, count in sorted(judge.counts.items()):
        print(f"{count:8} {what}")
    for error in judge.errors[:5]:
        print(error)
    sys.exit("reads failed" if judge.errors else 0)


if __name__ == "__main__":
    main()
