"""Test_record_columns: a record read by columns says what it says line by line, or nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tree import trees
from vgit.ids import ObjectId
from vgit.objects.git_mode import FILE_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import TreeRow
from vgit.tree.directory_record import parse_record, split_header
from vgit.tree.entry import Entry
from vgit.tree.record_columns import read_columns

HEADER = "vgit-directory 1\n"
IDS = [ObjectId(bytes([number]) * 20) for number in (0x11, 0xA2, 0x33)]
ROWS: list[TreeRow] = [(b"100644", b"a", IDS[0]), (b"120000", b"b", IDS[1]), (b"40000", b"model.bin", IDS[2])]
NAMES = ["a", "b", "model.bin"]
HASHES = [b"\xab" * 32, b"t" * 32, b"h" * 32]
ENTRIES = [
    Entry(0o100600, FILE_MODE, IDS[0], 7, 1_700_000_000_123_456_789, HASHES[0]),
    Entry(0o120777, SYMLINK_MODE, IDS[1], 3, -1, HASHES[1]),
    Entry(0o100644, TREE_MODE, IDS[2], 5_000_000, 0, HASHES[2]),
]
LINES = "".join(
    f"{one.mode:o} {one.mtime_ns} {one.size} {hash.hex()} {id[:8].hex()} {name}\n"
    for one, hash, id, name in zip(ENTRIES, HASHES, IDS, NAMES, strict=True)
)


def line_by_line(rows: list[TreeRow], names: list[str], lines: str) -> list[Entry]:
    record = parse_record((HEADER + lines).encode("utf-8", "surrogateescape"))
    return trees.reader(trees.memory_store())._entries(rows, names, record.lines)


def test_files_and_symlinks_are_read_so() -> None:
    assert read_columns(ROWS, NAMES, LINES) == ENTRIES == line_by_line(ROWS, NAMES, LINES)
    assert all(type(entry) is Entry for entry in read_columns(ROWS, NAMES, LINES) or [])


def test_one_line_at_odds_leaves_all_to_the_other_way() -> None:
    for at, line in enumerate(LINES.splitlines(keepends=True)):
        assert read_columns(ROWS, NAMES, LINES.replace(line, "")) is None
        assert read_columns(ROWS, NAMES, LINES.replace(line, line + line)) is None
        other = [*ROWS]
        other[at] = (other[at][0], other[at][1], ObjectId(b"\x99" * 20))
        assert read_columns(other, NAMES, LINES) is None
    assert read_columns(ROWS[::-1], NAMES[::-1], LINES) is None
    assert read_columns([], [], "") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("100600 ", "100600\n"),
        (" a\n", " a "),
        (" a\n", " a\n\n"),
        ("100600", "10_600"),
        ("100600", "0100600"),
        ("100600", "10600"),
        ("120777", "100777"),
        (" 7 ", " -7 "),
        (" 7 ", " 07 "),
        (" 7 ", " +7 "),
        (" 7 ", " \u0667 "),
        (" -1 ", " -0 "),
        (" -1 ", " " + "9" * 10_000 + " "),
        ("ab" * 32, "AB" * 32),
        ("ab" * 32, "ab" * 31),
        ("ab" * 32, "-"),
        (f"{b'h'.hex() * 32}", f"{b'h'.hex() * 33}"),
        (" b\n", " B\n"),
        (" model.bin\n", " model.bin"),
    ],
)
def test_what_no_writer_writes_is_left_to_the_other_way(old: str, new: str) -> None:
    assert old in LINES
    assert read_columns(ROWS, NAMES, LINES.replace(old, new, 1)) is None


@given(st.integers(0, len(LINES)), st.integers(0, 70), st.text(st.sampled_from("01 29-afAX\n\t%\udcff_+"), max_size=3))
@example(0, 0, "")
def test_it_never_comes_to_something_else(at: int, cut: int, put: str) -> None:
    lines = LINES[:at] + put + LINES[at + cut :]
    found = read_columns(ROWS, NAMES, lines)
    assert found is None or found == line_by_line(ROWS, NAMES, lines)


def test_the_header_must_be_as_it_should() -> None:
    assert split_header((HEADER + LINES).encode()) == (None, LINES)
    assert split_header(("vgit-directory 1 40755\n" + LINES).encode()) == (0o40755, LINES)
    for header in ("vgit-directory 2\n", "vgit-directory 1 755\n", "vgit-directory 01\n", "", "\n"):
        assert split_header((header + LINES).encode()) == (None, "")
