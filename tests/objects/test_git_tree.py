"""Test_git_tree: trees as git stores them, and those that are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import gitjudge
from vgit.errors import CorruptObjectError
from vgit.ids import ObjectId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, GITLINK_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry, parse_tree, serialise_tree, sort_key

ID = ObjectId(bytes(range(20)))
NAMES = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"/", b"x").replace(b"\0", b"y"))
MODES = st.sampled_from([TREE_MODE, FILE_MODE, EXECUTABLE_MODE, SYMLINK_MODE, GITLINK_MODE])


def row(mode: bytes, name: bytes, id: bytes = ID) -> bytes:
    return mode + b" " + name + b"\0" + id


@given(
    st.dictionaries(
        NAMES.filter(lambda name: name not in (b".", b"..")), st.tuples(MODES, st.binary(min_size=20, max_size=20))
    )
)
def test_a_tree_comes_back_in_order(names: dict[bytes, tuple[int, bytes]]) -> None:
    entries = [GitEntry(mode, name, ObjectId(id)) for name, (mode, id) in names.items()]
    entries.sort(key=lambda entry: sort_key(entry.mode, entry.name))
    data = serialise_tree(reversed(entries))
    assert parse_tree(data, 20) == entries
    assert serialise_tree(parse_tree(data, 20)) == data


def test_ids_of_another_size() -> None:
    entries = [GitEntry(FILE_MODE, b"a", ObjectId(b"\n" * 32)), GitEntry(FILE_MODE, b"b", ObjectId(bytes(32)))]
    assert parse_tree(serialise_tree(entries), 32) == entries


@pytest.mark.parametrize(
    "data",
    [
        row(b"100644", b""),
        row(b"100644", b"."),
        row(b"40000", b".."),
        row(b"100644", b"a/b"),
        row(b"100644", b"/"),
        row(b"100644", b"a") + row(b"100644", b"a"),
        row(b"100644", b"a") + row(b"100644", b"a.c") + row(b"40000", b"a"),
        row(b"100644", b"b") + row(b"100644", b"a"),
        row(b"40000", b"a") + row(b"100644", b"a.c"),
        row(b"040000", b"a"),
        row(b"100600", b"a"),
        row(b"60000", b"a"),
        row(b"-100644", b"a"),
        row(b"100644", b"a")[:-1],
        row(b"100644", b"a") + b"\n",
        row(b"100644", b"a") + b"100644",
        b"x" + row(b"100644", b"a"),
        row(b"100644 ", b"a")[:5],
        b"100644 a",
        b"\0" * 30,
    ],
)
def test_what_cannot_be_a_directory_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptObjectError):
        parse_tree(data, 20)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_tree_or_refused(data: bytes) -> None:
    try:
        entries = parse_tree(data, 20)
    except CorruptObjectError:
        return
    assert serialise_tree(entries) == data


def test_the_first_mode_of_git_reads_as_a_file() -> None:
    assert parse_tree(row(b"100664", b"a"), 20) == [GitEntry(FILE_MODE, b"a", ID)]


def test_git_makes_the_same_tree(tmp_path: Path) -> None:
    repository = gitjudge.init_bare(tmp_path / "r.git")
    id = ObjectId(bytes.fromhex(gitjudge.run(repository, "hash-object", "-w", "--stdin").decode()))
    sub = ObjectId(bytes.fromhex(gitjudge.run(repository, "mktree").decode()))
    names = [b"a.c", b"a0", b"a", b"a-", b"b\xff", b" ", b"\xc3\xa9\n"]
    entries = [GitEntry(FILE_MODE, name, id) for name in names] + [GitEntry(TREE_MODE, b"a.", sub)]
    entries[2] = GitEntry(TREE_MODE, b"a", sub)
    made = serialise_tree(entries)
    theirs = gitjudge.run(repository, "hash-object", "-w", "-t", "tree", "--stdin", stdin=made).decode().strip()
    listing = gitjudge.run(repository, "ls-tree", "-z", theirs)
    assert gitjudge.run(repository, "mktree", "-z", stdin=listing).decode().strip() == theirs
    gitjudge.fsck(repository)
