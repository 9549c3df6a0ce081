"""Test_chunk_tree: the format, what stock git makes of it, and what is left when stock git edited it."""

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from pyfastcdc.py.constants import GEAR

from tests import gitjudge
from tests.content.contents import (
    MIB,
    chunks_of,
    get,
    new_store,
    noise,
    put,
    put_bytes,
    tree_entries,
    write_tree,
)
from vgit.backend.local import LocalBackend
from vgit.content import StoredContent, chunk_tree_info
from vgit.content.chunk_tree import ChunkTreeWriter, require_chunk_tree
from vgit.content.chunk_tree_record import (
    FileRecord,
    encode_file_record,
    encode_group_record,
    parse_file_record,
    parse_group_record,
)
from vgit.content.chunker import GROUP_MAX, GROUP_MIN, MAX_SIZE, MIN_SIZE, Chunker, ends_group
from vgit.errors import CorruptObjectError
from vgit.ids import BlobId, ObjectId, TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB

DATA = noise(12 * MIB)
STORE = new_store()
CONTENT = put(STORE, DATA)[0]


def put_blob(store: ObjectDatabase, data: bytes) -> BlobId:
    with store.writer() as writer:
        id = writer.write_blob(data)
        writer.sync()
        return id


def documented_cut(data: bytes) -> int:
    """The first chunk's size, as docs/format/content.md has it."""
    n = min(len(data), MAX_SIZE)
    if n <= MIN_SIZE:
        return n
    value = 0
    for position in range(MIN_SIZE, n // 2 * 2):
        value = (2 * value + GEAR[data[position]]) % 2**64
        mask = 0x0000D91707537000 if position < 262144 else 0x0000D90703537000
        if value & mask == 0:
            return position
    return n


@pytest.mark.parametrize("seed", range(5))
def test_cutting_is_as_documented(seed: int) -> None:
    data = noise(700_001 + seed, seed)
    for piece in (data, data[:200_001], data[:65536], data[:65537]):
        assert Chunker().cut(memoryview(piece), at_end=True)[0] == documented_cut(piece)


def test_the_gear_table_is_the_documented_one() -> None:
    table = b"".join(value.to_bytes(8, "little") for value in GEAR)
    assert (GEAR[0], GEAR[255]) == (0x3B5D3C7D207E37DC, 0xAABD2B2A451504E1)
    assert blake3(table).hexdigest() == "9af822d1e10df25d0157a43ccd0a73b56d1c1d0a5d77acb4e6e979522d0fe149"


def test_the_format_does_not_change() -> None:
    """A tree that has been stored stays the tree of its bytes: never edit these."""
    assert CONTENT.id.hex() == "c8e156654c12944d86109002b24842311c322160"
    assert put_bytes(STORE, bytes(5 * MIB)).id.hex() == "2ebf3cdb78868a09ffe4a608b88ce30a38ea8c0d"
    record = STORE.read_kind(tree_entries(STORE, CONTENT.id)[0].id, BLOB)
    assert record.decode().splitlines()[:4] == [
        "vgit file 1",
        "size 12582912",
        f"blake3 {blake3(DATA).hexdigest()}",
        "chunking fastcdc-2020 65536 262144 1048576 1",
    ]


def test_group_borders() -> None:
    """Function of the chunks alone: 64 to 1,024 of them, and the same ones again after an insertion."""
    hashes = [blake3(b"%d" % i).digest() for i in range(30_000)]

    def groups(of: list[bytes]) -> list[int]:
        ends, count = [], 0
        for i, digest in enumerate(of):
            count += 1
            if ends_group(digest, count):
                ends.append(i)
                count = 0
        return ends

    ends = groups(hashes)
    sizes = [b - a for a, b in pairwise(ends)]
    assert min(sizes) >= GROUP_MIN
    assert max(sizes) <= GROUP_MAX
    shifted = {end - 1 for end in groups([bytes([255] * 32), *hashes])}
    assert len(set(ends) - shifted) < len(ends) // 10
    assert not any(ends_group(bytes([255] * 32), count) for count in range(1, GROUP_MAX))
    assert ends_group(bytes([255] * 32), GROUP_MAX)


def test_many_groups() -> None:
    """A tree of 3,000 made-up chunks: names, sizes and offsets fit."""
    store = new_store()
    id = put_blob(store, b"x" * 100)
    with store.writer() as writer:
        tree = ChunkTreeWriter(writer)
        for i in range(3000):
            tree.add(id, 100, blake3(b"%d" % i).digest())
        content = StoredContent(TREE_MODE, tree.finish(bytes(32)), 300_000, bytes(32))
        writer.sync()
    chunks = chunks_of(store, content)
    assert [chunk.offset for chunk in chunks] == [100 * i for i in range(3000)]
    groups = require_chunk_tree(store, TreeId(content.id)).groups
    assert len(groups) > 5
    names = [entry.name for entry in tree_entries(store, content.id)]
    assert names == [b".vgit", *(b"%016x" % group.offset for group in groups)]


HASHES = st.binary(min_size=32, max_size=32)


@given(st.integers(0, 10**18), HASHES, HASHES)
def test_file_record_round_trip(size: int, hash: bytes, digest: bytes) -> None:
    record = FileRecord(size, hash, "fastcdc-2020 1 2 3 4", digest)
    text = encode_file_record(record)
    assert parse_file_record(text) == record
    assert parse_file_record(text + b"\n") is None
    assert parse_file_record(text[:-1]) is None
    assert parse_file_record(text.replace(b"\n", b"\r\n")) is None
    assert parse_file_record(text.replace(b"size ", b"size 0")) in (None, record)


@given(st.lists(st.tuples(st.integers(1, MAX_SIZE), HASHES), min_size=1, max_size=20))
def test_group_record_round_trip(chunks: list[tuple[int, bytes]]) -> None:
    text = encode_group_record(chunks)
    assert parse_group_record(text) == chunks
    assert parse_group_record(text[:-1]) is None
    assert parse_group_record(text + b" ") is None
    assert parse_group_record(text.replace(b"group 1", b"group 2")) is None


@pytest.mark.parametrize("line", ["0 %s", "01 %s", "-1 %s", "+1 %s", "99999999 %s", "1  %s", "1 %s ", "1 %sa", "١ %s"])
def test_group_records_are_parsed_strictly(line: str) -> None:
    assert parse_group_record(b"vgit group 1\n" + (line % ("a" * 64)).encode() + b"\n") is None
    assert parse_group_record(b"vgit group 1\n") is None
    assert parse_group_record(b"vgit group 1\n" + b"1 " + b"A" * 64 + b"\n") is None
    assert parse_group_record(b"vgit group 1\n" + (b"1 " + b"a" * 64 + b"\n") * 1025) is None


def test_stock_git_and_cat_give_the_file_back(tmp_path: Path, git: Callable[..., bytes]) -> None:
    repository = gitjudge.init_bare(tmp_path / "volume.git")
    store = ObjectDatabase(LocalBackend(str(repository)))
    content, _ = put(store, DATA)
    root = write_tree(store, [GitEntry(TREE_MODE, b"model.bin", content.id)])
    commit = git(repository, "commit-tree", "-m", "x", root.hex()).strip()
    git(repository, "update-ref", "refs/heads/main", commit)
    gitjudge.run(repository, "fsck", "--strict", "--full")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x"], input=git(repository, "archive", "main"), cwd=tmp_path / "out", check=True)
    script = 'for g in model.bin/[0-9a-f]*/; do cat "$g"*; done'
    assert subprocess.check_output(["sh", "-c", script], cwd=tmp_path / "out") == DATA


def edit_group(change: Callable[[list[GitEntry]], list[GitEntry]]) -> TreeId:
    """Return CONTENT's tree as stock git would leave it after ``change`` to the chunks of its group."""
    record, group = tree_entries(STORE, CONTENT.id)
    entries = tree_entries(STORE, group.id)
    edited = write_tree(STORE, [entries[0], *change(entries[1:])])
    return write_tree(STORE, [record, group._replace(id=ObjectId(edited))])


def as_content(id: TreeId) -> StoredContent:
    info = chunk_tree_info(STORE, id)
    assert info is not None
    assert info[1] is None, "what stock git edited has no known BLAKE3"
    return StoredContent(TREE_MODE, id, info[0], None)  # type: ignore[arg-type]


def test_an_edited_chunk_tree_is_what_its_chunks_give() -> None:
    short = put_blob(STORE, b"short")
    long = put_blob(STORE, noise(9 * MIB, 3))
    first, _, *rest = chunks_of(STORE, CONTENT)
    tail = DATA[rest[0].offset :]
    one = DATA[: first.size]
    for new, middle in ((short, b"short"), (long, noise(9 * MIB, 3))):
        id = edit_group(lambda chunks, new=new: [chunks[0], chunks[1]._replace(id=new), *chunks[2:]])
        assert get(STORE, as_content(id)) == one + middle + tail
        assert get(STORE, as_content(id), first.size - 1, 5) == (one + middle + tail)[first.size - 1 :][:5]
    removed = edit_group(lambda chunks: [chunks[0], *chunks[2:]])
    assert get(STORE, as_content(removed)) == one + tail
    executable = edit_group(lambda chunks: [chunks[0]._replace(mode=EXECUTABLE_MODE), *chunks[1:]])
    assert get(STORE, as_content(executable)) == DATA
    again, _ = put(STORE, DATA, StoredContent(TREE_MODE, removed, 0, CONTENT.hash))
    assert again == CONTENT


def test_an_edited_record_gives_the_same_bytes() -> None:
    record, group = tree_entries(STORE, CONTENT.id)
    text = STORE.read_kind(record.id, BLOB)
    others = [b"vgit file 2\n", text + b"more\n", text.replace(b"groups ", b"groups  ")]
    for other in (*others, text[:-65] + b"0" * 64 + b"\n"):
        id = write_tree(STORE, [record._replace(id=put_blob(STORE, other)), group])
        assert get(STORE, as_content(id)) == DATA
    no_groups = write_tree(STORE, [record])
    assert as_content(no_groups).size == 0
    assert get(STORE, as_content(no_groups)) == b""


@pytest.mark.parametrize("name", [b"README", b"0000000A", b"000000", b"000000000"])
def test_other_names_make_it_a_directory(name: bytes) -> None:
    text = put_blob(STORE, b"hello")
    record, group = tree_entries(STORE, CONTENT.id)
    above = write_tree(STORE, [record, group, GitEntry(FILE_MODE, name, text)])
    below = edit_group(lambda chunks: [*chunks, GitEntry(FILE_MODE, name, text)])
    link = edit_group(lambda chunks: [chunks[0]._replace(mode=SYMLINK_MODE), *chunks[1:]])
    no_record = write_tree(STORE, [group])
    other_record = write_tree(STORE, [record._replace(id=text), group])
    for id in (above, below, link, no_record, other_record):
        assert chunk_tree_info(STORE, id) is None


def forged(lines: list[tuple[int, bytes]], chunks: list[GitEntry]) -> TreeId:
    """Return a chunk tree whose digest is right and whose group record is ``lines``."""

    class Lying(ChunkTreeWriter):
        def _end_group(self) -> None:
            self._lines = lines
            self._entries = chunks
            super()._end_group()

    with STORE.writer() as writer:
        tree = Lying(writer)
        for chunk in chunks_of(STORE, CONTENT):
            tree.add(chunk.id, chunk.size, chunk.hash or b"")
        id = tree.finish(CONTENT.hash)
        writer.sync()
        return id


def test_a_lying_group_record_is_an_error() -> None:
    entries = tree_entries(STORE, tree_entries(STORE, CONTENT.id)[1].id)[1:]
    lines = [(chunk.size, chunk.hash or b"") for chunk in chunks_of(STORE, CONTENT)]
    assert get(STORE, CONTENT._replace(id=forged(lines, entries))) == DATA
    for bad in (
        lines[:-1],
        [(lines[0][0] + 1, lines[0][1]), *lines[1:]],
        [(lines[0][0], bytes(32)), *lines[1:]],
        [],
    ):
        with pytest.raises(CorruptObjectError):
            get(STORE, CONTENT._replace(id=forged(bad, entries)))
