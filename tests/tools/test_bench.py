"""Test_bench: tools/bench measures what it says at smoke size, cleans up, judges and compares."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
BENCH = ROOT / "tools" / "bench"

sys.path.append(str(ROOT / "tools"))  # where the package that the program is made of lies

from benchmark import bar, peers, report, workloads  # noqa: E402
from benchmark.content import Text, numbers  # noqa: E402
from benchmark.measuring import Command, CommandFailed, measure  # noqa: E402
from benchmark.results import OPERATIONS, Results, Sample  # noqa: E402

ABOUT: dict[str, Any] = {"machine": "m", "place": "p", "size": "full", "tools": {}, "missing": [], "failed": []}


def bench(*arguments: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    here = ["--file-system", "here", "--directory", directory]
    return subprocess.run([sys.executable, BENCH, *here, *arguments], capture_output=True, text=True, check=False)


def sample(tool: str, operation: str, wall_s: float, *, round: int = 0, **more: Any) -> Sample:
    return Sample("tiny", round, tool, operation, wall_s, **more)


def steady(*samples: Sample) -> Results:
    return Results(ABOUT, [sample("cp", "first-commit", 10.0), sample("cp", "first-commit", 12.0), *samples])


def verdict(results: Results, operation: str, rule: str) -> bar.Verdict:
    [found] = [one for one in bar.judge(results) if (one.limit.operation, one.limit.rule) == (operation, rule)]
    return found


def test_every_operation_at_smoke_size(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    options = ["--size", "smoke", "--rounds", "1", "--peers", "cp,vgit,git", "--workload", "tiny", "--json", file]
    done = bench(*options, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    results = Results.load(file)
    of_vgit = {one.operation: one for one in results.samples if one.tool == "vgit"}
    assert of_vgit.keys() >= {"first-commit", "no-op-commit", "edit-ten", "checkout", "no-op-reload", "reload"}
    assert of_vgit.keys() >= {"switch", "list", "read-file", "read-range", "get", "put", "library:no-op-reload"}
    assert all(one.wall_s > 0 for one in results.samples)
    first, edit = of_vgit["first-commit"], of_vgit["edit-ten"]
    assert first.added_bytes is not None and edit.added_bytes is not None
    assert first.added_bytes > 50_000  # 500 files of 300 bytes, compressed
    assert 0 < edit.added_bytes < first.added_bytes
    assert first.peak_bytes is not None and first.peak_bytes > 10_000_000
    assert len([one for one in results.samples if (one.tool, one.operation) == ("cp", "first-commit")]) == 2
    assert "first-commit" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_only_what_was_asked_for_and_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    options = ["--size", "smoke", "--rounds", "1", "--peers", "cp", "--only", "list", "--json", file]
    done = bench(*options, "--workload", "history", "--workload", "weights", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {one.operation for one in Results.load(file).samples if one.workload == "weights"} >= {"list"}
    assert "read-file" not in done.stdout
    assert "get" not in {one.operation for one in Results.load(file).samples}


def test_history_of_vgit(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    options = ["--size", "smoke", "--rounds", "1", "--peers", "vgit", "--workload", "history", "--json", file]
    assert bench(*options, directory=tmp_path).returncode == 0
    results = Results.load(file)
    assert {"commits", "log", "log-path", "diff"} <= set(results.operations("history"))
    slow_down = results.median("history", "library:one-file-commit", "vgit", "slow_down")
    assert slow_down is not None and slow_down > 0


def test_stopped_it_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, BENCH, "--size", "smoke", "--file-system", "here", "--directory", tmp_path]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "vgit" not in process.stderr.readline():
        pass
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said.endswith("bench: stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_is_named() -> None:
    command = Command(["sh", "-c", "echo too bad >&2; exit 3"], Path("/"), os.environ, durable=False)
    with pytest.raises(CommandFailed, match=r"(?s)exit code 3 of sh .*too bad"):
        measure(command)


def test_processor_time_and_memory_are_those_of_the_child(tmp_path: Path) -> None:
    script = "import time\nx = b'x' * 150_000_000\nwhile time.process_time() < 0.2: pass\nprint(len(x))"
    figures = measure(Command([sys.executable, "-c", script], tmp_path, os.environ), keep_output=True)
    assert figures.output == b"150000000\n"
    assert figures.cpu_s >= 0.2
    assert figures.peak_bytes > 150_000_000


@pytest.mark.parametrize("name", workloads.SMOKE)
def test_the_same_files_every_time(name: str, tmp_path: Path) -> None:
    workload = workloads.SMOKE[name]
    tops = [tmp_path / "one", tmp_path / "other"]
    for top in tops:
        top.mkdir()
        workload.generate(top)
        for edit in workload.edits:
            edit.apply(top)
    done = subprocess.run(["diff", "-r", *tops], check=False)
    assert done.returncode == 0
    files = [path for path in tops[0].rglob("*") if path.is_file()]
    assert len(files) == workload.files
    assert (tops[0] / workload.read).is_file()


def test_text_compresses_like_text_and_weights_do_not() -> None:
    text = Text(1).make(random.Random(1), 16_000)
    assert len(text) == 16_000
    assert 0.3 < len(zlib.compress(text)) / len(text) < 0.5
    weights = b"".join(numbers("float16", 1, 1 << 20))
    assert len(weights) == 1 << 20
    assert 0.85 < len(zlib.compress(weights)) / len(weights) < 0.97


def test_a_limit_is_met_or_not() -> None:
    met = steady(sample("vgit", "first-commit", 4.0), sample("git", "first-commit", 5.0))
    assert verdict(met, "first-commit", "times cp").verdict == "met"  # 4 / 11
    assert verdict(met, "first-commit", "best peer").seen == "0.80 x the best peer"
    missed = steady(sample("vgit", "first-commit", 6.0), sample("git", "first-commit", 5.0))
    assert verdict(missed, "first-commit", "times cp").verdict == "NOT MET"
    assert verdict(missed, "first-commit", "best peer").verdict == "NOT MET"


def test_processes_count_for_a_no_op_reload() -> None:
    extra = {"processes": 100}
    results = steady(sample("vgit", "library:no-op-reload", 0.029, extra=extra))
    assert verdict(results, "library:no-op-reload", "no-op reload").verdict == "met"
    results = steady(sample("vgit", "library:no-op-reload", 0.031, extra=extra))
    assert verdict(results, "library:no-op-reload", "no-op reload").verdict == "NOT MET"


def test_no_verdict_where_cp_was_not_steady() -> None:
    samples = [sample("cp", "first-commit", wall) for wall in (10.0, 13.1)]
    results = Results(ABOUT, [*samples, sample("vgit", "first-commit", 1.0)])
    assert verdict(results, "first-commit", "times cp").verdict == "no verdict"


def test_rounds_that_were_not_steady_do_not_count() -> None:
    unsteady = [sample("cp", "first-commit", wall, round=1) for wall in (10.0, 20.0)]
    results = steady(sample("vgit", "list", 0.5), sample("vgit", "list", 9.0, round=1), *unsteady)
    assert results.steady_rounds("tiny") == [0]
    assert results.median("tiny", "list", "vgit") == 0.5


def test_every_limit_names_what_is_measured() -> None:
    for limit in bar.LIMITS:
        assert limit.rule in bar.RULES
        assert limit.workload in workloads.FULL
        operation = limit.operation.removeprefix("library:")
        assert operation in (*OPERATIONS, "all", "one-file-commit")


def test_growth_is_the_time_for_each_file() -> None:
    samples = [
        Sample(workload, 0, tool, "first-commit", wall)
        for workload, wall in (("files-10000", 1.0), ("files-300000", 36.0))
        for tool in ("cp", "cp", "vgit")
    ]
    [found] = bar.judge(Results(ABOUT, samples))
    assert (found.seen, found.verdict) == ("1.20 x the time each", "met")


def test_comparison_names_what_became_slower(tmp_path: Path) -> None:
    old = steady(*(sample("vgit", "list", wall, round=0) for wall in (1.0, 1.1)))
    new = steady(*(sample("vgit", "list", wall, round=0) for wall in (2.0, 2.1)))
    for name, results in (("a", old), ("b", new)):
        results.save(tmp_path / name)
    done = bench("--compare", tmp_path / "a", tmp_path / "b", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if "list" in line]
    assert line.split() == ["tiny", "list", "vgit", "1.050", "2.050", "1.95", "0.10", "0.19", "SLOWER"]
    assert list(report.compare(old, Results(ABOUT))) == ["the two runs have nothing in common"]


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(json.dumps({"version": 0}))
    done = bench("--compare", tmp_path / "other", tmp_path / "other", directory=tmp_path)
    assert done.returncode == 1
    assert "is not a result file" in done.stderr


def test_help_and_peers_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = bench("--help", directory=tmp_path)
    assert done.returncode == 0
    assert all(name in done.stdout for name in (*peers.PEERS, *workloads.FULL, "growth"))
    assert bench("--peers", "cp,svn", directory=tmp_path).returncode == 2
    monkeypatch.setattr(peers.Borg, "program", "borg-that-is-not-installed")
    assert peers.Borg.missing()
    assert not peers.Vgit.missing()
