"""Test_directory: what is written comes back, and what others made of it is still read."""

import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tree import trees
from vgit.errors import CorruptObjectError, InvalidError
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, GITLINK_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry, parse_tree, sort_key
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import TREE
from vgit.paths import encode_name
from vgit.tree.directory import Directory, find_entry
from vgit.tree.directory_writer import as_read
from vgit.tree.entry import NO_GIT_ENTRY, Entry
from vgit.tree.stored_name import encode_stored_name

ID, OTHER = ObjectId(b"\x11" * 20), ObjectId(b"\x22" * 20)
FILE = Entry(0o100600, FILE_MODE, ID, 7, 1_700_000_000_123_456_789, b"h" * 32)
SUB = Entry(0o042700, TREE_MODE, OTHER, 0, 99, None)
PIPE = Entry(stat.S_IFIFO | 0o640, NO_GIT_ENTRY, None, 0, 3, None)
DERIVED_FILE = Entry(0o100644, FILE_MODE, ID, 4, 0, None)


def assert_same(one: Directory, other: Directory) -> None:
    assert one == other
    assert list(one.entries.items()) == list(other.entries.items())


@given(st.dictionaries(trees.names, trees.entries, max_size=12), st.none() | st.integers(0o040000, 0o047777))
def test_a_directory_comes_back(entries: dict[str, Entry], mode: int | None) -> None:
    store = trees.memory_store()
    tree = trees.write(store, entries, mode)
    assert trees.write(store, dict(reversed(entries.items())), mode) == tree
    directory = trees.read(store, tree)
    assert directory == (mode, entries)
    assert_same(as_read(entries, mode), directory)
    assert_same(as_read(dict(reversed(entries.items())), mode), directory)
    assert trees.write(store, directory.entries, directory.mode) == tree
    keys = [
        sort_key(entry.git_mode, encode_stored_name(encode_name(name), entry.git_mode))
        for name, entry in directory.entries.items()
    ]
    assert keys == sorted(keys)


def test_the_stored_form() -> None:
    store = trees.memory_store()
    link = Entry(0o120777, SYMLINK_MODE, ID, 4, -1, b"t" * 32)
    chunked = Entry(0o104711, TREE_MODE, OTHER, 5_000_000, 6, b"c" * 32)
    module = Entry(GITLINK_MODE, GITLINK_MODE, OTHER, 0, 0, None)
    run = Entry(0o100755, EXECUTABLE_MODE, ID, 7, 0, None)
    names = {
        "a": SUB,
        "a.bin": chunked,
        "a-link": link,
        ".git": FILE,
        "caf\xe9\n\udcff": run,
        "pipe": PIPE,
        "m": module,
    }
    record, rows = trees.parts(store, trees.write(store, names, 0o40755))
    one, two = "11" * 8, "22" * 8
    assert record.decode() == (
        "vgit-directory 1 40755\n"
        f"100600 1700000000123456789 7 {'68' * 32} {one} .vgit~.git\n"
        f"120777 -1 4 {'74' * 32} {one} a-link\n"
        f"104711 6 5000000 {'63' * 32} {two} a.bin\n"
        "42700 99 0 - - a\n"
        f"100755 0 7 - {one} caf\xe9%0A%FF\n"
        "10640 3 0 - - pipe\n"
    )
    assert rows == {
        b".vgit~.git": b"100644 " + ID.hex().encode(),
        b"a-link": b"120000 " + ID.hex().encode(),
        b"a.bin": b"40000 " + OTHER.hex().encode(),
        b"a": b"40000 " + OTHER.hex().encode(),
        b"caf\xc3\xa9\n\xff": b"100755 " + ID.hex().encode(),
        b"m": b"160000 " + OTHER.hex().encode(),
    }


def test_an_empty_directory_is_its_record() -> None:
    store = trees.memory_store()
    tree = trees.write(store, {})
    assert trees.parts(store, tree) == (b"vgit-directory 1\n", {})
    assert trees.read(store, tree) == (None, {})


