"""Test_refs: refs as stock git writes them, and beside stock git."""

import itertools
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests import gitjudge, writers
from tests.backend import workers as backend_workers
from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.backend.memory import MemoryBackend
from vgit.errors import CorruptVolumeError, InvalidError
from vgit.ids import SHA1, ObjectId
from vgit.repository.refs import MAIN, Refs, check_ref_name

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return gitjudge.init_bare(tmp_path / "r.git")


@pytest.fixture
def ids(git_dir: Path) -> list[ObjectId]:
    """Five commits, in no ref yet."""
    tree = gitjudge.run(git_dir, "hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
    made = [gitjudge.run(git_dir, "commit-tree", tree, "-m", str(n)) for n in range(5)]
    return [ObjectId(bytes.fromhex(hex_id.decode().strip())) for hex_id in made]


def open_refs(git_dir: Path) -> Refs:
    return Refs(LocalBackend(str(git_dir)), SHA1)


def git_ref(git_dir: Path, name: str) -> ObjectId | None:
    result = gitjudge.attempt(git_dir, "rev-parse", "--verify", "--quiet", name)
    return ObjectId(bytes.fromhex(result.stdout.decode().strip())) if result.returncode == 0 else None


def test_absent(git_dir: Path) -> None:
    refs = open_refs(git_dir)
    assert refs.resolve(MAIN) is None
    assert refs.resolve("HEAD") is None, "it names a branch that is not there yet"
    assert refs.resolve("refs/heads") is None, "a directory"
    assert refs.list("refs/") == {}


def test_what_vgit_sets_git_reads(git_dir: Path, ids: list[ObjectId]) -> None:
    refs = open_refs(git_dir)
    assert refs.advance(MAIN, ids[0], None)
    assert git_ref(git_dir, MAIN) == git_ref(git_dir, "HEAD") == refs.resolve("HEAD") == ids[0]
    assert not refs.advance(MAIN, ids[1], None)
    assert not refs.advance(MAIN, ids[1], ids[2])
    assert refs.resolve(MAIN) == ids[0]
    assert refs.advance(MAIN, ids[1], ids[0])
    assert git_ref(git_dir, MAIN) == ids[1]
    assert not refs.advance("refs/tags/absent", ids[1], ids[0])
    gitjudge.fsck(git_dir)


def test_what_git_sets_vgit_reads(git_dir: Path, ids: list[ObjectId]) -> None:
    refs = open_refs(git_dir)
    gitjudge.run(git_dir, "update-ref", MAIN, ids[0].hex())
    gitjudge.run(git_dir, "tag", "-a", "-m", "annotated", "v1", ids[1].hex())
    gitjudge.run(git_dir, "update-ref", "refs/tags/sub/dir", ids[2].hex())
    expected = refs.list("refs/")
    assert list(expected) == ["refs/heads/main", "refs/tags/sub/dir", "refs/tags/v1"]
    assert expected["refs/tags/v1"] == git_ref(git_dir, "refs/tags/v1") != ids[1]
    gitjudge.run(git_dir, "pack-refs", "--all")
    assert not (git_dir / MAIN).exists(), "packed"
    assert refs.list("refs/") == expected
    assert refs.resolve(MAIN) == ids[0]
    assert list(refs.list("refs/tags/")) == ["refs/tags/sub/dir", "refs/tags/v1"]


def test_a_loose_ref_wins_over_a_packed_one(git_dir: Path, ids: list[ObjectId]) -> None:
    refs = open_refs(git_dir)
    gitjudge.run(git_dir, "update-ref", MAIN, ids[0].hex())
    gitjudge.run(git_dir, "pack-refs", "--all")
    assert not refs.advance(MAIN, ids[1], None), "packed is there"
    assert refs.advance(MAIN, ids[1], ids[0])
    assert refs.resolve(MAIN) == git_ref(git_dir, MAIN) == ids[1]
    assert refs.list("refs/") == {MAIN: ids[1]}


def test_a_symbolic_ref_is_followed(git_dir: Path, ids: list[ObjectId]) -> None:
    refs = open_refs(git_dir)
    gitjudge.run(git_dir, "symbolic-ref", MAIN, "refs/heads/trunk")
    assert refs.resolve(MAIN) is None
    assert refs.advance(MAIN, ids[0], None)
    assert refs.advance(MAIN, ids[1], ids[0])
    assert git_ref(git_dir, "refs/heads/trunk") == git_ref(git_dir, MAIN) == ids[1]
    gitjudge.run(git_dir, "pack-refs", "--all")
    assert refs.resolve("HEAD") == ids[1]
    assert refs.advance("HEAD", ids[2], ids[1])
    assert git_ref(git_dir, "refs/heads/trunk") == ids[2]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\n",
        b"junk\n",
        b"ab" * 19 + b"\n",
        b"ab" * 21 + b"\n",
        b"ab" * 19 + b" a b\n",
        b"\0" * 41,
        b"ab" * 20 + b"x",
    ],
)
def test_a_broken_ref(value: bytes) -> None:
    refs = refs_of({MAIN: value})
    for use in (lambda: refs.resolve(MAIN), lambda: refs.list("refs/"), lambda: refs.advance(MAIN, ID, None)):
        with pytest.raises(CorruptVolumeError, match="refs/heads/main holds"):
            use()


