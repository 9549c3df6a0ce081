"""Test_ids: ids are those of stock git."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gitjudge import init_bare
from vgit.ids import SHA1, ObjectFormat, short_id

SHA256 = ObjectFormat("sha256", 32, hashlib.sha256)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (b"blob", b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"blob", b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        (b"tree", b"", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    ],
)
def test_known_ids(kind: bytes, data: bytes, expected: str) -> None:
    assert SHA1.object_id(kind, data).hex() == expected


@pytest.mark.parametrize("data", [b"", b"\0", b"a" * 9, b"a" * 10, bytes(70_000)])
def test_stock_git_gives_the_same_id(data: bytes, git: Callable[..., bytes], tmp_path: Path) -> None:
    git_dir = init_bare(tmp_path / "a.git")
    assert git(git_dir, "hash-object", "--stdin", stdin=data).decode().strip() == (SHA1.object_id(b"blob", data).hex())


def test_another_format_is_git_s_too() -> None:
    # The empty blob as `git init --object-format=sha256` has it.
    expected = "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"
    assert SHA256.object_id(b"blob", b"").hex() == expected


@given(st.sampled_from([b"blob", b"tree", b"commit", b"tag"]), st.binary(max_size=300))
def test_any_buffer_gives_the_same_id(kind: bytes, data: bytes) -> None:
    for form in (SHA1, SHA256):
        id = form.object_id(kind, data)
        assert len(id) == form.id_size
        assert form.object_id(kind, bytearray(data)) == id
        assert form.object_id(kind, memoryview(b"x" + data)[1:]) == id


@given(st.binary(max_size=300))
def test_the_kind_is_part_of_the_id(data: bytes) -> None:
    assert SHA1.object_id(b"blob", data) != SHA1.object_id(b"tree", data)


def test_a_short_id_is_the_same_of_raw_bytes_and_of_hex() -> None:
    id = SHA1.object_id(b"blob", b"")
    assert short_id(id) == short_id(id.hex()) == "e69de29bb2d1"
