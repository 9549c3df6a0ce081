"""Test_merge: every row of the table in docs/merge.md, with the receipt of each."""

import stat

import pytest

from tests.directories import Directories, Plain, directory, fifo, file, symlink
from vgit.ids import ObjectId
from vgit.objects.git_mode import GITLINK_MODE, TREE_MODE
from vgit.paths import Path
from vgit.repository.merge import UNSET_MODE, Merged, NewDirectory, merge
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, Entry, Kind, same_content

OLD, OURS, THEIRS = file("old"), file("ours", mtime_ns=5), file("theirs", mtime_ns=7)


class Result:
    """A merge of ``edits`` onto ``head``, and what it left."""

    def __init__(
        self,
        head: Plain,
        edits: dict[Path, Edit],
        *,
        modes: dict[Path, int] | None = None,
        known: dict[Path, Entry] | None = None,
    ) -> None:
        self.source = Directories()
        self.head = self.source.store(head, modes=modes)
        all_edits = Edits(edits)
        all_edits.directories.update(known or {})
        self.merged: Merged = merge(self.head, all_edits, self.source)
        self.tree = self.source.after(self.head, self.merged)
        self.plain = self.source.plain(self.tree)
        self.flat = self.source.flat(self.tree)
        self.receipt = {lost.path: lost.entry for lost in self.merged.overwrote}
        self.counts = self.merged.counts


def unchanged(result: Result) -> bool:
    return result.merged.root is None and not result.receipt and result.counts == Counts()


# wrote file p


@pytest.mark.parametrize(
    ("head", "seen", "receipt"),
    [
        pytest.param({"p": OLD}, OLD, {}, id="unchanged"),
        pytest.param({"p": THEIRS}, OLD, {("p",): THEIRS}, id="wrote p"),
        pytest.param({"p": OURS._replace(mtime_ns=9)}, OLD, {}, id="wrote the same"),
        pytest.param({}, OLD, {}, id="removed p"),
        pytest.param({}, None, {}, id="nothing there, nothing seen"),
        pytest.param({"p": THEIRS}, None, {("p",): THEIRS}, id="made p, where we saw nothing"),
        pytest.param({"p": symlink("x")}, OLD, {("p",): symlink("x")}, id="made p a symlink"),
        pytest.param({"p": fifo()}, OLD, {("p",): fifo()}, id="made p a FIFO"),
        pytest.param({"p": fifo()}, fifo(), {}, id="unchanged FIFO"),
    ],
)
def test_a_written_file_is_ours(head: Plain, seen: Entry | None, receipt: dict[Path, Entry]) -> None:
    result = Result({**head, "other": OLD}, {("p",): Edit(OURS, seen)})
    assert result.plain == {"p": OURS, "other": OLD}
    assert result.receipt == receipt
    is_ours_already = "p" in head and same_content(head["p"], OURS)
    expected = Counts(touched=1) if is_ours_already else Counts(changed=1) if head else Counts(added=1)
    assert result.counts == expected


def test_a_written_file_replaces_a_directory_that_head_made() -> None:
    link = symlink("x")
    result = Result({"p": {"a": THEIRS, "d": {"l": link}, "empty": {}}}, {("p",): Edit(OURS, OLD)})
    assert result.plain == {"p": OURS}
    assert result.receipt == {("p", "a"): THEIRS, ("p", "d", "l"): link}
    assert result.counts == Counts(added=1, removed=2)


# wrote file p, content as seen: only mode or mtime differ


def test_a_mode_is_put_on_the_content_that_head_wrote() -> None:
    result = Result({"p": THEIRS}, {("p",): Edit(OLD._replace(mode=0o100755, git_mode=0o100755), OLD)})
    assert result.plain == {"p": THEIRS._replace(mode=0o100755, git_mode=0o100755)}
    assert not result.receipt
    assert result.counts == Counts(changed=1)


def test_a_mode_is_put_on_a_large_file_of_head() -> None:
    large = THEIRS._replace(git_mode=TREE_MODE)
    result = Result({"p": large}, {("p",): Edit(OLD._replace(mode=0o100600), OLD)})
    assert result.plain == {"p": large._replace(mode=0o100600)}


def test_an_mtime_alone_is_an_edit_of_the_content_seen_only() -> None:
    touched = Edit(OLD._replace(mtime_ns=99), OLD)
    assert Result({"p": OLD}, {("p",): touched}).plain == {"p": OLD._replace(mtime_ns=99)}
    assert unchanged(Result({"p": THEIRS}, {("p",): touched}))


