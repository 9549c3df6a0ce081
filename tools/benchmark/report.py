"""Report: results as tables for people: each operation with all tools, then the bar, then two runs side by side."""

from collections.abc import Iterable, Iterator, Sequence

from benchmark.bar import judge
from benchmark.results import REFERENCE, STEADY, Results

MIB = 1 << 20
FASTER, SLOWER = 0.9, 1.1  # what two runs may differ by without a word


def report(results: Results) -> Iterator[str]:
    """Yield the lines of the whole report."""
    about = results.about
    yield f"{about['machine']}; {about['place']}; size {about['size']}"
    for tool, version in about["tools"].items():
        yield f"  {tool:10} {version}"
    if about["missing"]:
        yield f"  not installed, left out: {', '.join(about['missing'])}"
    for failure in about["failed"]:
        yield f"  {failure.strip()}"
    for workload in results.workloads():
        yield ""
        yield from _workload(results, workload)
    if about["size"] == "full":
        yield from _verdicts(results)


def _workload(results: Results, workload: str) -> Iterator[str]:
    rounds, steady = results.rounds(workload), results.steady_rounds(workload)
    spreads = ", ".join(
        "not measured" if spread is None else f"{spread:.2f}"
        for spread in (results.spread(workload, number) for number in rounds)
    )
    yield f"{workload}: {len(rounds)} rounds, {len(steady)} steady (slowest / fastest {REFERENCE}: {spreads})"
    if not steady:
        yield f"  no round had {REFERENCE} within {STEADY}: no verdicts, medians of all rounds"
    rows = [row for operation in results.operations(workload) for row in _operation(results, workload, operation)]
    head = (
        "operation",
        "tool",
        "median s",
        "from",
        "to",
        "cpu s",
        "peak MB",
        "stored MiB",
        "added MiB",
        "x cp",
        "x best",
    )
    yield from table(head, rows, left=2)


def _operation(results: Results, workload: str, operation: str) -> Iterator[Sequence[str]]:
    """Yield a row for each tool, fastest first."""
    reference = results.reference(workload)
    walls = {tool: results.median(workload, operation, tool) for tool in results.tools(workload)}
    measured = {tool: wall for tool, wall in walls.items() if wall is not None}
    for tool, wall in sorted(measured.items(), key=lambda item: item[1]):
        all_walls = [sample.wall_s for sample in results.select(workload, operation, tool)]
        best = results.best_peer(workload, operation) if tool == "vgit" else None
        fields = ("cpu_s", "peak_bytes", "stored_bytes", "added_bytes")
        cpu, peak, stored, added = (results.median(workload, operation, tool, field) for field in fields)
        yield (
            operation,
            tool,
            _seconds(wall),
            _seconds(min(all_walls)),
            _seconds(max(all_walls)),
            _number(cpu, 1, 2),
            _number(peak, 1e6, 0),
            _number(stored, MIB, 1),
            _number(added, MIB, 2),
            _number(wall, reference, 2) if not operation.startswith("library:") else "",
            f"{wall / best[0]:.2f} {best[1]}" if best else "",
        )


def _verdicts(results: Results) -> Iterator[str]:
    verdicts = list(judge(results))
    yield ""
    yield "The bar"
    head = ("workload", "operation", "wanted", "seen", "verdict")
    rows = [(v.limit.workload, v.limit.operation, v.wanted, v.seen, v.verdict) for v in verdicts]
    yield from table(head, rows, left=5)
    counts = {word: sum(v.verdict == word for v in verdicts) for word in ("met", "NOT MET", "no verdict")}
    yield ", ".join(f"{count} {word}" for word, count in counts.items())


def compare(old: Results, new: Results) -> Iterator[str]:
    """Yield the lines that set two runs side by side: seconds, and multiples of each run's own ``cp``."""
    rows = []
    for workload in (name for name in old.workloads() if name in new.workloads()):
        bases = [run.reference(workload) for run in (old, new)]
        for operation in old.operations(workload):
            for tool in old.tools(workload):
                walls = [run.median(workload, operation, tool) for run in (old, new)]
                if walls[0] is None or walls[1] is None:
                    continue
                ratio = walls[1] / walls[0]
                # Beyond the other run's range as well, or it may be chance.
                apart = _apart(old, new, workload, operation, tool)
                word = ("faster" if ratio < FASTER else "SLOWER" if ratio > SLOWER else "") if apart else ""
                times = [_number(wall, base, 2) for wall, base in zip(walls, bases, strict=True)]
                rows.append(
                    (workload, operation, tool, _seconds(walls[0]), _seconds(walls[1]), f"{ratio:.2f}", *times, word)
                )
    if not rows:
        yield "the two runs have nothing in common"
        return
    head = ("workload", "operation", "tool", "A s", "B s", "B / A", "A x cp", "B x cp", "")
    yield from table(head, rows, left=3)


def _apart(old: Results, new: Results, workload: str, operation: str, tool: str) -> bool:
    """Say whether no sample of one run lies among those of the other."""
    one, other = ([s.wall_s for s in run.select(workload, operation, tool)] for run in (old, new))
    return max(one) < min(other) or max(other) < min(one)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Yield lines with columns as wide as what is in them; the first ``left`` ones to the left."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def _seconds(wall: float) -> str:
    return f"{wall:.4f}" if wall < 0.1 else f"{wall:.3f}" if wall < 10 else f"{wall:.1f}"


def _number(value: float | None, unit: float | None, digits: int) -> str:
    return "" if value is None or not unit else f"{value / unit:.{digits}f}"
