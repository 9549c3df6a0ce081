"""Test_crashes: commit, reload and checkout, cut off at every step by a death that nothing can catch."""

import subprocess
import sys
from pathlib import Path as FilePath

import pytest

from tests.mount.mounting import can_mount
from tests.ordinary_user import AS_OTHERS

ROOT = FilePath(__file__).parent.parent.parent


@pytest.mark.parametrize(("case", "fewest_steps"), [("commit", 15), ("reload", 25), ("checkout", 15)])
def test_no_step_loses_anything(tmp_path: FilePath, case: str, fewest_steps: int) -> None:
    command = [sys.executable, "-m", "tests.mount.crash_cases", case, str(tmp_path)]
    _check(command, fewest_steps)


@pytest.mark.parametrize(("case", "fewest_steps"), [("commit", 15), ("reload", 25)])
def test_nor_of_an_ordinary_user_in_a_mount_of_a_part(tmp_path: FilePath, case: str, fewest_steps: int) -> None:
    command = [*AS_OTHERS, sys.executable, "-m", "tests.mount.crash_cases", case, str(tmp_path), "part/of"]
    _check(command, fewest_steps)


def test_an_unmount_can_always_be_ended(place: FilePath) -> None:
    _check([sys.executable, "-m", "tests.mount.crash_cases", "unmount", str(place)], 20)


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a file system")
def test_nor_where_another_file_system_is_mounted(tmp_path: FilePath) -> None:
    _check([sys.executable, "-m", "tests.mount.crash_cases", "inside", str(tmp_path)], 15)


def _check(command: list[str], fewest_steps: int) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    steps = int(result.stdout.split(" of ")[1].split()[0])
    assert steps >= fewest_steps, "the steps were not seen: the test would prove nothing"
