"""Entries: how files, changes and commits of the API look in lines and in JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from vgit.cli.output import local_seconds, note, quoted_name, shown_name, size
from vgit.types import Change, ChangeKind, CommitInfo, FileEntry, FileEntryType

TYPE_NAMES = {
    FileEntryType.UNSPECIFIED: "unspecified",
    FileEntryType.FILE: "file",
    FileEntryType.DIRECTORY: "dir",
    FileEntryType.SYMLINK: "link",
    FileEntryType.FIFO: "fifo",
    FileEntryType.SOCKET: "socket",
}

LETTERS = {
    ChangeKind.ADDED: "A",
    ChangeKind.CHANGED: "M",
    ChangeKind.REMOVED: "D",
    ChangeKind.RENAMED: "R",
    ChangeKind.MODE: "T",
    ChangeKind.TIME: "t",
}

_RECEIPT_LINES = 20
_TOUCHED_LINES = 20


def octal(mode: int) -> str:
    """Return permission bits as chmod takes them."""
    return f"{mode:04o}"


def change_lines(changes: Iterable[Change], *, with_size: bool = False) -> Iterator[str]:
    """Yield a line for each change; of those of times alone, which may be many and say little, only the first."""
    line = change_line_with_size if with_size else change_line
    touched = 0
    for change in changes:
        touched += change.kind is ChangeKind.TIME
        if change.kind is not ChangeKind.TIME or touched <= _TOUCHED_LINES:
            yield line(change)
    if touched > _TOUCHED_LINES:
        note(f"t\t… and {touched - _TOUCHED_LINES} more of which only the time changed (--json has them)")


def change_line(change: Change) -> str:
    """Return a letter and the path, with tabs between: ``M	model.bin``, ``R	old	new``."""
    parts = [LETTERS[change.kind]]
    if change.kind is ChangeKind.RENAMED and change.old is not None:
        parts.append(quoted_name(change.old.path))
    parts.append(quoted_name(change.path) or "/")
    return "\t".join(parts)


def change_line_with_size(change: Change) -> str:
    """Return ``change_line`` with what it is: sizes of a file that changed, modes or times where those did."""
    old, new = change.old, change.new
    if change.kind is ChangeKind.MODE and old is not None and new is not None:
        about = f"{octal(old.mode)} -> {octal(new.mode)}"
    elif change.kind is ChangeKind.TIME and old is not None and new is not None:
        about = f"{local_seconds(old.mtime)} -> {local_seconds(new.mtime)}"
    elif old is not None and new is not None and old.size != new.size:
        about = f"{size(old.size)} -> {size(new.size)}"
    else:
        one = new or old
        assert one is not None, "a change has an entry before or after it"
        about = size(one.size) if one.type is FileEntryType.FILE else TYPE_NAMES[one.type]
    return f"{change_line(change)}\t{about}"


def change_json(change: Change) -> dict[str, object]:
    """Return a change for JSON."""
    return {
        "path": change.path,
        "kind": change.kind.value,
        "old": _entry_json(change.old),
        "new": _entry_json(change.new),
    }


def _entry_json(entry: FileEntry | None) -> dict[str, object] | None:
    if entry is None:
        return None
    return {**asdict(entry), "type": TYPE_NAMES[entry.type], "mode": octal(entry.mode)}


def commit_json(info: CommitInfo) -> dict[str, object]:
    """Return a commit for JSON."""
    return {**asdict(info), "time": info.time.isoformat()}


def counts_line(info: CommitInfo) -> str:
    """Return what a commit did, for people."""
    counts = f"{info.added} added, {info.changed} changed, {info.removed} removed"
    if info.touched:
        counts += f", {info.touched} touched"
    elif not (info.added or info.changed or info.removed):  # they count files
        counts = "no file" if info.parent is not None else "empty"
    # Not known of what stock git pushed, and nothing if all of it was stored already.
    return f"{counts}, {size(info.bytes_added)} stored" if info.bytes_added else counts


def receipt_lines(info: CommitInfo) -> Iterator[str]:
    """Yield what a commit overwrote unseen and what was being written while it was stored; long lists are cut."""
    yield from _listed("overwrote", info.overwrote, max(info.overwrote_count, len(info.overwrote)))
    yield from _listed("unstable", info.unstable, len(info.unstable))


def _listed(word: str, paths: tuple[str, ...], count: int) -> Iterator[str]:
    for path in paths[:_RECEIPT_LINES]:
        yield f"{word}: {shown_name(path)}"
    if count > _RECEIPT_LINES:
        yield f"{word}: … and {count - _RECEIPT_LINES} more (--json has them)"