def test_mode_and_mtime_change_each_for_itself() -> None:
    head = OLD._replace(mode=0o100600, mtime_ns=50)  # both changed by others meanwhile
    chmod = Edit(OLD._replace(mode=0o100640), OLD)
    assert Result({"p": head}, {("p",): chmod}).plain == {"p": head._replace(mode=0o100640)}
    touch = Edit(OLD._replace(mtime_ns=99), OLD)
    assert Result({"p": head}, {("p",): touch}).plain == {"p": head._replace(mtime_ns=99)}


def test_an_mtime_does_not_forget_a_hash() -> None:
    result = Result({"p": OLD}, {("p",): Edit(OLD._replace(mtime_ns=9, hash=None), OLD)})
    assert result.plain == {"p": OLD._replace(mtime_ns=9)}


@pytest.mark.parametrize("head", [{}, {"p": {"a": THEIRS}}, {"p": symlink("x")}, {"p": {}}])
def test_a_mode_brings_nothing_back(head: Plain) -> None:
    assert unchanged(Result(head, {("p",): Edit(OLD._replace(mode=0o100600), OLD)}))


@pytest.mark.parametrize("head", [{}, {"d": THEIRS}, {"d": {"e": THEIRS}}])
def test_a_mode_below_brings_no_directory_back(head: Plain) -> None:
    edits = {
        ("d", "e", "f"): Edit(OLD._replace(mode=0o100600), OLD),
        ("d", "e"): Edit(directory(0o700), directory()),
        ("d", "g"): Edit(directory(0o700), directory()),
    }
    assert unchanged(Result(head, edits))


# wrote p/q


@pytest.mark.parametrize(
    ("head", "receipt"),
    [
        ({"p": THEIRS}, {("p",): THEIRS}),
        ({"p": symlink("x")}, {("p",): symlink("x")}),
        ({}, {}),
        ({"p": {}}, {}),
    ],
)
def test_a_file_below_brings_its_directory(head: Plain, receipt: dict[Path, Entry]) -> None:
    result = Result(head, {("p", "q"): Edit(OURS, OLD), ("p", "gone"): Edit(None, OLD)})
    assert result.plain == {"p": {"q": OURS}}
    assert result.receipt == receipt
    assert result.counts == Counts(added=1, removed=len(receipt))


def test_a_directory_made_again_is_as_the_writer_has_it() -> None:
    edits = {("p", "q", "r"): Edit(OURS, None)}
    result = Result({}, edits, known={("p",): directory(0o700, 11)})
    assert (result.flat["p",].mode, result.flat["p",].mtime_ns) == (0o040700, 11)
    assert (result.flat["p", "q"].mode, result.flat["p", "q"].mtime_ns) == (DEFAULT_DIRECTORY_MODE, 0)


def test_a_gitlink_gives_way_to_a_directory() -> None:
    gitlink = Entry(GITLINK_MODE, GITLINK_MODE, ObjectId(b"g" * 20), 0, 0, None)
    result = Result({"p": gitlink}, {("p", "q"): Edit(OURS, None)})
    assert result.plain == {"p": {"q": OURS}}
    assert result.receipt == {("p",): gitlink}
    assert unchanged(Result({"p": gitlink}, {("x",): Edit(None, OLD)}))


# made empty directory p


def test_an_empty_directory_replaces_a_file_that_head_wrote() -> None:
    result = Result({"p": THEIRS}, {("p",): Edit(directory(0o700), None)})
    assert result.plain == {"p": {}}
    assert result.flat["p",].mode == 0o040700
    assert result.receipt == {("p",): THEIRS}


def test_a_directory_made_from_a_file_that_was_seen_loses_nothing() -> None:
    result = Result({"p": OLD}, {("p",): Edit(directory(), OLD), ("p", "q"): Edit(OURS, None)})
    assert result.plain == {"p": {"q": OURS}}
    assert not result.receipt
    assert result.counts == Counts(added=1, removed=1)


def test_a_directory_that_both_made_has_both_their_files() -> None:
    result = Result({"p": {"a": THEIRS}}, {("p",): Edit(directory(0o700), None), ("p", "b"): Edit(OURS, None)})
    assert result.plain == {"p": {"a": THEIRS, "b": OURS}}
    assert result.flat["p",].mode == 0o040700


# removed file p


@pytest.mark.parametrize(
    ("head", "receipt"),
    [({"p": OLD}, {}), ({"p": OLD._replace(mode=0o100600, mtime_ns=3)}, {}), ({"p": THEIRS}, {("p",): THEIRS})],
)
def test_a_removed_file_is_removed(head: Plain, receipt: dict[Path, Entry]) -> None:
    result = Result(head, {("p",): Edit(None, OLD)})
    assert result.plain == {}
    assert result.receipt == receipt
    assert result.counts == Counts(removed=1)


