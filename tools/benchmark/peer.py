"""Peer: what a tool can be asked to do. Operations that it has no way to do are None.

A tool works in a *place*: ``work`` holds the files, ``copy`` is the checkout, the
rest is its own. What it needs before it can commit is made in ``prepare``, which
is not measured.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from benchmark.measuring import Command
from benchmark.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent.parent
RANGE_BYTES = 1 << 20


class Peer:
    """One tool in its place. Operations return the command to measure."""

    name = ""
    program = ""
    shares_chunks = False  # finds parts of files that it has already

    def __init__(self, place: Path) -> None:
        self.place = place
        self.work, self.copy, self.store = place / "work", place / "copy", place / "store"
        self.commits = 0
        home = place / "home"
        home.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self.env = {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.environment()}

    @classmethod
    def missing(cls) -> bool:
        """Say whether the tool is not installed."""
        return shutil.which(cls.program) is None

    @classmethod
    def version(cls) -> str:
        """Return the tool's first line on itself."""
        flag = "version" if cls.program == "restic" else "--version"
        done = subprocess.run([cls.program, flag], capture_output=True, text=True, check=False)
        lines = [line.strip(" '") for line in done.stdout.splitlines()]
        return " ".join(lines[:2]) if cls.program == "ostree" else lines[0]

    def environment(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        self.store.mkdir()

    def remember_first(self) -> None:
        """Note the first commit, of which files are read later."""

    def stored(self) -> list[Path]:
        return [self.store]

    def commit(self) -> Command | None:
        return None

    def noop(self) -> Command | None:
        return self.commit()

    def checkout(self) -> Command | None:
        return None

    def reload(self) -> Command | None:
        return None

    def switch(self) -> Command | None:
        return None

    def list_all(self) -> Command | None:
        return None

    def read(self, path: str) -> Command | None:
        return None

    def read_range(self, path: str, offset: int) -> Command | None:
        """By default the whole file goes by, and all but the range is thrown away."""
        whole = self.read(path)
        if whole is None:
            return None
        # head ends the pipe; SIGPIPE is no failure of sh
        script = f"{shlex.join(map(str, whole.argv))} 2>/dev/null | tail -c +{offset + 1} | head -c {RANGE_BYTES}"
        return whole._replace(argv=["sh", "-c", script])

    def get(self) -> Command | None:
        return None

    def put(self) -> Command | None:
        return None

    def commits_of_one_file(self, workload: Workload) -> Command | None:
        return None

    def log(self) -> Command | None:
        return None

    def log_path(self, path: str) -> Command | None:
        return None

    def diff_ends(self) -> Command | None:
        return None

    def library(self, workload: Workload) -> list[Command]:
        """Return what prints figures from within a program (benchmark/within.py)."""
        return []

    def command(self, *argv: str | Path, cwd: Path | None = None, durable: bool = True) -> Command:
        return Command(argv, cwd or self.place, self.env, durable)

    def script(self, text: str, cwd: Path | None = None, *, durable: bool = True) -> Command:
        return self.command("sh", "-ec", text, cwd=cwd, durable=durable)

    def run(self, *argv: str | Path, cwd: Path | None = None) -> str:
        """Run what is not measured and return what it wrote."""
        done = subprocess.run(argv, cwd=cwd or self.place, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, argv))}: {done.stderr.strip()}")
        return done.stdout.strip()

    def child(self, *arguments: str | Path, durable: bool = True) -> Command:
        """Return the command for a function of benchmark/within.py in a Python of its own."""
        return self.command(sys.executable, "-m", "benchmark.within", *arguments, durable=durable)._replace(
            env={**self.env, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tools'}"}
        )
