"""Commit: git's commit object, with what vgit adds in headers of its own.

    tree <hex>
    parent <hex>                        0 or more
    author <name> <mail> <seconds> <zone>
    committer <name> <mail> <seconds> <zone>
    vgit-txn <32 hex> <16 hex>          transaction, seal
    vgit-base <hex>                     commit the writer had last reloaded from
    vgit-stat <added> <changed> <removed> <bytes> [<touched>]
    vgit-overwrote <count>              the receipt; then a line each, at most 1,000:
     <hex of the lost entry> <path>
    vgit-unstable <count>               paths stored while they were changing
     <path>

    <message>

``git commit --amend`` copies headers it does not know. So the seal binds ours
to the tree and the author they were written with (docs/format/commit.md): where
it does not fit, they are as good as absent.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from blake3 import blake3

from vgit.clock import Clock
from vgit.errors import CorruptObjectError
from vgit.ids import CommitId, ObjectFormat, ObjectId, TreeId
from vgit.paths import Path, decode_name, encode_name
from vgit.repository.identity import encode_text
from vgit.tree.edits import Counts
from vgit.tree.escape import escape_name, unescape_name

RECEIPT_LIMIT = 1_000  # paths named in a commit; the count beside them is always whole
_SEAL_DIGITS = 16
_HEX = re.compile(rb"[0-9a-f]*")
_IDENT = re.compile(rb"(?P<who>.*>) *(?P<seconds>-?\d{1,18}) (?P<zone>[+-]\d{4})\Z")
_HEADER_END = re.compile(rb"\n(?! )")
_STATED = (4, 5)  # numbers in vgit-stat
# They read backslashes as escapes, and warn about others: no encoding that a commit can mean.
_NOT_ENCODINGS = frozenset(("unicode-escape", "raw-unicode-escape"))


class Overwritten(NamedTuple):
    """One version that a commit replaced or removed unseen."""

    path: Path
    id: str  # hex git id of the lost entry; "-" for a FIFO or socket


class Commit(NamedTuple):
    """A commit, read or about to be written. A tuple, because a log reads 10^4 of them."""

    tree: TreeId
    parents: tuple[CommitId, ...]
    author: str  # "name <mail>"
    author_time: int  # seconds since the epoch, as the writer's clock told
    committer: str
    commit_time: int  # the same, but never before the parents'
    message: str  # as stored, usually with a newline at its end
    txn: str | None = None  # 32 hex digits
    base: CommitId | None = None
    counts: Counts | None = None  # None: not written by vgit
    overwrote: tuple[Overwritten, ...] = ()
    overwrote_count: int = 0
    unstable: tuple[Path, ...] = ()
    zone: str = "+0000"  # of both times

    @property
    def parent(self) -> CommitId | None:
        """The first parent: the state that was published before this one."""
        return self.parents[0] if self.parents else None

    @property
    def told(self) -> int:
        """When it was made, by its writer's clock: seconds since the epoch.

        The author's time where vgit wrote the commit; stock git keeps that one through amending and rebasing.
        """
        return self.author_time if self.txn is not None else self.commit_time


def format_moment(seconds: int) -> str:
    """Return a commit's time for a message: UTC, and so that ``parse_moment`` reads it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ")
    except (ValueError, OverflowError, OSError):  # stock git takes any number for a time
        return f"{seconds} seconds since 1970"


def encode_commit(commit: Commit) -> bytes:
    """Return the bytes of the git object."""
    author = f"{commit.author} {commit.author_time} {commit.zone}"
    lines = [f"tree {commit.tree.hex()}"]
    lines += [f"parent {parent.hex()}" for parent in commit.parents]
    lines.append(f"author {author}")
    lines.append(f"committer {commit.committer} {commit.commit_time} {commit.zone}")
    if commit.txn is not None:
        lines.append(f"vgit-txn {commit.txn} {_seal(commit.tree, author)}")
    if commit.base is not None:
        lines.append(f"vgit-base {commit.base.hex()}")
    if commit.counts is not None:
        counts = commit.counts
        stat = f"vgit-stat {counts.added} {counts.changed} {counts.removed} {counts.bytes_added}"
        lines.append(f"{stat} {counts.touched}" if counts.touched else stat)
    if commit.overwrote_count:
        lines.append(f"vgit-overwrote {commit.overwrote_count}")
        lines += [f" {lost.id} {escape_path(lost.path)}" for lost in commit.overwrote[:RECEIPT_LIMIT]]
    if commit.unstable:
        lines.append(f"vgit-unstable {len(commit.unstable)}")
        lines += [f" {escape_path(path)}" for path in commit.unstable[:RECEIPT_LIMIT]]
    message = commit.message.replace("\0", "").rstrip("\n") + "\n"
    return encode_text("\n".join(lines) + "\n\n" + message)


def _seal(tree: TreeId, author: str) -> str:
    return blake3(tree + encode_text(author)).hexdigest()[:_SEAL_DIGITS]


