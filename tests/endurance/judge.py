"""Judge: what must be true of a store whose writers were killed, or whose power went.

1. stock git finds nothing wrong in the volume and the catalog
2. every acknowledged commit is on the line of ``main``, by stock git
3. what it said it wrote is there, byte by byte: in that commit, in its git blob or, of a large file, as vgit reads it
4. no program met an error while the power was on
"""

import json
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import vgit
from tests.endurance.programs import VOLUME
from tests.gitjudge import fsck


class Judge:
    """Judges one run, over and over: what was judged once is only looked for on the line again."""

    def __init__(self, store: Path, diaries: Path) -> None:
        self._store = store
        self._diaries = diaries
        self._offsets: dict[Path, int] = {}
        self._acknowledged: set[str] = set()
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()

    def look(self) -> None:
        """Judge the store as it is now, and what the diaries say since the last look."""
        lines = self._new_lines()
        self.faults += [line["error"] for line in lines if "error" in line]
        self.counts["reads"] += sum(line.get("reads", 0) for line in lines)
        commits = [line for line in lines if "id" in line]
        self._acknowledged |= {line["id"] for line in commits}
        self.counts["acknowledged commits"] = len(self._acknowledged)
        self.counts["acknowledged uploads"] += sum("wrote" in line and "id" not in line for line in lines)
        volume = vgit.Volume.from_name(VOLUME, client=vgit.Client(self._store))
        for git_dir in (volume.git_dir, self._store / "catalog.git"):
            self._fsck(git_dir)
        self._check_line(str(volume.git_dir))
        for line in commits:
            self._check_content(volume, line)
        self.counts["looks"] += 1

    def _new_lines(self) -> list[dict]:
        found = []
        for path in sorted(self._diaries.glob("*.jsonl")):
            with open(path, "rb") as diary:
                diary.seek(self._offsets.get(path, 0))
                for line in diary:
                    if line.endswith(b"\n"):  # else its writer was killed in the middle of it
                        found.append(json.loads(line))
                        self._offsets[path] = self._offsets.get(path, 0) + len(line)
        return found

    def _fsck(self, git_dir: Path) -> None:
        """Have stock git judge; again if it met packs in the moment when they go, which comes once in 2,048 commits."""
        try:
            fsck(git_dir)
        except AssertionError as error:
            if "index not opened" not in str(error):
                self.faults.append(str(error))
                return
            self.counts["fsck met packs that went"] += 1
            try:
                fsck(git_dir)
            except AssertionError as second:
                self.faults.append(str(second))

    def _check_line(self, git_dir: str) -> None:
        listed = subprocess.run(
            ["git", f"--git-dir={git_dir}", "rev-list", "--first-parent", "main"], check=True, capture_output=True
        )
        line = set(listed.stdout.decode().split())
        self.counts["commits"] = len(line)
        for lost in self._acknowledged - line:
            self.faults.append(f"commit {lost} was acknowledged, and is not on the line of main")

    def _check_content(self, volume: vgit.Volume, line: dict) -> None:
        snapshot = volume.at(line["id"])
        for path, crc in line["wrote"].items():
            try:
                data = b"".join(snapshot.read_file(path))
            except (vgit.Error, OSError) as error:
                self.faults.append(f"commit {line['id']}: {path} cannot be read: {error!r}")
                continue
            self.counts["files checked"] += 1
            if zlib.crc32(data) != crc:
                self.faults.append(f"commit {line['id']}: {path} is not what was written: {data[:60]!r}...")
        there = {str(entry.path) for entry in snapshot.iterdir("/")} if line["removed"] else set()
        for path in there.intersection(line["removed"]):
            self.faults.append(f"commit {line['id']}: {path} was removed, and is there")


def looked(judge: Judge) -> Judge:
    """Return ``judge`` after a look, as one that was sent here from another process."""
    judge.look()
    return judge
