"""Bar: what vgit is to reach, as a table of limits, and whether a run shows that it does.

A limit is judged on the medians of the steady rounds. It has no verdict where
no round was steady, or what it needs was not measured.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmark.peers import PEERS
from benchmark.results import Results
from benchmark.workloads import FULL, GROWTH_OPERATIONS, Edit

MIB = 1 << 20
PROCESS_S = 0.00025  # what the open-file check may take for each process that it looks at

Seen = tuple[float, float] | None
"""What was measured and what is allowed; None if it was not measured."""


class Limit(NamedTuple):
    """One line of the bar."""

    workload: str
    operation: str
    rule: str  # a key of RULES
    limit: float = 0.0


class Verdict(NamedTuple):
    """A limit and what became of it."""

    limit: Limit
    wanted: str
    seen: str
    verdict: str  # "met", "NOT MET" or "no verdict"


def _seconds(results: Results, one: Limit) -> Seen:
    wall = results.median(one.workload, one.operation, "vgit")
    return None if wall is None else (wall, one.limit)


def _times_cp(results: Results, one: Limit) -> Seen:
    return _ratio(results.median(one.workload, one.operation, "vgit"), results.reference(one.workload), one)


def _times_blake3(results: Results, one: Limit) -> Seen:
    wall = results.median(one.workload, one.operation, "vgit")
    return _ratio(wall, results.median(one.workload, "library:blake3", "vgit"), one)


def _ratio(wall: float | None, base: float | None, one: Limit) -> Seen:
    return None if wall is None or base is None else (wall / base, one.limit)


def _of_all_peers(results: Results, one: Limit) -> Seen:
    return _of_best(results, one, list(PEERS))


def _of_sharing_peers(results: Results, one: Limit) -> Seen:
    return _of_best(results, one, [name for name, peer in PEERS.items() if peer.shares_chunks])


def _of_best(results: Results, one: Limit, among: list[str]) -> Seen:
    best = results.best_peer(one.workload, one.operation, among)
    return _ratio(results.median(one.workload, one.operation, "vgit"), best[0] if best else None, one)


def _cpu_per_gib(results: Results, one: Limit) -> Seen:
    cpu = results.median(one.workload, one.operation, "vgit", "cpu_s")
    return None if cpu is None else (cpu / (FULL[one.workload].size_bytes / (1 << 30)), one.limit)


def _added(results: Results, one: Limit) -> Seen:
    added = results.median(one.workload, one.operation, "vgit", "added_bytes")
    changed = _edit(one).changed_bytes
    return None if added is None else (added / MIB, changed / MIB + one.limit)


def _edit(one: Limit) -> Edit:
    return next(edit for edit in FULL[one.workload].edits if edit.name == one.operation)


def _no_op_reload(results: Results, one: Limit) -> Seen:
    wall = results.median(one.workload, one.operation, "vgit")
    processes = results.median(one.workload, one.operation, "vgit", "processes")
    return None if wall is None or processes is None else (wall, one.limit + PROCESS_S * processes)


def _more_than_no_op(results: Results, one: Limit) -> Seen:
    wall, no_op = (results.median(one.workload, name, "vgit") for name in (one.operation, "no-op-reload"))
    return None if wall is None or no_op is None else (wall - no_op, one.limit)


def _slow_down(results: Results, one: Limit) -> Seen:
    seen = results.median(one.workload, one.operation, "vgit", "slow_down")
    return None if seen is None else (seen, one.limit)


def _memory(results: Results, one: Limit) -> Seen:
    peaks = (results.median(one.workload, name, "vgit", "peak_bytes") for name in results.operations(one.workload))
    known = [peak for peak in peaks if peak is not None]
    return (max(known) / 1e6, one.limit) if known else None


RULES: dict[str, tuple[Callable[[Results, Limit], Seen], str]] = {
    "seconds": (_seconds, "{:.3g} s"),
    "times cp": (_times_cp, "{:.2f} x cp"),
    "times blake3": (_times_blake3, "{:.2f} x BLAKE3"),
    "best peer": (_of_all_peers, "{:.2f} x the best peer"),
    "best sharing peer": (_of_sharing_peers, "{:.2f} x the best peer that shares chunks"),
    "cpu": (_cpu_per_gib, "{:.2f} CPU s a GiB"),
    "added": (_added, "{:.2f} MiB added"),
    "no-op reload": (_no_op_reload, "{:.3g} s"),
    "more": (_more_than_no_op, "{:.3g} s more than a no-op reload"),
    "slow-down": (_slow_down, "last tenth {:.2f} x the first"),
    "memory": (_memory, "{:.0f} MB at most"),
}

LIMITS = [
    Limit("small", "first-commit", "times cp", 1.0),
    Limit("small", "first-commit", "best peer", 1.0),
    Limit("tiny", "first-commit", "times cp", 0.4),
    Limit("tiny", "first-commit", "best peer", 1.0),
    *(
        Limit(large, "first-commit", rule, limit)
        for large in ("weights", "checkpoint")
        for rule, limit in (("times cp", 2.5), ("cpu", 2.4), ("best sharing peer", 1.0))
    ),
    *(
        Limit("weights", edit, rule, limit)
        for edit in ("edit-overwrite", "edit-insert", "edit-append")
        for rule, limit in (("times blake3", 2.0), ("added", 2.0))
    ),
    Limit("tiny", "edit-ten", "seconds", 0.9),
    Limit("tiny", "edit-ten", "added", 2.0),
    Limit("tiny", "no-op-commit", "seconds", 0.55),
    Limit("tiny", "library:no-op-commit", "seconds", 0.4),
    Limit("tiny", "switch", "seconds", 0.5),
    Limit("tiny", "library:switch", "seconds", 0.5),
    *(
        Limit(workload, "checkout", rule, limit)
        for workload, times_cp in (("small", 0.9), ("tiny", 0.7), ("weights", 1.5), ("checkpoint", 1.5))
        for rule, limit in (("times cp", times_cp), ("best peer", 1.0))
    ),
    Limit("tiny", "library:no-op-reload", "no-op reload", 0.005),
    Limit("tiny", "reload", "more", 0.1),
    Limit("tiny", "list", "seconds", 0.8),
    Limit("weights", "library:read-range", "seconds", 0.005),
    Limit("weights", "read-range", "seconds", 0.25),
    Limit("history", "library:one-file-commit", "seconds", 0.008),
    Limit("history", "library:one-file-commit", "slow-down", 1.3),
    Limit("history", "log", "seconds", 0.25),
    Limit("history", "log-path", "seconds", 0.4),
    *(Limit(large, "all", "memory", 200) for large in ("weights", "checkpoint")),
    *(Limit(many, "all", "memory", 100 + FULL[many].files * 0.0005) for many in ("small", "tiny")),
]


def judge(results: Results) -> Iterator[Verdict]:
    """Yield a verdict for each limit of the workloads that were run. For runs of full size."""
    for one in LIMITS:
        if one.workload in results.workloads():
            yield _judge(results, one)
    yield from _judge_growth(results)


def _judge(results: Results, one: Limit) -> Verdict:
    rule, shown = RULES[one.rule]
    found = rule(results, one)
    if found is None:
        return Verdict(one, shown.format(one.limit), "not measured", "no verdict")
    seen, limit = found
    verdict = "met" if seen <= limit else "NOT MET"
    if not results.steady_rounds(one.workload):
        verdict = "no verdict"
    return Verdict(one, shown.format(limit), shown.format(seen), verdict)


def _judge_growth(results: Results) -> Iterator[Verdict]:
    """Compare the time for each file, or byte, of the largest growth workload with that of the smallest."""
    for kind in ("files-", "bytes-"):
        names = [name for name in results.workloads() if name.startswith(kind)]
        if len(names) < 2:
            continue
        amounts = {name: float(name.removeprefix(kind).removesuffix("GiB")) for name in names}
        least, most = min(names, key=amounts.__getitem__), max(names, key=amounts.__getitem__)
        for operation in results.operations(most):
            walls = [results.median(name, operation, "vgit") for name in (least, most)]
            if operation not in GROWTH_OPERATIONS or None in walls:
                continue
            seen = (walls[1] / amounts[most]) / (walls[0] / amounts[least])  # type: ignore[operator]
            steady = all(results.steady_rounds(name) for name in (least, most))
            verdict = ("met" if seen <= 1.3 else "NOT MET") if steady else "no verdict"
            limit = Limit(f"{least} to {most}", operation, "growth", 1.3)
            yield Verdict(limit, "1.30 x the time each", f"{seen:.2f} x the time each", verdict)
