"""Test_commit: commit objects, judged by stock git."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import gitjudge
from vgit.errors import CorruptObjectError
from vgit.ids import SHA1, CommitId, ObjectId, TreeId
from vgit.paths import decode_name
from vgit.repository.commit import (
    RECEIPT_LIMIT,
    Commit,
    Overwritten,
    commit_times,
    decode_commit,
    encode_commit,
    escape_path,
    unescape_path,
)
from vgit.repository.identity import clean_identity
from vgit.tree.edits import Counts

PROJECT = Path(__file__).parents[2]
EMPTY_TREE = TreeId(ObjectId(bytes.fromhex("4b825dc642cb6eb9a060e54bf8d69288fbee4904")))
ID = CommitId(ObjectId(bytes(20)))
SPECIMEN = Commit(
    tree=EMPTY_TREE,
    parents=(),
    author="Ann <ann@x>",
    author_time=1_700_000_000,
    committer="Bob <bob@x>",
    commit_time=1_700_000_001,
    message="one\n",
    txn="ab" * 16,
    base=CommitId(ObjectId(b"b" * 20)),
    counts=Counts(1, 2, 3, 4),
    overwrote=(Overwritten(("a", "b c"), "cd" * 20), Overwritten(("d\n%",), "-")),
    overwrote_count=2,
    unstable=(("log",), (decode_name(b"\xff"), "é")),
)

_text = st.text(st.characters(exclude_categories=()), max_size=40)
_raw = st.binary(max_size=20).map(decode_name)
_names = st.binary(min_size=1, max_size=8).map(lambda name: decode_name(name.replace(b"/", b"_").replace(b"\0", b"_")))
_paths = st.lists(_names, min_size=1, max_size=4).map(tuple)
_ids = st.binary(min_size=20, max_size=20).map(lambda raw: CommitId(ObjectId(raw)))
_overwritten = st.builds(Overwritten, _paths, st.just("-") | _ids.map(lambda id: id.hex()))
_counts = st.builds(Counts, *[st.integers(0, 10**15)] * 5)


def canonical(text: str) -> str:
    """Return text whose bytes are its UTF-8, and which spells nothing that no bytes stand for."""
    return decode_name(text.encode("utf-8", "surrogateescape"))


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    overwrote = tuple(draw(st.lists(_overwritten, max_size=4)))
    message = canonical(draw(_raw | st.text(max_size=40)).replace("\0", "")).rstrip("\n") + "\n"
    return Commit(
        tree=TreeId(draw(_ids)),
        parents=tuple(draw(st.lists(_ids, max_size=3))),
        author=clean_identity(canonical(draw(_raw | st.text(max_size=40)))),
        author_time=draw(st.integers(0, 2**40)),
        committer=clean_identity(canonical(draw(_raw | st.text(max_size=40)))),
        commit_time=draw(st.integers(0, 2**40)),
        message=message,
        txn=draw(st.binary(min_size=16, max_size=16)).hex(),
        base=draw(st.none() | _ids),
        counts=draw(st.none() | _counts),
        overwrote=overwrote,
        overwrote_count=len(overwrote) + draw(st.sampled_from([0, 0, 7]) if overwrote else st.just(0)),
        unstable=tuple(draw(st.lists(_paths, max_size=3))),
        zone=draw(st.sampled_from(["+0000", "-0330"])),
    )


def decode(data: bytes) -> Commit:
    return decode_commit(ID, data, SHA1)


@given(commits())
def test_a_commit_comes_back(commit: Commit) -> None:
    assert decode(encode_commit(commit)) == commit


@pytest.mark.parametrize("count", [0, 1, RECEIPT_LIMIT - 1, RECEIPT_LIMIT, 1500])
def test_a_receipt_names_a_thousand_and_counts_all(count: int) -> None:
    overwrote = tuple(Overwritten(("d", f"file {n}"), "ab" * 20) for n in range(count))
    decoded = decode(encode_commit(SPECIMEN._replace(overwrote=overwrote, overwrote_count=count)))
    assert decoded.overwrote == overwrote[:RECEIPT_LIMIT]
    assert decoded.overwrote_count == count


@given(_text)
@example("\ud800")
@example("")
@example("\0\n\n")
@example("\n\nfirst line after two empty ones")
@example(" begins with a space")
def test_any_message_can_be_stored(message: str) -> None:
    data = encode_commit(SPECIMEN._replace(message=message))
    decoded = decode(data)
    assert decoded.txn == SPECIMEN.txn
    assert decoded.overwrote == SPECIMEN.overwrote
    assert b"\0" not in data
    assert decoded.message.endswith("\n")


@given(_text)
@example("Ann <ann@x>")
@example("<a@b>")
@example("a<b<c>d>e")
@example("\ud800 <\udfff>")
@example("\x0b\x1c\u2028")
@example("Dr. O'Neil, Jr. <x>")
@example("<'0")
def test_any_identity_becomes_one_that_git_takes(text: str) -> None:
    who = clean_identity(text)
    assert clean_identity(who) == who
    name, _, mail = who.partition(" <")
    assert name and name == name.strip()
    assert mail.endswith(">")
    assert not set("<>\n\0") & set(name + mail[:-1])
    decoded = decode(encode_commit(SPECIMEN._replace(author=who)))
    assert decoded.txn == SPECIMEN.txn, "the seal holds"


def test_identities() -> None:
    assert clean_identity("Ann Lee <ann@x>") == "Ann Lee <ann@x>"
    assert clean_identity("Ann Lee") == "Ann Lee <annlee>"
    assert clean_identity("") == "unknown <unknown>"
    assert clean_identity("<ann@x>") == "ann <ann@x>"
    assert clean_identity("Ann\n<a n@x\n>") == "Ann <an@x>"


def test_a_commit_tells_the_clocks_time_and_is_never_before_its_parent() -> None:
    assert commit_times(5_000_000_000, []) == (5, 5)
    assert commit_times(5_000_000_000, [SPECIMEN._replace(commit_time=9)]) == (5, 9)
    assert commit_times(5_000_000_000, [SPECIMEN._replace(commit_time=3)]) == (5, 5)
    assert commit_times(-1, []) == (0, 0)


@given(_paths)
def test_a_path_is_one_line(path: tuple[str, ...]) -> None:
    text = escape_path(path)
    assert not set(text) & set("\n\0\r")
    assert unescape_path(text) == path


# stock git as the judge


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    git_dir = gitjudge.init_bare(tmp_path_factory.mktemp("commits") / "r.git")
    gitjudge.run(git_dir, "hash-object", "-t", "tree", "-w", "--stdin")
    return git_dir


def put(git_dir: Path, commit: Commit) -> str:
    """Let git store a commit, checked as ``fsck --strict`` does."""
    arguments = ["hash-object", "-t", "commit", "-w", "--stdin"]
    return gitjudge.run(git_dir, *arguments, stdin=encode_commit(commit)).decode().strip()


ODD = [
    SPECIMEN,
    SPECIMEN._replace(message=""),
    SPECIMEN._replace(message="subject\n\nbody\n\n\nmore\n" + "x" * 3000),
    SPECIMEN._replace(message=decode_name(b"latin \xe9")),
    SPECIMEN._replace(author=clean_identity(""), committer=clean_identity(decode_name(b"\xff\xfe <\xe9@x>"))),
    SPECIMEN._replace(author=clean_identity("Zoë 🦊 \ud800 <z@ë>")),
    SPECIMEN._replace(
        overwrote=tuple(Overwritten((f"{n}\n", "x"), "ab" * 20) for n in range(1500)),
        overwrote_count=1500,
        unstable=tuple((f"u{n}",) for n in range(1500)),
    ),
    SPECIMEN._replace(txn=None, base=None, counts=None, overwrote=(), overwrote_count=0, unstable=()),
]


def test_git_finds_nothing_wrong(repository: Path) -> None:
    parent: tuple[CommitId, ...] = ()
    for commit in ODD:
        commit = commit._replace(base=None, parents=parent)
        id = put(repository, commit)
        parent = (CommitId(ObjectId(bytes.fromhex(id))),)
        shown = gitjudge.run(
            repository, "log", "-1", "--encoding=UTF-8", "--format=%an <%ae>|%at|%cn <%ce>|%ct|%T|%B", id
        )
        who, when, committer, committed, tree, message = decode_name(shown).split("|", 5)
        decoded = decode(gitjudge.run(repository, "cat-file", "commit", id))
        assert (int(when), int(committed)) == (commit.author_time, commit.commit_time)
        assert tree == EMPTY_TREE.hex()
        assert message.strip("\n") == decoded.message.strip("\n")
        assert (who, committer) == (decoded.author, decoded.committer)
    gitjudge.run(repository, "update-ref", "refs/heads/main", id)
    gitjudge.fsck_clean(repository)
    assert len(gitjudge.log(repository)) == len(ODD)


@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(st.lists(commits(), min_size=20, max_size=20))
def test_git_fsck_takes_any_commit(repository: Path, some: list[Commit]) -> None:
    ids = [put(repository, commit._replace(tree=EMPTY_TREE, parents=())) for commit in some]
    gitjudge.run(repository, "cat-file", "--batch-check", stdin="\n".join(ids).encode())
    gitjudge.fsck(repository)


def _work_tree(git_dir: Path, tmp_path: Path) -> Callable[..., bytes]:
    clone = gitjudge.clone(git_dir, tmp_path / "clone")

    def git(*arguments: str) -> bytes:
        return gitjudge.run(clone / ".git", f"--work-tree={clone}", *arguments)

    (clone / "new").write_bytes(b"new")
    return git


@pytest.mark.parametrize("change", ["tree", "author", "time"])
def test_headers_that_amend_copied_are_not_trusted(repository: Path, tmp_path: Path, change: str) -> None:
    gitjudge.run(repository, "update-ref", "refs/heads/main", put(repository, SPECIMEN._replace(base=None)))
    git = _work_tree(repository, tmp_path)
    if change == "tree":
        git("add", "new")
    options = {
        "tree": ("--no-edit",),
        "author": ("--no-edit", "--author=Eve <eve@x>"),
        "time": ("--no-edit", "--date=2001-01-01T00:00:00Z"),
    }
    git("commit", "--quiet", "--amend", "--allow-empty", *options[change])
    data = git("cat-file", "commit", "HEAD")
    assert b"vgit-txn" in data, "git copied the header, which is what this is about"
    decoded = decode(data)
    assert (decoded.txn, decoded.base, decoded.counts) == (None, None, None)
    assert (decoded.overwrote, decoded.overwrote_count, decoded.unstable) == ((), 0, ())
    assert decoded.message == SPECIMEN.message


def test_another_message_or_committer_leaves_them_trusted(repository: Path, tmp_path: Path) -> None:
    gitjudge.run(repository, "update-ref", "refs/heads/main", put(repository, SPECIMEN._replace(base=None)))
    git = _work_tree(repository, tmp_path)
    git("commit", "--quiet", "--amend", "--allow-empty", "--message=told better")
    decoded = decode(git("cat-file", "commit", "HEAD"))
    assert decoded.message == "told better\n"
    assert decoded.committer == "stock git <stock@git.example>"
    assert decoded.overwrote == SPECIMEN.overwrote


# commits of others


PLAIN = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"parent 0101010101010101010101010101010101010101\n"
    b"parent 0202020202020202020202020202020202020202\n"
    b"author Ann <ann@x> 1700000000 +0100\n"
    b"committer Bob <bob@x> 1700000001 -0530\n"
)


def test_a_signed_merge_of_a_tag() -> None:
    data = PLAIN + (
        b"mergetag object 0303030303030303030303030303030303030303\n type commit\n tag v1\n"
        b" tagger T <t@x> 1700000000 +0000\n \n the tag's message\n \n parent not a header\n"
        b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQIzBAABCAAd\n =abcd\n -----END PGP SIGNATURE-----\n"
        b"HG:extra whatever\n\nsubject\n\nbody\n"
    )
    decoded = decode(data)
    assert decoded.parents == (CommitId(ObjectId(b"\1" * 20)), CommitId(ObjectId(b"\2" * 20)))
    assert decoded.parent == decoded.parents[0]
    assert (decoded.author, decoded.author_time, decoded.zone) == ("Ann <ann@x>", 1700000000, "+0100")
    assert (decoded.committer, decoded.commit_time) == ("Bob <bob@x>", 1700000001)
    assert decoded.message == "subject\n\nbody\n"
    assert decoded.txn is None


@pytest.mark.parametrize(
    ("encoding", "message", "text"),
    [
        (b"ISO-8859-1", b"caf\xe9\n", "café\n"),
        (b"iso8859-15", b"\xa4\n", "€\n"),
        (b"cp1251", b"\xef\n", "п\n"),
        (b"no-such-thing", b"caf\xc3\xa9\n", "café\n"),
        (b"utf-16", b"odd", "odd"),
        (b"unicode_escape", b"\\d\n", "\\d\n"),
        (b"raw-unicode-escape", b"\\u12", "\\u12"),
        (b"rot13", b"abc\n", "abc\n"),
        (b"idna", b"\xff\n", "\udcff\n"),
        (b"undefined", b"abc\n", "abc\n"),
        (b"\xff\0", b"abc\n", "abc\n"),
        (b"", b"caf\xc3\xa9\n", "café\n"),
    ],
)
def test_encodings(encoding: bytes, message: bytes, text: str) -> None:
    assert decode(PLAIN + b"encoding " + encoding + b"\n\n" + message).message == text


def test_the_encoding_holds_for_names_too() -> None:
    data = PLAIN.replace(b"Ann", b"Ren\xe9") + b"encoding latin-1\n\nm\n"
    assert decode(data).author == "René <ann@x>"


@pytest.mark.parametrize(
    ("ident", "who", "time"),
    [
        (b"Ann <ann@x>> 1700000000 +0000", "Ann <ann@x>>", 1700000000),
        (b"Ann <ann@x>", "Ann <ann@x>", 0),
        (b"Ann <ann@x> 99999999999999999999999 +0000", "Ann <ann@x> 99999999999999999999999 +0000", 0),
        (b"Ann <ann@x> 1700000000 +051800", "Ann <ann@x> 1700000000 +051800", 0),
        (b"Ann <ann@x> -5 +0000", "Ann <ann@x>", -5),
        (b"", "", 0),
    ],
)
def test_odd_identities_of_old_are_read(ident: bytes, who: str, time: int) -> None:
    decoded = decode(PLAIN.replace(b"Ann <ann@x> 1700000000 +0100", ident) + b"\nm\n")
    assert (decoded.author, decoded.author_time) == (who, time)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_a_commit_without_message(end: bytes) -> None:
    assert decode(PLAIN.rstrip(b"\n") + end).message == ""


def test_parents_stand_behind_the_tree_only() -> None:
    data = PLAIN + b"parent 0303030303030303030303030303030303030303\n\nm\n"
    assert len(decode(data).parents) == 2, "git does not follow the third, so its gc may drop it"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"\0" * 100,
        b" tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nm\n",
        PLAIN.replace(b"tree ", b"trees "),
        PLAIN.replace(b"4b825d", b"4b825"),
        PLAIN.replace(b"4b825d", b"4b 82 5d"),
        PLAIN.replace(b"parent 01", b"parent x1"),
        PLAIN.replace(b"parent 01", b"parent "),
        PLAIN.replace(b"author", b"writer"),
        PLAIN.replace(b"committer", b"sender"),
        b"parent " + PLAIN,
    ],
)
def test_junk_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptObjectError, match="commit 0000"):
        decode(data + b"\n\nm\n" if data.startswith(b"tree") else data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_commit_or_refused(data: bytes) -> None:
    for candidate in (data, PLAIN + data, encode_commit(SPECIMEN)[:-5] + data):
        try:
            decode(candidate)
        except CorruptObjectError:
            pass


@given(
    st.sampled_from([b"vgit-txn", b"vgit-base", b"vgit-stat", b"vgit-overwrote", b"vgit-unstable"]),
    st.binary(max_size=40),
)
def test_headers_edited_by_hand_do_not_harm(header: bytes, value: bytes) -> None:
    data = encode_commit(SPECIMEN)
    at = data.index(header + b" ") + len(header) + 1
    end = data.index(b"\n", at)
    decoded = decode(data[:at] + value.replace(b"\n", b"\n ") + data[end:])
    assert (decoded.tree, decoded.message) == (SPECIMEN.tree, SPECIMEN.message)


def test_the_example_of_the_format_page() -> None:
    page = (PROJECT / "docs/format/commit.md").read_text("utf-8")
    example = page.partition("## Worked example\n\n```\n")[2].removesuffix("```\n").encode()
    decoded = decode(example)
    assert decoded.txn == bytes(range(16)).hex(), "the seal fits"
    assert decoded.overwrote == (Overwritten(("logs", "run\n1"), "cd" * 20),)
    assert encode_commit(decoded) == example
