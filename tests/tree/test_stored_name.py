"""Test_stored_name: stock git accepts every name as it is stored, and no two names are stored alike."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import gitjudge
from vgit.backend.local import LocalBackend
from vgit.objects.git_mode import FILE_MODE, GITLINK_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry, serialise_tree
from vgit.objects.object_database import ObjectDatabase
from vgit.tree.stored_name import decode_stored_name, encode_stored_name

MODES = (FILE_MODE, TREE_MODE, SYMLINK_MODE)

SPOKEN = [b".git", b".gitmodules", b".gitattributes", b".gitignore", b".mailmap", b".vgit", b".vgit~", b"git"]
SHORT = [b"git~1", b"gitmod~1", b"gitmod~4", b"gitatt~2", b"gitign~3", b"mailma~1", b"gitmod~5"]
HASHED = [b"gi7eba~1", b"gi7d29~9", b"gi250a~1", b"maba30~1", b"gi7~1234", b"g~100000", b"~1000000", b"~9999999"]
TAILS = [
    b"",
    b".",
    b" ",
    b"...",
    b" . ",
    b":",
    b"::$INDEX_ALLOCATION",
    b" :x",
    b"\\",
    b"\\x",
    b".\\",
    b"\xff",
    b"x",
    b"\n",
]
HEADS = [b"", b"a\\", b"\\", b"\\\\", b"a\\b\\", b"\xe2\x80\x8c", b"\xef\xbb\xbf", b"x", b".\\", b"\xff"]
IGNORED = [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]


def evil_names() -> set[bytes]:
    """Return the spellings that we can think of, many of them harmless."""
    words = [case(word) for word in SPOKEN + SHORT + HASHED for case in (bytes, bytes.upper, bytes.title)]
    names = {b"".join(parts) for parts in itertools.product(HEADS, words, TAILS)}
    for word, char in itertools.product(SPOKEN, IGNORED):
        invisible = chr(char).encode()
        names |= {word[:at] + invisible + word[at:] for at in range(len(word) + 1)}
        names |= {
            invisible.join([word[:1], word[1:2], word[2:]]) + tail for tail in (b"\xff", b"\xe2\x80", b"\xed\xa0\x80")
        }
    return names


HARD = (
    st.one_of(
        st.sampled_from(sorted(evil_names())),
        st.lists(
            st.sampled_from([*SPOKEN, *SHORT, *HASHED, *TAILS, *HEADS, b"~", b"1", b"%", b"%5C", b"%25", b"g", b"G"])
            | st.sampled_from(IGNORED).map(lambda char: chr(char).encode()),
            max_size=5,
        ).map(b"".join),
        st.binary(max_size=20),
    )
    .map(lambda name: name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    .filter(lambda name: name not in (b".", b".."))
)


@given(HARD, st.sampled_from(MODES))
def test_a_name_comes_back(name: bytes, mode: int) -> None:
    stored = encode_stored_name(name, mode)
    assert decode_stored_name(stored, mode) == name
    assert stored == name or stored.startswith(b".vgit~")
    assert b"/" not in stored and stored not in (b"", b".", b"..", b".vgit")


@given(HARD, HARD, st.sampled_from(MODES), st.sampled_from(MODES))
def test_no_two_names_are_stored_alike(one: bytes, other: bytes, mode: int, other_mode: int) -> None:
    if one != other:
        assert encode_stored_name(one, mode) != encode_stored_name(other, other_mode)


@given(HARD, st.sampled_from(MODES))
def test_only_what_encoding_gives_is_decoded(stored: bytes, mode: int) -> None:
    name = decode_stored_name(stored, mode)
    assert name == stored or encode_stored_name(name, mode) == stored


@pytest.mark.parametrize(
    "name",
    [
        *(b".gitignore", b".github", b".gitkeep", b".gitlab-ci.yml", b".gitconfig", b".mailmap", b".gitx"),
        *(b"git", b"git~", b"gitmodules", b"x.git", b"a~1", b"Makefile~", b"model.bin", b"a\\b"),
        *("données".encode(), b".git-credentials", b"~1", b"gitmod~0"),
    ],
)
def test_ordinary_names_stay_as_they_are(name: bytes) -> None:
    assert encode_stored_name(name, FILE_MODE) == name


@pytest.mark.parametrize(
    ("name", "mode", "stored"),
    [
        (b".git", FILE_MODE, b".vgit~.git"),
        (b"GIT~1", TREE_MODE, b".vgit~GIT~1"),
        (b"a\\.git", FILE_MODE, b".vgit~a%5C.git"),
        (b".git:50%", FILE_MODE, b".vgit~.git:50%25"),
        (b".vgit", FILE_MODE, b".vgit~.vgit"),
        (b".vgit~.git", FILE_MODE, b".vgit~.vgit~.git"),
        (b".VgItfoo%5C", FILE_MODE, b".vgit~.VgItfoo%255C"),
        (b".gitignore", SYMLINK_MODE, b".vgit~.gitignore"),
        (b".gitmodules ", GITLINK_MODE, b".vgit~.gitmodules "),
        (".g\u200cit".encode(), FILE_MODE, b".vgit~" + ".g\u200cit".encode()),
    ],
)
def test_forms(name: bytes, mode: int, stored: bytes) -> None:
    assert encode_stored_name(name, mode) == stored
    assert decode_stored_name(stored, mode) == name


@pytest.mark.parametrize(
    "stored",
    [b".vgit~", b".vgit~plain", b".vgit~.gitignore", b".vgit~a\\.git", b".vgit~.git%", b".VGIT~.git", b".vgit~.."],
)
def test_what_no_name_gives_stays(stored: bytes) -> None:
    assert decode_stored_name(stored, FILE_MODE) == stored


def trees_of(names: set[bytes], store: ObjectDatabase) -> None:
    """Store trees with each of ``names`` as file, directory and symlink; contents that fsck would object to."""
    with store.writer() as writer:
        blob = writer.write_blob(b'[submodule "../x"\n\tpath = -a\n\turl = -b\n' + b"*" * 3000 + b"\n")
        empty = writer.write_tree(b"")
        for mode in MODES:
            entries = {encode_stored_name(name, mode) for name in names}
            assert len(entries) == len(names)
            id = empty if mode == TREE_MODE else blob
            writer.write_tree(serialise_tree(GitEntry(mode, stored, id) for stored in entries))
        writer.sync()


def test_stock_git_accepts_every_spelling(tmp_path: Path) -> None:
    repository = gitjudge.init_bare(tmp_path / "r.git")
    trees_of(evil_names(), ObjectDatabase(LocalBackend(str(repository))))
    gitjudge.fsck(repository)


@settings(max_examples=10)
@given(st.sets(HARD, min_size=1, max_size=300))
def test_stock_git_accepts_any_names(tmp_path_factory: pytest.TempPathFactory, names: set[bytes]) -> None:
    repository = gitjudge.init_bare(tmp_path_factory.mktemp("names") / "r.git")
    trees_of(names, ObjectDatabase(LocalBackend(str(repository))))
    gitjudge.fsck(repository)


@pytest.mark.parametrize(
    "name", [b".git", b".GIT", b"git~1", b".git .", b".git::$DATA", b"a\\.git", ".g\u200dit".encode()]
)
def test_the_judge_refuses_them_raw(tmp_path: Path, name: bytes) -> None:
    repository = gitjudge.init_bare(tmp_path / "r.git")
    with ObjectDatabase(LocalBackend(str(repository))).writer() as writer:
        writer.write_tree(serialise_tree([GitEntry(FILE_MODE, name, writer.write_blob(b"x"))]))
        writer.sync()
    assert gitjudge.attempt(repository, "fsck", "--full", "--strict").returncode != 0
