"""Rounds: every tool in turn, on the same files, several times; one sample for each operation.

In each round ``cp`` goes first and last: how far its times are apart says
whether the machine was quiet enough in between for a verdict.
"""

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark.measuring import Command, CommandFailed, flush, in_child, measure, tree_bytes, tree_outline, warm_memory
from benchmark.peer import RANGE_BYTES, Peer
from benchmark.places import Places
from benchmark.results import REFERENCE, Sample
from benchmark.workloads import Edit, Workload

Say = Callable[[str], None]


class Step(NamedTuple):
    """One operation; ``builds`` if later ones need what it makes."""

    name: str
    run: Callable[[], None]
    builds: bool = False


def run_workload(
    workload: Workload, peers: list[type[Peer]], places: Places, rounds: int, only: Collection[str], say: Say
) -> Iterator[Sample]:
    """Yield the samples of all rounds. A tool that fails is named, and its remaining operations are left out."""
    others = [peer for peer in peers if peer.name != REFERENCE]
    reference = [peer for peer in peers if peer.name == REFERENCE]
    for number in range(rounds):
        for peer in (*reference, *others, *reference):
            say(f"{workload.name}, round {number + 1} of {rounds}: {peer.name}")
            with places() as place:
                turn = Turn(peer(place), workload, number)
                try:
                    turn.run(only)
                except (CommandFailed, RuntimeError) as error:
                    say(f"{peer.name} FAILED: {error}")
                yield from turn.samples


class Turn:
    """One tool with one workload in a new place."""

    def __init__(self, peer: Peer, workload: Workload, round: int) -> None:
        self.peer = peer
        self.workload = workload
        self.round = round
        self.samples: list[Sample] = []
        self._range = b""

    def run(self, only: Collection[str]) -> None:
        """Do the operations, all or those that are named and what they need."""
        self.peer.prepare()
        self.peer.work.mkdir(exist_ok=True)
        in_child(self.workload.generate, self.peer.work)
        with open(self.peer.work / self.workload.read, "rb") as file:
            file.seek(self.workload.range_at)
            self._range = file.read(RANGE_BYTES)
        steps = self._steps()
        wanted = [not only or step.name in only for step in steps]
        for index, step in enumerate(steps):
            if wanted[index] or (step.builds and any(wanted[index:])):
                flush(self.peer.place)
                in_child(warm_memory, self.workload.memory_bytes)
                step.run()

    def _steps(self) -> list[Step]:
        peer, path = self.peer, self.workload.read
        reading = [
            Step("list", lambda: self._do("list", peer.list_all())),
            Step("read-file", lambda: self._do("read-file", peer.read(path))),
            Step("read-range", self._read_range),
            Step("get", lambda: self._do("get", peer.get())),
            Step("put", lambda: self._do("put", peer.put())),
        ]
        changing = [step for edit in self.workload.edits for step in self._edit(edit)]
        return [
            Step("first-commit", self._first_commit, builds=True),
            Step("no-op-commit", lambda: self._do("no-op-commit", peer.noop(), stores=True)),
            Step("checkout", self._checkout, builds=True),
            *([] if self.workload.commits else [*changing, *reading]),
            *(self._history() if self.workload.commits else [Step("library", self._library)]),
        ]

    def _edit(self, edit: Edit) -> list[Step]:
        """Return an edit and, after the first, what needs a second commit that is small."""
        apart = edit is self.workload.edits[0]
        before = [Step("no-op-reload", lambda: self._do("no-op-reload", self.peer.reload()))] if apart else []
        after = [
            Step("reload", self._reload),
            Step("switch", lambda: self._do("switch", self.peer.switch())),
        ]
        return [*before, Step(edit.name, lambda: self._apply(edit), builds=True), *(after if apart else [])]

    def _history(self) -> list[Step]:
        peer = self.peer
        return [
            Step("commits", self._commits, builds=True),
            Step("log", lambda: self._do("log", peer.log())),
            Step("log-path", lambda: self._do("log-path", peer.log_path(self.workload.read))),
            Step("diff", lambda: self._do("diff", peer.diff_ends())),
        ]

    def _first_commit(self) -> None:
        self._do("first-commit", self.peer.commit(), stores=True)
        self.peer.remember_first()

    def _checkout(self) -> None:
        if self._do("checkout", self.peer.checkout()) is not None:
            self._expect_same(self.peer.copy)

    def _apply(self, edit: Edit) -> None:
        in_child(edit.apply, self.peer.work)
        flush(self.peer.place)
        in_child(warm_memory, self.workload.memory_bytes)
        self._do(edit.name, self.peer.commit(), stores=True)

    def _reload(self) -> None:
        if self._do("reload", self.peer.reload()) is not None:
            self._expect_same(self.peer.copy)

    def _read_range(self) -> None:
        command = self.peer.read_range(self.workload.read, self.workload.range_at)
        read = self._do("read-range", command, keep_output=True)
        if read is not None and read != self._range:
            raise RuntimeError(f"read-range gave {len(read)} bytes that are not those of the first state")

    def _commits(self) -> None:
        command = self.peer.commits_of_one_file(self.workload)
        self._within(self._do("commits", command, keep_output=True, stores=True))

    def _library(self) -> None:
        for command in self.peer.library(self.workload):
            self._within(measure(command, keep_output=True).output)

    def _within(self, output: bytes | None) -> None:
        """Take the figures that a child measured itself."""
        for operation, figure in json.loads(output or b"{}").items():
            self.samples.append(self._sample(operation, **figure))

    def _do(
        self, operation: str, command: Command | None, *, stores: bool = False, keep_output: bool = False
    ) -> bytes | None:
        """Measure a command; return its output, or None where the tool has no such operation."""
        if command is None:
            return None
        before = in_child(tree_bytes, self.peer.stored()) if stores else 0
        figures = measure(command, keep_output=keep_output)
        sizes = {}
        if stores:
            after = in_child(tree_bytes, self.peer.stored())
            sizes = {"stored_bytes": after, "added_bytes": after - before}
        self.samples.append(
            self._sample(operation, wall_s=figures.wall_s, cpu_s=figures.cpu_s, peak_bytes=figures.peak_bytes, **sizes)
        )
        return figures.output

    def _sample(self, operation: str, **figures: object) -> Sample:
        return Sample(self.workload.name, self.round, self.peer.name, operation, **figures)  # type: ignore[arg-type]

    def _expect_same(self, copy: Path) -> None:
        wanted, found = (in_child(tree_outline, top) for top in (self.peer.work, copy))
        if wanted != found:
            raise RuntimeError(f"checkout or reload gave {found} (files, bytes), expected {wanted}")