def test_what_follows_an_id_does_not_count() -> None:
    assert refs_of({MAIN: b"AB" * 20 + b" \r\n"}).resolve(MAIN) == b"\xab" * 20


@pytest.mark.parametrize(
    "target", ["../../secret", "/etc/passwd", "", "refs/heads/../x", "refs/x.lock", "\udcff\ud800"]
)
def test_a_symbolic_ref_to_no_ref(target: str) -> None:
    with pytest.raises(CorruptVolumeError, match="refs/heads/main"):
        refs_of({MAIN: b"ref: " + target.encode("utf-8", "surrogatepass")}).resolve(MAIN)


def test_a_symbolic_ref_to_itself() -> None:
    with pytest.raises(CorruptVolumeError, match="5 times"):
        refs_of({MAIN: b"ref: refs/heads/main\n"}).resolve(MAIN)


@pytest.mark.parametrize(
    "packed",
    [
        b"junk\n",
        b"# pack-refs\n" + b"ab" * 20 + b" refs/heads/../x\n",
        b"^" + b"ab" * 20 + b"\n",
        b"ab refs/heads/main\n",
    ],
)
def test_broken_packed_refs(packed: bytes) -> None:
    refs = refs_of({"packed-refs": packed})
    for use in (lambda: refs.resolve(MAIN), lambda: refs.list("refs/"), lambda: refs.advance(MAIN, ID, None)):
        with pytest.raises(CorruptVolumeError, match="packed-refs"):
            use()


def test_a_name_that_is_not_utf_8_hides_nothing() -> None:
    refs = refs_of({"packed-refs": b"ab" * 20 + b" refs/heads/\xff\n" + b"cd" * 20 + b" refs/heads/main\n"})
    assert refs.resolve(MAIN) == b"\xcd" * 20
    assert refs.list("refs/heads/")["refs/heads/\udcff"] == b"\xab" * 20


def test_files_that_are_no_refs() -> None:
    assert refs_of({MAIN: b"ab" * 20, "refs/heads/.DS_Store": b"\0junk"}).list("refs/") == {MAIN: b"\xab" * 20}


ID = ObjectId(b"\1" * 20)


def refs_of(values: dict[str, bytes]) -> Refs:
    backend: Backend = MemoryBackend()
    for key, value in values.items():
        backend.put(key, value)
    return Refs(backend, SHA1)


def test_parse_id() -> None:
    refs = refs_of({})
    assert refs.parse_id("ab" * 20) == b"\xab" * 20
    for text in ("", "ab", "ab" * 32, "é" * 40, "\ud800" * 40):
        with pytest.raises(CorruptVolumeError):
            refs.parse_id(text)


# delete


@pytest.mark.parametrize("state", ["loose", "packed", "both"])
def test_delete(git_dir: Path, ids: list[ObjectId], state: str) -> None:
    refs = open_refs(git_dir)
    gitjudge.run(git_dir, "config", "core.logAllRefUpdates", "always")
    gitjudge.run(git_dir, "update-ref", MAIN, ids[0].hex())
    gitjudge.run(git_dir, "tag", "-a", "-m", "annotated", "v1", ids[1].hex())
    gitjudge.run(git_dir, "tag", "v11", ids[2].hex())
    gitjudge.run(git_dir, "update-ref", "refs/tags/v1.a", ids[2].hex())
    if state != "loose":
        gitjudge.run(git_dir, "pack-refs", "--all")
    if state == "both":
        gitjudge.run(git_dir, "update-ref", "refs/tags/v1", ids[3].hex())
    before = refs.list("refs/")
    value = before.pop("refs/tags/v1")
    assert not refs.delete("refs/tags/v1", ids[4])
    assert not refs.delete("refs/tags/v0", ids[4])
    assert refs.delete("refs/tags/v1", value)
    assert not refs.delete("refs/tags/v1", value)
    assert refs.list("refs/") == before
    for name, id in before.items():
        assert git_ref(git_dir, name) == id
    assert git_ref(git_dir, "refs/tags/v1") is None
    gitjudge.fsck(git_dir)
    gitjudge.run(git_dir, "update-ref", "refs/tags/v1/below", ids[0].hex())
    assert refs.resolve("refs/tags/v1") is None
    assert refs.resolve("refs/tags/v1/below") == ids[0]


