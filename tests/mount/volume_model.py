"""Volume_model: what a commit and a reload must come to, told by plain dictionaries.

A state is path → ``Thing``. ``merged`` is the table of docs/merge.md said once
more, naively; ``check_reloaded`` demands of a reload what was promised, and
returns what the mount has seen from then on.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import NamedTuple, TypeAlias

from tests.mount.conftest import Bench
from vgit.content import read_content
from vgit.paths import Path


class Thing(NamedTuple):
    kind: str
    mode: int
    mtime_ns: int  # 0 of a directory; 0 also where stock git wrote it, and nobody knows
    content: bytes | None

    @property
    def is_directory(self) -> bool:
        return self.kind == "d"


State: TypeAlias = dict[Path, Thing]
KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}


def on_disk(root: str) -> State:
    found: State = {}
    for directory, names, files in os.walk(root):
        if directory == root:
            names.remove(".vgit")
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = KINDS[stat.S_IFMT(status.st_mode)]
            content = None
            if kind == "f":
                content = FilePath(path).read_bytes()
            elif kind == "l":
                content = os.readlink(path).encode()
            mtime_ns = 0 if kind == "d" else status.st_mtime_ns
            parts = tuple(os.path.relpath(path, root).split("/"))
            found[parts] = Thing(kind, stat.S_IMODE(status.st_mode), mtime_ns, content)
    return found


def at_head(bench: Bench) -> State:
    found: State = {}
    with bench.repository() as repository:
        for path, entry in bench.published().items():
            kind = KINDS[stat.S_IFMT(entry.mode)]
            content = None
            if kind in "fl":
                content = b"".join(bytes(piece) for piece in read_content(repository.objects, entry))
            mtime_ns = 0 if kind == "d" else entry.mtime_ns
            found[tuple(path.split("/"))] = Thing(kind, stat.S_IMODE(entry.mode), mtime_ns, content)
    return found


def same(one: Thing | None, other: Thing | None) -> bool:
    """Whether kind and content are the same."""
    if one is None or other is None:
        return one is other
    return (one.kind, one.content) == (other.kind, other.content)


def equal(one: Thing | None, other: Thing | None) -> bool:
    """Whether nothing at all differs; a link's mode means nothing, and an unknown mtime is any."""
    if one is None or other is None:
        return one is other
    times = one.mtime_ns == other.mtime_ns or 0 in (one.mtime_ns, other.mtime_ns)
    return same(one, other) and times and (one.kind == "l" or one.mode == other.mode)


def differing(one: State, other: State) -> set[Path]:
    return {path for path in one.keys() | other.keys() if not equal(one.get(path), other.get(path))}


class _Merge:
    """One commit: head as it was, what the writer saw and what it has."""

    def __init__(self, head: State, seen: State, mine: State) -> None:
        self.before, self.seen, self.mine = head, seen, mine
        self.result = dict(head)
        self.lost: set[Path] = set()

    def run(self) -> None:
        edits = differing(self.seen, self.mine)
        made = {path for path in edits if path in self.mine and not same(self.mine[path], self.seen.get(path))}
        for path in sorted(made):
            self._make(path)
        for path in sorted(edits - made, reverse=True):
            if path in self.mine:
                self._set_metadata(path)
            else:
                self._remove(path)

    def _drop(self, path: Path, instead: Thing | None = None) -> None:
        gone = self.result.pop(path)
        if not gone.is_directory and path in self.before:
            there = self.before[path]
            if not same(there, self.seen.get(path)) and not same(there, instead):
                self.lost.add(path)

    def _below(self, path: Path) -> list[Path]:
        return [other for other in self.result if len(other) > len(path) and other[: len(path)] == path]

    def _make(self, path: Path) -> None:
        for depth in range(1, len(path)):
            parent = path[:depth]
            if parent in self.result and not self.result[parent].is_directory:
                self._drop(parent)
            if parent not in self.result:
                self.result[parent] = Thing("d", self.mine[parent].mode, 0, None)
        new, there = self.mine[path], self.result.get(path)
        if not new.is_directory:
            for below in self._below(path):
                self._drop(below)
        if there is not None and not (there.is_directory and new.is_directory) and not equal(there, new):
            self._drop(path, new)
        self.result[path] = new

    def _remove(self, path: Path) -> None:
        there = self.result.get(path)
        if there is None:
            return
        if self.seen[path].is_directory:
            if there.is_directory and not self._below(path):
                del self.result[path]
        elif not there.is_directory:
            self._drop(path)

    def _set_metadata(self, path: Path) -> None:
        new, seen, there = self.mine[path], self.seen[path], self.result.get(path)
        if there is None or there.kind != new.kind:
            return
        if new.kind != "l" and new.mode != seen.mode:
            there = there._replace(mode=new.mode)
        if same(there, new) and new.mtime_ns != seen.mtime_ns and not new.is_directory:
            there = there._replace(mtime_ns=new.mtime_ns)
        self.result[path] = there


def merged(head: State, seen: State, mine: State) -> tuple[State, set[Path]]:
    """Return head after the commit, and the receipt."""
    merge = _Merge(head, seen, mine)
    merge.run()
    return merge.result, merge.lost


def check_reloaded(head: State, seen: State, before: State, after: State) -> State:
    """Demand that local changes stayed and all else is head's; return what is seen now."""
    local = differing(seen, before)
    result: State = {}
    for path in head.keys() | seen.keys() | before.keys() | after.keys():
        wanted, old, now = head.get(path), seen.get(path), after.get(path)
        if path in local:
            _check_local(path, wanted, old, before.get(path), now)
        elif not any(_related(path, other) for other in local):
            assert equal(now, wanted), f"{path} is {now}, head has {wanted}, nothing here was changed"
        taken: Thing | None
        undated = wanted is not None and wanted.mtime_ns == 0 and wanted.kind in "fl"
        if equal(now, wanted) and not (path in local and undated):
            taken = now
        elif path in local:
            taken = old
        elif now is not None and now.is_directory and wanted is not None and wanted.is_directory:
            taken = wanted
        else:
            taken = old if now is not None else None
        if taken is not None:
            result[path] = taken
    return result


def _related(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _check_local(path: Path, wanted: Thing | None, old: Thing | None, had: Thing | None, now: Thing | None) -> None:
    if had is None:
        assert old is not None
        if not old.is_directory:
            assert now is None or (wanted is not None and wanted.is_directory), f"removal of {path} undone: {now}"
    elif not had.is_directory:
        assert equal(now, had) or (equal(now, wanted) and same(had, wanted)), f"{path} lost: {had} -> {now}"
    elif old is not None and old.is_directory:
        assert now is None or not now.is_directory or now.mode == had.mode, f"mode of {path} lost"
    else:
        assert now is not None and now.is_directory, f"new directory {path} lost"


def show(one: State, other: State, paths: Iterable[Path]) -> str:
    return "\n".join(f"{'/'.join(path)}: {one.get(path)} | {other.get(path)}" for path in sorted(paths))