def test_a_file_removed_by_both_is_no_commit() -> None:
    assert unchanged(Result({"x": OLD}, {("p",): Edit(None, OLD), ("q", "r"): Edit(None, OLD)}))


@pytest.mark.parametrize("below", [{}, {"a": THEIRS}])
def test_a_directory_made_of_a_removed_file_stays(below: Plain) -> None:
    assert unchanged(Result({"p": below}, {("p",): Edit(None, OLD)}))


def test_the_directory_of_the_last_file_removed_stays() -> None:
    assert Result({"d": {"p": OLD}}, {("d", "p"): Edit(None, OLD)}).plain == {"d": {}}


# removed directory d and all it knew in it


REMOVED_D = {
    ("d",): Edit(None, directory()),
    ("d", "a"): Edit(None, OLD),
    ("d", "e"): Edit(None, directory()),
    ("d", "e", "b"): Edit(None, OLD),
}


def test_a_removed_directory_is_removed() -> None:
    result = Result({"d": {"a": OLD, "e": {"b": OLD}}, "x": OLD}, REMOVED_D)
    assert result.plain == {"x": OLD}
    assert not result.receipt
    assert result.counts == Counts(removed=2)


def test_what_head_changed_in_a_removed_directory_is_in_the_receipt() -> None:
    result = Result({"d": {"a": THEIRS, "e": {"b": OLD}}}, REMOVED_D)
    assert result.plain == {}
    assert result.receipt == {("d", "a"): THEIRS}


@pytest.mark.parametrize(
    ("added", "left"),
    [
        ({"d": {"a": OLD, "e": {"b": OLD}, "x": THEIRS}}, {"d": {"x": THEIRS}}),
        ({"d": {"a": OLD, "e": {"b": OLD, "x": THEIRS}}}, {"d": {"e": {"x": THEIRS}}}),
        ({"d": {"a": OLD, "e": {"b": OLD}, "x": {}}}, {"d": {"x": {}}}),
    ],
)
def test_what_head_added_keeps_a_removed_directory(added: Plain, left: Plain) -> None:
    result = Result(added, REMOVED_D)
    assert result.plain == left
    assert not result.receipt


def test_a_file_made_of_a_removed_directory_stays() -> None:
    assert unchanged(Result({"d": THEIRS}, REMOVED_D))


def test_a_removed_empty_directory() -> None:
    result = Result({"d": {}, "x": {}}, {("d",): Edit(None, directory())})
    assert result.plain == {"x": {}}
    assert result.merged.root is not None
    assert unchanged(Result({"d": {"x": THEIRS}}, {("d",): Edit(None, directory())}))


def test_the_root_stays_when_all_is_removed() -> None:
    result = Result({"a": OLD}, {(): Edit(None, directory()), ("a",): Edit(None, OLD)})
    assert result.merged.root is not None
    assert result.plain == {}


# replaced directory d by a file or symlink


@pytest.mark.parametrize("new", [OURS, symlink("x")])
def test_a_file_in_place_of_a_directory(new: Entry) -> None:
    edits = {**REMOVED_D, ("d",): Edit(new, directory())}
    result = Result({"d": {"a": THEIRS, "e": {"b": OLD, "x": THEIRS}, "y": OLD}}, edits)
    assert result.plain == {"d": new}
    assert result.receipt == {("d", "a"): THEIRS, ("d", "e", "x"): THEIRS, ("d", "y"): OLD}
    assert result.counts == Counts(added=1, removed=4)


def test_a_file_in_place_of_a_directory_that_head_made_a_file() -> None:
    result = Result({"d": THEIRS}, {**REMOVED_D, ("d",): Edit(OURS, directory())})
    assert result.plain == {"d": OURS}
    assert result.receipt == {("d",): THEIRS}


# changed the mode of directory p


def test_a_directory_mode_changes_alone() -> None:
    chmod = {("p",): Edit(directory(0o700, 9), directory())}
    result = Result({"p": {"a": OLD}}, chmod)
    assert (result.flat["p",].mode, result.flat["p",].mtime_ns) == (0o040700, 9)
    assert result.plain == {"p": {"a": OLD}}
    assert len(result.source.reads) == 1, "only the root had to be read"
    assert unchanged(Result({}, chmod))
    assert unchanged(Result({"p": THEIRS}, chmod))


def test_head_keeps_a_directory_mode_that_the_writer_did_not_change() -> None:
    edits = {("p",): Edit(directory(0o755, 9), directory(0o755, 1)), ("p", "q"): Edit(OURS, None)}
    result = Result({"p": {}}, edits, modes={("p",): 0o040711})
    assert result.flat["p",].mode == 0o040711


