"""Plugins: what tools/check gives to pytest leaves out what is late, and measures what runs in worker processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

TESTS = "import time\ndef test_one(): time.sleep(1.1)\ndef test_other(): pass\n"


def pytest_with(plugin: str, *words: str | Path, coverage: tuple[str, ...] = (), **variables: str) -> str:
    command = [sys.executable, "-m", *coverage, "pytest", "-p", f"tools.plugins.{plugin}", *words]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")} | variables
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_late_or_would_be_is_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # so that the cache is there
    said = pytest_with("deadline", tmp_path, "-n", "1", CHECK_UNTIL=str(time.time() - 1))
    assert "2 tests were left out: no time was left" in said
    assert "left out" not in pytest_with("deadline", tmp_path, "-n", "1")
    slow = tmp_path / ".pytest_cache" / "v" / "deadline" / "slow"
    slow.write_text(slow.read_text().replace("1.", "1000."))
    said = pytest_with("deadline", tmp_path, "-n", "1", CHECK_UNTIL=str(time.time() + 100))
    assert "1 tests were left out" in said


def test_coverage_sees_what_a_worker_runs(tmp_path: Path) -> None:
    data = f"--data-file={tmp_path / 'data'}"
    tests = ["tests/runtime/test_worker_processes.py", "-k", "workers_do_a_part"]
    pytest_with("measured_workers", *tests, coverage=("coverage", "run", data, "-m"))
    for words in (["combine", "-q", data], ["json", "-q", data, f"-o{tmp_path / 'report'}"]):
        subprocess.run(
            [sys.executable, "-m", "coverage", *words, *([tmp_path] if "combine" in words else [])], cwd=ROOT
        )
    files = json.loads((tmp_path / "report").read_text())["files"]
    [of_workers] = [figures for name, figures in files.items() if "worker" in name]
    assert of_workers["functions"]["_serve"]["executed_lines"]
