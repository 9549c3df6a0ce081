"""Test_paths: one place in a volume has one path, however it was spelled."""

import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgit.errors import InvalidError
from vgit.paths import ROOT, decode_name, encode_name, format_path, parse_path, printable

# A name as it comes from a disk: any bytes but NUL and '/'.
NAMES = (
    st.binary(min_size=1, max_size=20)
    .map(lambda data: data.translate(None, b"\0/"))
    .filter(lambda data: data not in (b"", b".", b".."))
    .map(decode_name)
)
PATHS = st.lists(NAMES, max_size=5).map(tuple)


@pytest.mark.parametrize("text", ["", "/", ".", "./", "//", "/./.", "./."])
def test_the_root_has_many_spellings(text: str) -> None:
    assert parse_path(text) == ROOT == ()
    assert format_path(ROOT) == ""


@pytest.mark.parametrize("text", ["a/b", "/a/b", "a//b", "a/./b", "./a/b", "a/b/", "a/b/.", "///a/.//b//"])
def test_slashes_and_dots_make_no_difference(text: str) -> None:
    assert parse_path(text) == ("a", "b")


@pytest.mark.parametrize("text", ["..", "../a", "a/..", "a/../b", "/..", "a/./.."])
def test_going_up_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=r"has a '\.\.'"):
        parse_path(text)


@pytest.mark.parametrize("text", ["...", "..a", "a..", ". .", " ", "a b", "\n", "*", "é", ".vgit", "\\..\\"])
def test_odd_names_are_names(text: str) -> None:
    assert parse_path(text) == (text,)


@pytest.mark.parametrize("text", ["\0", "a\0b", "a/\0"])
def test_nul_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="NUL"):
        parse_path(text)


@pytest.mark.parametrize("text", ["\ud800", "a/\udfff", "\udc2f", "\udc00"])
def test_a_surrogate_that_stands_for_no_byte_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="surrogate"):
        parse_path(text)


def test_bytes_that_are_utf_8_after_all_are_one_name() -> None:
    assert parse_path("\udcc3\udca9") == parse_path("é") == ("é",)


@pytest.mark.parametrize("value", [PurePosixPath("/a/b"), b"a/b", PurePosixPath("a/b/")])
def test_other_kinds_of_path_are_taken(value: object) -> None:
    assert parse_path(value) == ("a", "b")  # type: ignore[arg-type]


def test_a_bytes_path_that_is_not_utf_8_is_taken() -> None:
    assert parse_path(b"a/\xff") == ("a", "\udcff")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 7, ("a", "b"), object()])
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(InvalidError, match="expected text"):
        parse_path(value)  # type: ignore[arg-type]


@given(PATHS)
def test_what_is_shown_can_be_read_again(path: tuple[str, ...]) -> None:
    assert parse_path(format_path(path)) == path
    assert parse_path("/" + format_path(path) + "/") == path


@given(st.text(st.characters(), max_size=20))
def test_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse_path(text)
    except InvalidError:
        return
    assert not {"", ".", ".."} & set(path)
    assert not any("/" in name or "\0" in name for name in path)
    assert tuple(decode_name(encode_name(name)) for name in path) == path


@given(st.binary(max_size=30))
def test_names_keep_their_bytes(name: bytes) -> None:
    assert encode_name(decode_name(name)) == name
    assert decode_name(name) == os.fsdecode(name)


@given(st.binary(max_size=30).map(decode_name))
def test_what_is_printable_can_be_printed(text: str) -> None:
    printable(text).encode("utf-8")


@pytest.mark.parametrize(("text", "shown"), [("a", "a"), ("é", "é"), ("a\udcffb", "a\\xffb"), ("", "")])
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
