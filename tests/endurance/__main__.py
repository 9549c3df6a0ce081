"""The run itself: programs are started, killed or left without power, and judged, until the time is over."""

import argparse
import multiprocessing
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from tests.endurance.judge import Judge, looked
from tests.endurance.power import PoweredDirectory
from tests.endurance.programs import OFF, make_volume

_Given = TypeVar("_Given")
_Returned = TypeVar("_Returned")

ROOT = Path(__file__).parent.parent.parent
WRITERS = {"first": "mount", "second": "mount", "sender": "upload"}
READERS = {"reader": "read", "other-reader": "read"}
IMAGE_BYTES = 8 << 30
KILLS_A_LOOK = 25
AT_MOST_SECONDS = 1.5  # for a writer to acknowledge something
CUT_AFTER_SECONDS = 6.0


class Run:
    """The programs of one run, and what becomes of them."""

    def __init__(self, place: Path, diaries: Path) -> None:
        self.place = place
        self.diaries = diaries
        self.store = place / "store"
        self.chance = random.Random()
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.acknowledged: dict[str, int] = {}  # how long a writer's diary was when the writer was started
        _apart(make_volume, self.store)
        self.judge = Judge(self.store, diaries)

    def look(self) -> None:
        """Judge the store as it is now."""
        self.judge = _apart(looked, self.judge)

    def start(self, name: str) -> None:
        """Start a program, again if it was killed."""
        kind = (WRITERS | READERS)[name]
        rest = [str(self.place / name)] if kind == "mount" else []
        command = [sys.executable, "-m", "tests.endurance.programs", name, kind, str(self.store), str(self.diaries)]
        self.acknowledged[name] = self.diary_bytes(name)
        with open(self.diaries / f"{name}.stderr", "ab") as said:
            self.programs[name] = subprocess.Popen([*command, *rest], cwd=ROOT, stderr=said)

    def kill(self, *names: str) -> None:
        """Kill programs outright, and wait until they are gone."""
        for name in names:
            self.programs[name].send_signal(signal.SIGKILL)
        for name in names:
            self.programs.pop(name).wait()

    def kill_writers_for(self, seconds: float) -> None:
        """Kill a writer at random moments and start it again, while others write and read."""
        end = time.monotonic() + seconds
        for name in (*WRITERS, *READERS):
            self.start(name)
        while time.monotonic() < end and not self.judge.faults:
            for _ in range(KILLS_A_LOOK):
                name = self.chance.choice(list(WRITERS))
                if (
                    self.chance.random() < 0.8
                ):  # else it may die while it starts, takes up its mount, or settles what it left
                    self.wait_for_work_of(name)
                time.sleep(self.chance.uniform(0.0, 0.3))
                self.kill(name)
                self.start(name)
                self.judge.counts["kills"] += 1
            self.look()
        self.kill_all()
        self.look()

    def wait_for_work_of(self, name: str) -> None:
        """Wait until a writer has acknowledged something since it was started, or might have."""
        end = time.monotonic() + AT_MOST_SECONDS
        while self.diary_bytes(name) <= self.acknowledged[name] and time.monotonic() < end:
            time.sleep(0.01)

    def diary_bytes(self, name: str) -> int:
        """Return how much a program has acknowledged."""
        diary = self.diaries / f"{name}.jsonl"
        return diary.stat().st_size if diary.exists() else 0

    def kill_all(self) -> None:
        """Kill what runs."""
        self.kill(*self.programs)

    def cut_power_for(self, seconds: float, power: PoweredDirectory) -> None:
        """Let all write and read, cut the power, mount what is left, and judge that; again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.judge.faults:
            for name in (*WRITERS, *READERS):
                self.start(name)
            time.sleep(self.chance.uniform(1.0, CUT_AFTER_SECONDS))
            (self.diaries / OFF).touch()
            power.cut()
            self.kill_all()
            power.restore()
            (self.diaries / OFF).unlink()
            self.judge.counts["power cuts"] += 1
            self.look()


def _kind_of(fault: str) -> str:
    """Return a fault's last line without the ids in it."""
    return re.sub(r"[0-9a-f]{12,}", "…", fault.strip().splitlines()[-1])


def _apart(function: Callable[[_Given], _Returned], given: _Given) -> _Returned:
    """Call in a fresh process, so that this one has no file of the store open and knows nothing of before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(function, given).result()


def main() -> None:
    """Run, print what was counted, and exit with 1 if anything was lost or failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance")
    parser.add_argument("how", choices=("kill", "power"))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--in", dest="where", help="a directory on the file system to try")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=asked.where) as where:
        place, diaries = Path(where), Path(where, "diaries")
        diaries.mkdir()
        with PoweredDirectory(place, IMAGE_BYTES) if asked.how == "power" else nullcontext() as power:
            run = Run(place if power is None else power.path, diaries)
            try:
                if power is None:
                    run.kill_writers_for(asked.seconds)
                else:
                    run.cut_power_for(asked.seconds, power)
            finally:
                run.kill_all()
    for what, count in sorted(run.judge.counts.items()):
        print(f"{count:8} {what}")
    print(f"{len(run.judge.faults):8} faults")
    for fault, count in Counter(map(_kind_of, run.judge.faults)).most_common(10):
        print(f"{count:8} {fault}")
    print(*run.judge.faults[:1], sep="\n")
    sys.exit(1 if run.judge.faults else 0)


if __name__ == "__main__":
    main()
