"""Patch: a change of a text file in git's unified format, which `git apply` and `patch -p1` read.

Files that are not text, or larger than ``LARGEST``, are only named. Directories,
FIFOs and sockets, which git's format does not have, are left out.
"""

from collections.abc import Iterator
from typing import Protocol

from dulwich.patch import unified_diff

from vgit.cli.output import quoted_name
from vgit.paths import encode_name
from vgit.types import Change, FileEntry, FileEntryType

LARGEST = 1 << 20  # comparing lines costs far more than reading them
_BINARY_PROBE = 8000  # as git: a file is binary if a NUL is in its first 8,000 bytes
_KINDS = {FileEntryType.FILE: 0o100000, FileEntryType.SYMLINK: 0o120000}
_ANY_BYTES = "latin-1"  # has a character for each byte: names come out as they are given, whatever they are


class Files(Protocol):
    """Where the bytes of one side are."""

    def read_file(self, path: str, /) -> Iterator[bytes]:
        """Yield a file's bytes."""


def patch_of(change: Change, before: Files, after: Files) -> Iterator[bytes]:
    """Yield the patch of one change between two states, nothing for what git's format does not have.

    A file that became a symlink, or the other way round, is removed and added, as git tells it.
    """
    old = change.old if change.old is not None and change.old.type in _KINDS else None
    new = change.new if change.new is not None and change.new.type in _KINDS else None
    if old is not None and new is not None and old.type is not new.type:
        yield from _patch(old, None, before, after)
        yield from _patch(None, new, before, after)
    elif old is not None or new is not None:
        yield from _patch(old, new, before, after)


def _patch(old: FileEntry | None, new: FileEntry | None, before: Files, after: Files) -> Iterator[bytes]:
    one = new or old
    assert one is not None, "the caller has an entry before or after"
    old_path, new_path = (old or one).path, one.path
    names = _quoted("a/", old_path), _quoted("b/", new_path)
    header = [b"diff --git %b %b\n" % names, *_mode_lines(old, new)]
    if old is not None and new is not None and old_path != new_path:
        header.append(b"rename from %b\nrename to %b\n" % (_quoted("", old_path), _quoted("", new_path)))
    texts = _read(old, before), _read(new, after)
    if len(header) == 1 and _is_same(old, new, texts):
        return  # another time, or a mode that is the same to git: it has no words for that
    yield from header
    if texts[0] == texts[1] and None not in texts:
        return
    if any(text is None or b"\0" in text[:_BINARY_PROBE] for text in texts):
        if not _is_same(old, new, texts):
            yield b"Binary files %b and %b differ\n" % _sides(old, new, names)
        return
    lines = [_lines(text) for text in texts if text is not None]
    sides = [side + b"\t" if b" " in side and side[:1] != b'"' else side for side in _sides(old, new, names)]
    yield from unified_diff(
        lines[0], lines[1], sides[0], sides[1], tree_encoding=_ANY_BYTES, output_encoding=_ANY_BYTES
    )


def _is_same(old: FileEntry | None, new: FileEntry | None, texts: tuple[bytes | None, bytes | None]) -> bool:
    """Whether both are files of the same content, as far as is known of those too large to be read."""
    if old is None or new is None:
        return False
    return old.hash == new.hash if old.hash is not None else texts[0] == texts[1] and None not in texts


def _mode_lines(old: FileEntry | None, new: FileEntry | None) -> Iterator[bytes]:
    if old is None and new is not None:
        yield b"new file mode %o\n" % _mode(new)
    elif new is None and old is not None:
        yield b"deleted file mode %o\n" % _mode(old)
    elif old is not None and new is not None and _mode(old) != _mode(new):
        yield b"old mode %o\nnew mode %o\n" % (_mode(old), _mode(new))


def _mode(entry: FileEntry) -> int:
    """Return the mode that git has for an entry: of a file's permissions only whether its owner may execute it."""
    if entry.type is FileEntryType.SYMLINK:
        return _KINDS[entry.type]
    return _KINDS[entry.type] | (0o755 if entry.mode & 0o100 else 0o644)


def _sides(old: FileEntry | None, new: FileEntry | None, names: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return names[0] if old is not None else b"/dev/null", names[1] if new is not None else b"/dev/null"


def _read(entry: FileEntry | None, state: Files) -> bytes | None:
    """Return a file's bytes, nothing for no file; None if they are too many."""
    if entry is None:
        return b""
    return b"".join(state.read_file(entry.path)) if entry.size <= LARGEST else None


def _lines(text: bytes) -> list[bytes]:
    """Split at line feeds alone, which are what ends a line in a patch."""
    lines = text.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _quoted(prefix: str, path: str) -> bytes:
    return encode_name(quoted_name(prefix + path))