def test_no_ref_fits_below_another(git_dir: Path, ids: list[ObjectId]) -> None:
    refs = open_refs(git_dir)
    assert refs.advance("refs/tags/a", ids[0], None)
    with pytest.raises(InvalidError, match="a file stands where"):
        refs.advance("refs/tags/a/b", ids[0], None)
    assert refs.advance("refs/tags/d/e", ids[0], None)
    with pytest.raises(InvalidError, match="a directory with files"):
        refs.advance("refs/tags/d", ids[0], None)


# names


_parts = st.sampled_from(
    ["a", ".", "..", "@", "@{", "{", "/", "//", ".lock", "lock", "~", "^", ":", "?", "*", "[", "\\"]
)
_chars = st.sampled_from([" ", "\t", "\x7f", "é", "-", "\udcff", "refs/", "\n", "1"])


@given(st.lists(_parts | _chars, max_size=6).map("".join))
@example("refs/heads/a.lock/b")
@example("refs/heads/@")
@example("@")
@example("")
@example("a/b.")
def test_names_are_judged_as_git_does(name: str) -> None:
    assume(not name.startswith("-"))  # which git takes for an option
    raw = name.encode("utf-8", "surrogateescape")
    by_git = gitjudge.attempt("", "check-ref-format", raw).returncode == 0
    try:
        ours = check_ref_name(name) == name
    except InvalidError:
        ours = False
    assert ours == by_git


@pytest.mark.parametrize("name", ["main", "refs/heads/\ud800", "refs/heads/a b", "refs/heads/.a", "refs//a"])
def test_invalid_names(name: str) -> None:
    with pytest.raises(InvalidError, match="Invalid ref name"):
        check_ref_name(name)


# races


def test_nothing_is_lost_beside_stock_git(git_dir: Path, ids: list[ObjectId]) -> None:
    """Each of three processes moves main 20 times, from wherever it is; the moves are one line."""
    gitjudge.run(git_dir, "update-ref", MAIN, ids[0].hex())
    hex_ids = [id.hex() for id in ids]
    works = [writers.advance_ref, writers.advance_ref, backend_workers.swap_ref_by_git]
    started = []
    for work in works:
        here, there = SPAWN.Pipe()
        process = SPAWN.Process(target=work, args=(str(git_dir), hex_ids * 4, there))
        process.start()
        there.close()
        started.append((process, here))
    moves = [move for _, here in started for move in here.recv()]
    for process, here in started:
        process.join()
        here.close()
        assert process.exitcode == 0
    # Every value was left as often as it was reached, but for the first and the last.
    balance = dict.fromkeys(hex_ids, 0)
    for old, new in moves:
        balance[old] -= 1
        balance[new] += 1
    balance[hex_ids[0]] += 1
    last = open_refs(git_dir).resolve(MAIN)
    assert last is not None
    balance[last.hex()] -= 1
    assert set(balance.values()) == {0}
    assert len(moves) == 60


def test_refs_packed_under_a_writer_are_never_lost(git_dir: Path, ids: list[ObjectId]) -> None:
    gitjudge.run(git_dir, "update-ref", MAIN, ids[0].hex())
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=writers.advance_ref, args=(str(git_dir), [id.hex() for id in ids] * 20, there))
    process.start()
    there.close()
    while not here.poll():
        gitjudge.attempt(git_dir, "pack-refs", "--all", "--prune")  # may meet a lock of ours, and give up
    moves = here.recv()
    process.join()
    here.close()
    assert [new for _, new in moves] == [id.hex() for id in ids] * 20
    assert all(old == new for (_, new), (old, _) in itertools.pairwise(moves))