def decode_commit(id: CommitId, data: bytes, object_format: ObjectFormat) -> Commit:
    """Parse a commit object; raise CorruptObjectError if git's own headers are not there.

    A malformed name or date in them is no reason to refuse a commit that git
    itself reads: such a time is 0.
    """
    head, _, message = data.partition(b"\n\n")
    headers = _parse_headers(head)
    parent_count = next((at for at, (key, _) in enumerate(headers[1:]) if key != b"parent"), len(headers) - 1)
    fields = dict(reversed(headers))  # of two headers of one name, the first
    if headers[0][0] != b"tree" or not {b"author", b"committer"} <= fields.keys():
        raise CorruptObjectError(
            f"commit {id.hex()} begins with {data[:40]!r}, expected the headers tree, author and committer."
        )
    try:
        tree, *parents = (_parse_id(value, object_format) for _, value in headers[: 1 + parent_count])
    except ValueError as error:
        raise CorruptObjectError(f"commit {id.hex()} cannot be parsed: {error}.") from error
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
    author, author_time, zone = _parse_ident(fields[b"author"], encoding)
    committer, commit_time, _ = _parse_ident(fields[b"committer"], encoding)
    plain = Commit(
        tree=TreeId(tree),
        parents=tuple(CommitId(parent) for parent in parents),
        author=author,
        author_time=author_time,
        committer=committer,
        commit_time=commit_time,
        message=_decode_text(message, encoding),
        zone=zone,
    )
    return _with_our_headers(plain, fields, object_format)


def _parse_headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and value of each header; a line that begins with a space belongs to the one before."""
    headers: list[tuple[bytes, bytes]] = []
    # Not before "\n " again and again: a receipt has a thousand such lines.
    for header in _HEADER_END.split(head):
        key, _, value = header.partition(b" ")
        headers.append((key, value.replace(b"\n ", b"\n")))
    return headers


def _parse_id(text: bytes, object_format: ObjectFormat) -> ObjectId:
    digits = object_format.id_size * 2
    if len(text) != digits or not _HEX.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not an id of {digits} hex digits")
    return ObjectId(bytes.fromhex(text.decode()))


def _parse_ident(text: bytes, encoding: str) -> tuple[str, int, str]:
    match = _IDENT.match(text)
    if match is None:
        return _decode_text(text, encoding), 0, "+0000"
    return _decode_text(match["who"], encoding), int(match["seconds"]), match["zone"].decode()


def _decode_text(text: bytes, encoding: str) -> str:
    if encoding.lower().replace("_", "-") not in _NOT_ENCODINGS:
        try:
            return text.decode(encoding, "surrogateescape")
        except (LookupError, ValueError):
            pass  # An encoding that Python does not know, or not the one it is in: keep the bytes.
    return text.decode("utf-8", "surrogateescape")


def _with_our_headers(plain: Commit, headers: dict[bytes, bytes], object_format: ObjectFormat) -> Commit:
    """Return ``plain`` with our headers, or ``plain`` itself where they are not to be trusted."""
    txn, _, seal = headers.get(b"vgit-txn", b"").decode("ascii", "replace").partition(" ")
    if not txn or seal != _seal(plain.tree, f"{plain.author} {plain.author_time} {plain.zone}"):
        return plain
    try:
        overwrote_count, overwrote = _parse_list(headers.get(b"vgit-overwrote", b"0"))
        _, unstable = _parse_list(headers.get(b"vgit-unstable", b"0"))
        stat = [int(number) for number in headers.get(b"vgit-stat", b"").split()]
        base = headers.get(b"vgit-base")
        return plain._replace(
            txn=txn,
            base=CommitId(_parse_id(base, object_format)) if base else None,
            counts=Counts(*stat) if len(stat) in _STATED else None,
            overwrote=tuple(_parse_overwritten(line) for line in overwrote),
            overwrote_count=overwrote_count,
            unstable=tuple(unescape_path(line) for line in unstable),
        )
    except ValueError:  # somebody edited them by hand: the commit itself is still good
        return plain


def _parse_list(value: bytes) -> tuple[int, list[str]]:
    count, *lines = value.decode().split("\n")
    return int(count), lines


def _parse_overwritten(line: str) -> Overwritten:
    id, _, path = line.partition(" ")
    return Overwritten(unescape_path(path), id)


def escape_path(path: Iterable[str]) -> str:
    """Return ``path`` on one line: each name escaped as in a directory record."""
    return "/".join(escape_name(encode_name(name)) for name in path)


def unescape_path(text: str) -> Path:
    """Return the path that ``escape_path`` wrote; raise ValueError for anything else."""
    return tuple(decode_name(unescape_name(name)) for name in text.split("/"))


def commit_times(now_ns: int, parents: Sequence[Commit]) -> tuple[int, int]:
    """Return author's and committer's time of a commit made now: what the clock tells, and never before parents'."""
    told = max(0, now_ns // 1_000_000_000)  # git has no time before 1970
    return told, max([told, *(parent.commit_time for parent in parents)])


def new_transaction(clock: Clock) -> str:
    """Return the id of a new transaction, by which a commit is found again after a crash: 32 hex digits."""
    return clock.random_bytes(16).hex()
