"""Test_escape: every name has one escaped form, and nothing else reads as a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgit.errors import InvalidError
from vgit.tree.escape import escape_name, needs_escape, unescape_name


@given(st.binary())
def test_any_bytes_come_back(name: bytes) -> None:
    text = escape_name(name)
    assert unescape_name(text) == name
    assert text.encode().decode() == text
    assert not any(ord(char) < 0x20 or ord(char) == 0x7F for char in text)


@given(st.text(st.sampled_from("%0123456789ABCDEFabcdefé\x80\n~")))
def test_no_name_has_two_forms(text: str) -> None:
    try:
        name = unescape_name(text)
    except InvalidError:
        return
    assert escape_name(name) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"plain name.txt", "plain name.txt"),
        (b"100%", "100%25"),
        (b"%41", "%2541"),
        (b"a\tb\nc\x7f", "a%09b%0Ac%7F"),
        (b"\xc3\xa9\xff", "é%FF"),
        (b"\xed\xa0\x80", "%ED%A0%80"),  # a surrogate in UTF-8 is not UTF-8
        (b"\xc0\xaf", "%C0%AF"),  # nor is an overlong form
        (b"\xe2\x82", "%E2%82"),
        (b"\xf0\x9f\x98\x80", "\U0001f600"),
        ("\u2028\x85".encode(), "\u2028\x85"),
        (b"", ""),
    ],
)
def test_forms(name: bytes, text: str) -> None:
    assert escape_name(name) == text
    assert unescape_name(text) == name
    assert needs_escape(name.decode("utf-8", "surrogateescape")) == ("%" in text)


@pytest.mark.parametrize(
    "text", ["%", "%4", "%41", "%0a", "%2f", "%C3%A9", "a\n", "\x7f", "%%", "%25%", "\udcff", "\ud800", "%FFx%", "%+1"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        unescape_name(text)
