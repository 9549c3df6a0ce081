"""Results: what was measured, as JSON and as medians over the rounds that were steady."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
REFERENCE = "cp"
STEADY = 1.3  # the slowest cp of a round may take so many times as long as its fastest
OPERATIONS = (
    *("first-commit", "no-op-commit", "edit-ten", "edit-overwrite", "edit-insert", "edit-append"),
    *("checkout", "no-op-reload", "reload", "switch", "list", "read-file", "read-range", "get", "put"),
    *("commits", "log", "log-path", "diff", "library"),
)
_PROBES = ("first-commit", "checkout")  # both are `cp -a` of everything into nothing


@dataclass(frozen=True)
class Sample:
    """One operation of one tool in one round."""

    workload: str
    round: int
    tool: str
    operation: str
    wall_s: float
    cpu_s: float | None = None  # none for what is measured within a program
    peak_bytes: int | None = None
    stored_bytes: int | None = None  # by the tool, afterwards
    added_bytes: int | None = None  # to what it stored, by this operation
    extra: dict[str, float] = field(default_factory=dict)


class Results:
    """The samples of one run, and what was measured on."""

    def __init__(self, about: dict[str, Any], samples: Iterable[Sample] = ()) -> None:
        self.about = about
        self.samples = list(samples)

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what ``save`` wrote; ValueError for anything else."""
        data = json.loads(path.read_text())
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError(f"{path} is not a result file of version {VERSION} of tools/bench")
        return cls(data["about"], (Sample(**sample) for sample in data["samples"]))

    def save(self, path: Path) -> None:
        data = {"version": VERSION, "about": self.about, "samples": [asdict(sample) for sample in self.samples]}
        path.write_text(json.dumps(data, indent=1) + "\n")

    def workloads(self) -> list[str]:
        return list(dict.fromkeys(sample.workload for sample in self.samples))

    def tools(self, workload: str) -> list[str]:
        return list(dict.fromkeys(sample.tool for sample in self.samples if sample.workload == workload))

    def operations(self, workload: str) -> list[str]:
        """Return the operations of a workload in the order of reports; figures from within a program come last."""
        found = dict.fromkeys(sample.operation for sample in self.samples if sample.workload == workload)
        return sorted(found, key=lambda name: OPERATIONS.index(name.partition(":")[0]))

    def spread(self, workload: str, round: int) -> float | None:
        """Return how many times as long the slowest ``cp -a`` of a round took as its fastest; None without any."""
        found = [
            sample.wall_s
            for sample in self.samples
            if (sample.workload, sample.round, sample.tool) == (workload, round, REFERENCE)
            and sample.operation in _PROBES
        ]
        return max(found) / min(found) if len(found) > 1 else None

    def rounds(self, workload: str) -> list[int]:
        return sorted({sample.round for sample in self.samples if sample.workload == workload})

    def steady_rounds(self, workload: str) -> list[int]:
        """Return the rounds in which ``cp`` was steady, so that verdicts count."""
        spreads = {round: self.spread(workload, round) for round in self.rounds(workload)}
        return [round for round, spread in spreads.items() if spread is not None and spread <= STEADY]

    def select(self, workload: str, operation: str, tool: str) -> list[Sample]:
        """Return the samples of steady rounds; of all rounds where none was."""
        found = [
            sample
            for sample in self.samples
            if (sample.workload, sample.operation, sample.tool) == (workload, operation, tool)
        ]
        steady = self.steady_rounds(workload)
        return [sample for sample in found if sample.round in steady] or found

    def median(self, workload: str, operation: str, tool: str, what: str = "wall_s") -> float | None:
        """Return the median of a field of the samples, or of a name in their ``extra``; None if there is none."""
        found = [
            getattr(sample, what) if hasattr(sample, what) else sample.extra.get(what)
            for sample in self.select(workload, operation, tool)
        ]
        numbers = [number for number in found if number is not None]
        return statistics.median(numbers) if numbers else None

    def reference(self, workload: str) -> float | None:
        """Return what ``cp -a`` and a flush take for all files."""
        return self.median(workload, "first-commit", REFERENCE)

    def best_peer(self, workload: str, operation: str, among: Iterable[str] | None = None) -> tuple[float, str] | None:
        """Return time and name of the fastest tool that is neither vgit nor the reference."""
        names = set(self.tools(workload) if among is None else among) - {"vgit", REFERENCE}
        timed = ((self.median(workload, operation, name), name) for name in names)
        return min(((wall, name) for wall, name in timed if wall is not None), default=None)
