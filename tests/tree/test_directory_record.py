"""Test_directory_record: what is well-formed is read, and nothing else; whatever the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgit.tree.directory_record import parse_record, serialise_record

HASH, ID = "ab" * 32, "0123456789abcdef"
GOOD = f"100644 1700000000000000000 12 {HASH} {ID} name"
BARE = "40755 -5 0 - - sub"


def lines(*texts: str, header: str = "vgit-directory 1\n") -> dict[str, tuple[str, ...]]:
    return dict(parse_record((header + "".join(text + "\n" for text in texts)).encode()).lines)


def test_lines_by_id_and_name() -> None:
    found = lines(GOOD, BARE, "10644 0 0 - - pipe", f"120777 1 3 - {ID} a%0A b")
    assert list(found) == [f"{ID} name", "- sub", "- pipe", f"{ID} a\n b"]
    assert found["- sub"][:4] == ("40755", "-5", "0", "-")


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace("100644", "0100644"),
        GOOD.replace("100644", "100648"),
        GOOD.replace("100644", "644"),
        GOOD.replace("100644", "160000"),
        GOOD.replace("100644", "20644"),
        GOOD.replace("100644", "60644"),
        GOOD.replace(" 17", " 017"),
        GOOD.replace(" 17", " +17"),
        GOOD.replace(" 17", " -0"),
        GOOD.replace(" 17", " 1_7"),
        GOOD.replace(" 17", " " + "9" * 30),
        GOOD.replace(" 12 ", " -12 "),
        GOOD.replace(" 12 ", " 012 "),
        GOOD.replace(" 12 ", " \u0661 "),
        GOOD.replace(" 12 ", "  12 "),
        GOOD.replace(HASH, HASH.upper()),
        GOOD.replace(HASH, HASH[:-1]),
        GOOD.replace(ID, ID + "0"),
        GOOD.replace(ID, ""),
        GOOD.replace("name", ""),
        GOOD.replace("name", "n\x7f"),
        GOOD.replace("name", "n\r"),
        GOOD.replace("name", "n%41"),
        GOOD.replace("name", "n%0a"),
        GOOD.replace("name", "n%"),
        " " + GOOD,
        GOOD.replace(" ", "\t"),
        "<<<<<<< ours",
        "",
    ],
)
def test_a_malformed_line_is_as_if_it_were_not_there(bad: str) -> None:
    assert list(lines(BARE, bad, GOOD.replace("name", "other"))) == ["- sub", f"{ID} other"]


def test_bytes_that_are_not_utf_8_void_their_line_alone() -> None:
    data = b"vgit-directory 1\n" + GOOD.encode() + b"\xff\n" + BARE.encode() + b"\n"
    assert list(parse_record(data).lines) == ["- sub"]


def test_a_line_without_its_end_does_not_count() -> None:
    assert list(parse_record(f"vgit-directory 1\n{BARE}\n{GOOD}".encode()).lines) == ["- sub"]


@pytest.mark.parametrize(
    ("header", "mode"),
    [
        ("vgit-directory 1\n", None),
        ("vgit-directory 1 41777\n", 0o041777),
        ("vgit-directory 1 100644\n", None),
        ("vgit-directory 1  40755\n", None),
        ("<<<<<<<\nvgit-directory 1 40755\n", None),
        ("", None),
    ],
)
def test_a_damaged_header_loses_the_mode_alone(header: str, mode: int | None) -> None:
    record = parse_record((header + BARE + "\n").encode())
    assert (record.mode, list(record.lines)) == (mode, ["- sub"])


def test_a_record_of_another_version_is_not_read() -> None:
    assert lines(GOOD, header="vgit-directory 2 40755\n") == {}
    assert lines(GOOD, header="vgit-directory 11\n") == {}


def test_only_fifos_and_sockets_are_special() -> None:
    texts = [GOOD, BARE, "10644 1 0 - - pipe", "140755 2 0 - - sock%25", "10644 1 5 - - big", f"10600 1 0 - {ID} id"]
    record = parse_record(("vgit-directory 1\n" + "".join(text + "\n" for text in texts)).encode())
    assert list(record.specials) == ["pipe", "sock%"]


@given(st.binary() | st.text(st.sampled_from("vgit-directory 01247\n%aé")).map(str.encode))
def test_any_bytes_can_be_read(data: bytes) -> None:
    parse_record(data)
    parse_record(b"vgit-directory 1\n" + data)


def test_the_stored_form() -> None:
    assert serialise_record([BARE + "\n"], 0o40755) == b"vgit-directory 1 40755\n" + BARE.encode() + b"\n"
    assert serialise_record([], None) == b"vgit-directory 1\n"