def test_the_root_has_a_mode() -> None:
    edits = {(): Edit(directory(0o700), directory())}
    result = Result({"a": OLD}, edits)
    assert result.merged.root is not None
    assert result.merged.root.mode == 0o040700
    assert result.plain == {"a": OLD}
    assert merge(result.tree, Edits(edits), result.source).root is None


def test_a_root_whose_mode_nobody_has_set_gets_one_by_an_edit_alone() -> None:
    source = Directories()
    head = source.store({"a": OLD}, mode=None)
    merged = merge(head, Edits({("a",): Edit(OURS, OLD)}), source)
    assert merged.root is not None
    assert merged.root.mode == UNSET_MODE
    for mode in (0o755, 0o700):
        merged = merge(head, Edits({(): Edit(directory(mode), directory(0o711))}), source)
        assert merged.root is not None
        assert merged.root.mode == 0o040000 | mode


# nothing at p


def test_no_edits() -> None:
    assert unchanged(Result({"a": OLD, "d": {"b": THEIRS}}, {}))


def test_a_directory_mtime_alone_is_no_change() -> None:
    assert unchanged(Result({"p": {"a": OLD}}, {("p",): Edit(directory(0o755, 9), directory(0o755, 1))}))


def test_a_directory_mtime_is_recorded_with_a_change() -> None:
    result = Result({"p": {"a": OLD}}, {("p", "a"): Edit(OURS, OLD)}, known={("p",): directory(0o755, 77)})
    assert result.flat["p",].mtime_ns == 77


# of edits that contradict each other nothing is lost silently


@pytest.mark.parametrize("seen", [OLD, None, directory()])
@pytest.mark.parametrize("head", [{"p": OLD}, {}, {"p": {}}])
def test_a_file_below_a_removal_is_written(head: Plain, seen: Entry | None) -> None:
    edits = {("p",): Edit(None, seen), ("p", "q"): Edit(OURS, None)}
    assert Result(head, edits).plain == {"p": {"q": OURS}}


def test_names_that_sort_between_a_directory_and_its_files() -> None:
    edits = {("a",): Edit(directory(), None), ("a", "b"): Edit(OURS, None), ("a.txt",): Edit(OURS, None)}
    assert Result({}, edits).plain == {"a": {"b": OURS}, "a.txt": OURS}


def test_only_what_is_touched_is_read() -> None:
    head: Plain = {"d": {"e": {"p": OLD}}, **{f"x{n}": {"y": {"z": OLD}} for n in range(50)}}
    assert len(Result(head, {("d", "e", "p"): Edit(OURS, OLD)}).source.reads) == 3


def test_trees_as_deep_as_a_path_is_long() -> None:
    deep = ("d",) * 2000
    source = Directories()
    head = source.store({})
    merged = merge(head, Edits({(*deep, "p"): Edit(OURS, None)}), source)
    depth, place = 0, merged.root
    while isinstance(place, NewDirectory) and "d" in place.entries:
        depth, place = depth + 1, place.entries["d"]  # type: ignore[assignment]
    assert depth == 2000
    assert isinstance(place, NewDirectory)
    assert place.entries == {"p": OURS}


def test_head_may_be_deep_where_it_is_lost() -> None:
    source = Directories()
    tree = source.store({"q": THEIRS}, mode=None)
    for _ in range(2000):
        tree = source.store({"d": Entry(0o040755, TREE_MODE, tree, 0, 0, None)}, mode=None)
    merged = merge(tree, Edits({("d",): Edit(OURS, OLD)}), source)
    assert [len(lost.path) for lost in merged.overwrote] == [2001]


def test_the_receipt_is_in_path_order() -> None:
    head: Plain = {"b": {"x": THEIRS}, "a": {"d": {"y": THEIRS}, "e": THEIRS}, "c": THEIRS}
    edits = {
        ("c",): Edit(OURS, OLD),
        ("b", "x"): Edit(None, OLD),
        ("a",): Edit(OURS, OLD),
    }
    paths = [lost.path for lost in Result(head, edits).merged.overwrote]
    assert paths == [("a", "d", "y"), ("a", "e"), ("b", "x"), ("c",)]


def test_kinds_are_told_apart() -> None:
    same = OLD._replace(mode=stat.S_IFLNK | 0o777, git_mode=0o120000)
    assert same.kind is Kind.SYMLINK
    result = Result({"p": same}, {("p",): Edit(OURS, OLD)})
    assert result.receipt == {("p",): same}, "equal bytes, but another kind"
