"""Test_endurance: a few seconds of each run; ``python -m tests.endurance`` goes on for as long as it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.endurance.judge import Judge
from tests.endurance.programs import Diary, check, make_volume, text, volume_of

ROOT = Path(__file__).parent.parent
CAN_CUT_POWER = os.geteuid() == 0 and Path("/dev/loop-control").exists() and Path("/sbin/mkfs.ext4").exists()


def run(how: str, where: Path, seconds: int) -> str:
    command = [sys.executable, "-m", "tests.endurance", how, "--seconds", str(seconds), "--in", where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def test_writers_that_are_killed_while_others_read(tmp_path: Path) -> None:
    assert "0 faults" in run("kill", tmp_path, 5)


@pytest.mark.skipif(not CAN_CUT_POWER, reason="only root can make a file system on a loop device and stop it")
def test_power_that_is_cut_while_all_write_and_read(tmp_path: Path) -> None:
    assert "0 faults" in run("power", tmp_path, 5)


def test_the_judge_sees_what_is_lost(tmp_path: Path) -> None:
    make_volume(tmp_path / "store")
    volume = volume_of(tmp_path / "store")
    with volume.mount(tmp_path / "mount") as path:
        (path / "a").write_bytes(text("w", 1, "a", 10))
    [newest, _] = volume.log()
    diary = Diary(tmp_path, "w")
    diary.write(id=newest.id, wrote={"a": 1}, removed=["a"])
    diary.write(id="0" * 40, wrote={}, removed=[])
    judge = Judge(tmp_path / "store", tmp_path)
    judge._check_content = lambda *_: None  # type: ignore[method-assign]
    judge.look()
    assert [fault.split(" was ")[1] for fault in judge.faults] == ["acknowledged, and is not on the line of main"]
    del judge._check_content
    judge.faults.clear()
    judge._check_content(volume, {"id": newest.id, "wrote": {"a": 1, "b": 1}, "removed": ["a"]})
    assert [fault.split(": ", 1)[1][:25] for fault in judge.faults] == [
        "a is not what was written",
        "b cannot be read: NotFoun",
        "a was removed, and is the",
    ]


def test_half_a_file_is_not_whole() -> None:
    data = text("w", 7, "d/f", 1000)
    check(data, "d/f")
    for bad, path in ((data[:-1], "d/f"), (data, "d/g"), (b"", "d/f")):
        with pytest.raises((ValueError, IndexError)):
            check(bad, path)