def test_the_executable_bit_is_the_owners() -> None:
    store = trees.memory_store()
    entries = {"a": FILE._replace(mode=0o100610, git_mode=EXECUTABLE_MODE), "b": FILE._replace(mode=0o100700)}
    directory = trees.read(store, trees.write(store, entries))
    assert_same(as_read(entries, None), directory)
    found = directory.entries
    assert [(entry.mode, entry.git_mode) for entry in found.values()] == [
        (0o100610, FILE_MODE),
        (0o100700, EXECUTABLE_MODE),
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0", "\ud800", "\udcc3\udca9"])
def test_impossible_names_are_not_written(name: str) -> None:
    with pytest.raises(InvalidError):
        trees.write(trees.memory_store(), {name: FILE})
    with pytest.raises(InvalidError):
        trees.write(trees.memory_store(), {"other": FILE, name: FILE})


@pytest.mark.parametrize(
    "entry",
    [
        FILE._replace(git_mode=SYMLINK_MODE),
        SUB._replace(git_mode=FILE_MODE),
        PIPE._replace(git_mode=FILE_MODE, id=ID),
        FILE._replace(mode=0o020644),
        FILE._replace(mode=0o1100644),
        FILE._replace(git_mode=NO_GIT_ENTRY),
    ],
)
def test_entries_at_odds_with_themselves_are_not_written(entry: Entry) -> None:
    with pytest.raises(InvalidError):
        trees.write(trees.memory_store(), {"a": entry})


def test_entries_without_a_record_are_derived() -> None:
    store = trees.memory_store()
    blob, target = trees.blob(store, b"12345"), trees.blob(store, b"over/there")
    rows = [
        GitEntry(FILE_MODE, b"file", blob),
        GitEntry(EXECUTABLE_MODE, b"run", blob),
        GitEntry(SYMLINK_MODE, b"link", target),
        GitEntry(TREE_MODE, b"sub", OTHER),
        GitEntry(TREE_MODE, b"model.bin", trees.CHUNK_TREE),
        GitEntry(GITLINK_MODE, b"module", OTHER),
        GitEntry(FILE_MODE, b".gitattributes", blob),
        GitEntry(FILE_MODE, b".vgit~.git", blob),
        GitEntry(FILE_MODE, b".vgit~odd", blob),
    ]
    size, hash = trees.CHUNK_INFO
    assert trees.read(store, trees.raw_tree(store, rows)) == (
        None,
        {
            ".gitattributes": Entry(0o100644, FILE_MODE, blob, 5, 0, None),
            ".git": Entry(0o100644, FILE_MODE, blob, 5, 0, None),
            ".vgit~odd": Entry(0o100644, FILE_MODE, blob, 5, 0, None),
            "file": Entry(0o100644, FILE_MODE, blob, 5, 0, None),
            "link": Entry(0o120777, SYMLINK_MODE, target, 10, 0, None),
            "model.bin": Entry(0o100644, TREE_MODE, trees.CHUNK_TREE, size, 0, hash),
            "module": Entry(GITLINK_MODE, GITLINK_MODE, OTHER, 0, 0, None),
            "run": Entry(0o100755, EXECUTABLE_MODE, blob, 5, 0, None),
            "sub": Entry(0o040755, TREE_MODE, OTHER, 0, 0, None),
        },
    )


def test_what_stands_in_the_records_place_is_never_listed() -> None:
    store = trees.memory_store()
    sub = trees.raw_tree(store, [])
    assert trees.read(store, trees.raw_tree(store, [GitEntry(TREE_MODE, b".vgit", sub)])).entries == {}
    link = trees.blob(store, b"vgit-directory 1 40700\n")
    assert trees.read(store, trees.raw_tree(store, [GitEntry(SYMLINK_MODE, b".vgit", link)])) == (None, {})


def directory_to_tamper_with() -> tuple[dict[str, Entry], dict[str, Entry], bytes, TreeId, ObjectDatabase]:
    """Return entries, what each is without its line, the record, the tree and its store."""
    store = trees.memory_store()
    blob, target = trees.blob(store, b"data"), trees.blob(store, b"there")
    entries = {
        "file": FILE._replace(id=blob),
        "link": Entry(0o120755, SYMLINK_MODE, target, 5, 11, b"t" * 32),
        "model.bin": Entry(0o100640, TREE_MODE, trees.CHUNK_TREE, 9, 12, b"m" * 32),
        "pipe": PIPE,
        "sub": SUB,
    }
    size, hash = trees.CHUNK_INFO
    derived = {
        "file": DERIVED_FILE._replace(id=blob),
        "link": Entry(0o120777, SYMLINK_MODE, target, 5, 0, None),
        "model.bin": Entry(0o100644, TREE_MODE, trees.CHUNK_TREE, size, 0, hash),
        "sub": Entry(0o040755, TREE_MODE, OTHER, 0, 0, None),
    }
    tree = trees.write(store, entries)
    return entries, derived, trees.parts(store, tree)[0], tree, store


@given(st.data())
def test_a_tampered_line_costs_its_own_entry_alone(data: st.DataObject) -> None:
    entries, derived, record, tree, store = directory_to_tamper_with()
    lines = record.splitlines(keepends=True)
    at = data.draw(st.integers(1, len(lines) - 1))
    victim = list(entries)[at - 1]
    cut = data.draw(st.integers(0, len(lines[at]) - 2))
    junk = data.draw(st.sampled_from([b"", b"\xff", b"\x01", b"%", b"  ", b"X"]))
    # Never the name: a FIFO's line with another name is a FIFO of another name.
    cut = min(cut, lines[at].rindex(b" ") - 1)
    broken = lines[at][:cut] + junk + lines[at][cut + 1 :]
    if broken == lines[at]:
        return
    found = trees.read(store, trees.with_record(store, tree, b"".join([*lines[:at], broken, *lines[at + 1 :]]))).entries
    assert {name: found[name] for name in entries if name != victim} == {
        name: entry for name, entry in entries.items() if name != victim
    }
    if victim == "pipe":
        assert len(found) in (4, 5)  # a mode or a time may have become another one
    elif junk in (b"\xff", b"\x01", b"%", b"  ", b"X"):
        assert found[victim] == derived[victim]


def test_a_line_is_about_one_version_of_one_name() -> None:
    entries, derived, record, tree, store = directory_to_tamper_with()
    digits = entries["file"].id[:8].hex().encode()
    found = trees.read(store, trees.with_record(store, tree, record.replace(digits, b"0" * 16))).entries
    assert found == entries | {"file": derived["file"]}
    found = trees.read(store, trees.with_record(store, tree, record.replace(b" file\n", b" FILE\n"))).entries
    assert found == entries | {"file": derived["file"]}
    # Another version's line beside it, as a textual merge may leave: no harm.
    double = record + b"100644 5 5 - 0000000000000000 file\n"
    assert trees.read(store, trees.with_record(store, tree, double)).entries == entries


@pytest.mark.parametrize(
    ("name", "mode"), [("file", b"120600"), ("file", b"42600"), ("link", b"100755"), ("sub", b"10700")]
)
def test_a_line_of_another_kind_does_not_count(name: str, mode: bytes) -> None:
    entries, derived, record, tree, store = directory_to_tamper_with()
    old = b"%o " % entries[name].mode
    found = trees.read(store, trees.with_record(store, tree, record.replace(b"\n" + old, b"\n" + mode + b" "))).entries
    assert found == entries | {name: derived[name]}


def test_a_directory_keeps_its_line_when_its_contents_change() -> None:
    store = trees.memory_store()
    record, _ = trees.parts(store, trees.write(store, {"sub": SUB}))
    other, _ = trees.parts(store, trees.write(store, {"sub": SUB._replace(id=ID)}))
    assert record == other


@pytest.mark.parametrize(
    ("mode", "git_mode", "becomes"),
    [
        (0o100600, EXECUTABLE_MODE, 0o100700),
        (0o100644, EXECUTABLE_MODE, 0o100755),
        (0o100044, EXECUTABLE_MODE, 0o100155),
        (0o100750, FILE_MODE, 0o100640),
        (0o100755, EXECUTABLE_MODE, 0o100755),
    ],
)
def test_an_executable_bit_that_git_changed_counts(mode: int, git_mode: int, becomes: int) -> None:
    store = trees.memory_store()
    tree = trees.write(store, {"a": FILE._replace(mode=mode)})
    record, _ = trees.parts(store, tree)
    rows = [GitEntry(FILE_MODE, b".vgit", trees.blob(store, record)), GitEntry(git_mode, b"a", ID)]
    assert trees.read(store, trees.raw_tree(store, rows)).entries == {
        "a": FILE._replace(mode=becomes, git_mode=git_mode)
    }


@pytest.mark.parametrize(
    "name", ["a/b", ".", "..", "%00", "a%00b", ".git", ".vgit", ".vgit~x", ".vgit~.gitignore", "file", ".vgit~"]
)
def test_specials_that_cannot_be_are_not_there(name: str) -> None:
    entries, _, record, tree, store = directory_to_tamper_with()
    more = record + f"10644 0 0 - - {name}\n".encode()
    found = trees.read(store, trees.with_record(store, tree, more)).entries
    # An odd stored name stands for nothing, as no writer makes it; ".git" itself is stored encoded.
    assert found == entries


def test_a_damaged_record_object_is_not_a_bad_record() -> None:
    store = trees.memory_store()
    with pytest.raises(CorruptObjectError):
        trees.read(store, trees.raw_tree(store, [GitEntry(FILE_MODE, b".vgit", ID)]))
    with pytest.raises(CorruptObjectError):
        trees.read(store, TreeId(ID))
    with pytest.raises(CorruptObjectError):
        trees.read(store, TreeId(trees.blob(store, b"")))


def test_two_names_that_come_to_the_same_are_refused() -> None:
    store = trees.memory_store()
    blob = trees.blob(store, b"")
    rows = [GitEntry(FILE_MODE, b".git", blob), GitEntry(FILE_MODE, b".vgit~.git", blob)]
    with pytest.raises(CorruptObjectError, match="same name"):
        trees.read(store, trees.raw_tree(store, rows))


def test_a_tree_that_no_directory_can_be_is_refused() -> None:
    store = trees.memory_store()
    with pytest.raises(CorruptObjectError):
        trees.read(store, trees.raw_tree(store, [GitEntry(FILE_MODE, b"a/b", trees.blob(store, b""))]))


def test_a_row_that_is_no_blob_is_refused() -> None:
    store = trees.memory_store()
    empty = trees.raw_tree(store, [])
    with pytest.raises(CorruptObjectError):
        trees.read(store, trees.raw_tree(store, [GitEntry(FILE_MODE, b"a", empty)]))


def test_the_reader_keeps_the_latest() -> None:
    store = trees.memory_store()
    written = [trees.write(store, {f"{at}{name}": FILE for name in "abc"}) for at in range(4)]
    reader = trees.reader(store, kept_entries=8)
    first = reader.read(written[0])
    assert reader.read(written[1]) is reader.read(written[1])
    assert reader.read(written[0]) is first
    reader.read(written[2])  # 12 by now: the one least lately read goes
    assert reader.read(written[0]) is first
    large = trees.write(store, {str(at): FILE for at in range(50)})
    assert reader.read(large) is reader.read(large)
    assert reader.read(written[0]) is not first


def test_many_threads_may_read() -> None:
    store = trees.memory_store()
    written = [trees.write(store, {f"{at}": FILE}) for at in range(20)]
    reader = trees.reader(store, kept_entries=10)
    found: list[bool] = []

    def work() -> None:
        found.extend(list(reader.read(tree).entries) == [str(at)] for _ in range(5) for at, tree in enumerate(written))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400 and all(found)


def test_the_tree_is_as_git_wants_it() -> None:
    store = trees.memory_store()
    tree = trees.write(store, {"a": SUB, "a.b": FILE, "a0": FILE})
    assert [row.name for row in parse_tree(store.read_kind(tree, TREE), 20)] == [b".vgit", b"a.b", b"a", b"a0"]


def test_find_entry() -> None:
    store = trees.memory_store()
    below = trees.write(store, {"f": FILE})
    directory = Entry(stat.S_IFDIR | 0o755, TREE_MODE, below, 0, 1, None)
    fifo = Entry(stat.S_IFIFO | 0o600, 0, None, 0, 1, None)
    tree = trees.write(store, {"d": directory, "g": FILE, "p": fifo}, stat.S_IFDIR | 0o755)
    reader = trees.reader(store)
    assert find_entry(reader, tree, ("g",)) == FILE
    assert find_entry(reader, tree, ("d",)) == directory
    assert find_entry(reader, tree, ("d", "f")) == FILE
    for absent in (("x",), ("d", "x"), ("x", "f"), ("g", "f"), ("p", "f"), ("d", "f", "x")):
        assert find_entry(reader, tree, absent) is None
    assert find_entry(reader, tree, ()) == Entry(stat.S_IFDIR | 0o755, TREE_MODE, tree, 0, 0, None)
