"""Test_file_changes: how two trees differ, as a person would tell it."""

from hypothesis import given
from hypothesis import strategies as st

from tests.history.states import (
    State,
    commit_state,
    directory,
    fifo,
    file,
    read_state,
    states,
    symlink,
    tree_at,
    volume,
)
from vgit.history.file_changes import FileChange, changes, count_changes
from vgit.paths import Path, format_path
from vgit.tree.edits import Counts
from vgit.tree.entry import Entry, same_content


def differences(old: State, new: State, path: Path | None = None) -> list[FileChange]:
    repository, _ = volume()
    trees = [tree_at(repository, commit_state(repository, state)) for state in (old, new)]
    return changes(repository, *trees, path=path)


def told(old: State, new: State, path: Path | None = None) -> list[tuple[str, ...]]:
    """Return what differs as ``(path, kind)``, of a rename with where it came from."""
    return [
        (format_path(one.path), one.kind) + ((format_path(one.old_path),) if one.old_path is not None else ())
        for one in differences(old, new, path)
    ]


def test_files_come_change_and_go() -> None:
    old: State = {"a": file(b"1"), "b": file(b"2"), "d": directory({"x": file(b"3"), "y": file(b"4")})}
    new: State = {"a": file(b"1"), "b": file(b"5"), "c": file(b"6"), "d": directory({"x": file(b"3")})}
    assert told(old, new) == [("b", "changed"), ("c", "added"), ("d/y", "removed")]
    one = differences(old, new)[0]
    assert one.old is not None and one.new is not None and (one.old.size, one.new.size) == (1, 1)


def test_modes_and_times_of_files_are_changes_and_times_of_directories_are_not() -> None:
    old: State = {"a": file(b"1"), "b": file(b"1"), "d": directory({"x": file(b"3")}), "e": directory()}
    new: State = {
        "a": file(b"1", mtime_ns=5),
        "b": file(b"1", 0o755, mtime_ns=5),
        "d": directory({"x": file(b"3", mtime_ns=7)}, 0o700, mtime_ns=5),
        "e": directory(mtime_ns=5),
    }
    assert told(old, new) == [("a", "time"), ("b", "mode"), ("d", "mode"), ("d/x", "time")]


def test_the_root_has_a_mode_too() -> None:
    repository, _ = volume()
    old = tree_at(repository, commit_state(repository, {}))
    new = tree_at(repository, commit_state(repository, {}, root_bits=0o700))
    (one,) = changes(repository, old, new)
    assert (one.path, one.kind) == ((), "mode")


def test_a_directory_is_told_of_only_if_it_is_empty() -> None:
    empty, full = directory(), directory({"x": file(b"1")})
    assert told({}, {"d": empty}) == [("d", "added")]
    assert told({}, {"d": full}) == [("d/x", "added")]
    assert told({"d": empty}, {}) == [("d", "removed")]
    assert told({"d": full}, {}) == [("d/x", "removed")]
    assert told({"d": empty}, {"d": full}) == [("d/x", "added")]
    assert told({"d": full}, {"d": empty}) == [("d/x", "removed")]
    assert told({}, {"d": directory({"e": empty})}) == [("d/e", "added")]


def test_kinds_change() -> None:
    empty, full = directory(), directory({"x": file(b"1")})
    assert told({"p": file(b"2")}, {"p": symlink(b"2")}) == [("p", "changed")]
    assert told({"p": fifo()}, {"p": file(b"")}) == [("p", "changed")]
    assert told({"p": file(b"2")}, {"p": full}) == [("p", "removed"), ("p/x", "added")]
    assert told({"p": full}, {"p": file(b"2")}) == [("p", "added"), ("p/x", "removed")]
    assert told({"p": file(b"2")}, {"p": empty}) == [("p", "changed")]
    assert told({"p": empty}, {"p": file(b"2")}) == [("p", "changed")]
    assert told({"p": fifo()}, {"p": fifo()}) == []


def test_what_went_and_came_again_is_a_rename() -> None:
    old: State = {"a": file(b"1"), "d": directory({"b": file(b"2")})}
    new: State = {"e": file(b"1", 0o755), "f": directory({"b": file(b"2"), "c": file(b"3")})}
    assert told(old, new) == [("e", "renamed", "a"), ("f/b", "renamed", "d/b"), ("f/c", "added")]
    assert told({"p": directory({"x": file(b"1")})}, {"p": file(b"1")}) == [("p", "renamed", "p/x")]
    assert told({"a": file(b"1")}, {"b": symlink(b"1")}) == [("a", "removed"), ("b", "added")]


def test_a_copy_is_no_rename_and_a_source_is_used_once() -> None:
    assert told({"a": file(b"1")}, {"a": file(b"1"), "b": file(b"1")}) == [("b", "added")]
    assert told({"a": file(b"1")}, {"b": file(b"1"), "c": file(b"1")}) == [("b", "renamed", "a"), ("c", "added")]
    assert told({"a": file(b"1"), "b": file(b"1")}, {"c": file(b"1")}) == [("b", "removed"), ("c", "renamed", "a")]


def test_of_several_the_same_base_name_goes_first() -> None:
    old: State = {"a": file(b"1"), "b": file(b"1")}
    new: State = {"d": directory({"0": file(b"1"), "b": file(b"1")})}
    assert told(old, new) == [("d/0", "renamed", "a"), ("d/b", "renamed", "b")]


def test_empty_files_are_renamed_only_under_their_name() -> None:
    old: State = {"a": file(b""), "b": file(b"")}
    new: State = {"c": file(b""), "d": directory({"b": file(b"")})}
    assert told(old, new) == [("a", "removed"), ("c", "added"), ("d/b", "renamed", "b")]


def test_many_equal_files_are_paired_in_order() -> None:
    old: State = {"old": directory({f"{n:05}": file(b"1") for n in range(2000)})}
    new: State = {"new": directory({f"{n:05}x": file(b"1") for n in range(2000)})}
    found = differences(old, new)
    assert [one.kind for one in found] == ["renamed"] * 2000
    assert all(one.old_path == ("old", one.path[1][:-1]) for one in found)


def test_of_one_path_only() -> None:
    old: State = {"a": file(b"1"), "d": directory({"x": file(b"2"), "y": file(b"3")}), "dd": file(b"4")}
    new: State = {"b": file(b"1"), "d": directory({"z": file(b"2"), "y": file(b"5")}), "dd": file(b"6")}
    assert told(old, new, ("d",)) == [("d/y", "changed"), ("d/z", "renamed", "d/x")]
    assert told(old, new, ("d", "y")) == [("d/y", "changed")]
    assert told(old, new, ("a",)) == [("a", "removed")]
    assert told(old, new, ("dd",)) == [("dd", "changed")]
    assert told(old, new, ("nothing", "here")) == []
    assert told(old, new, ("dd", "below", "a", "file")) == []
    assert len(told(old, new, ())) == 4


def test_counts_are_those_of_the_parts() -> None:
    repository, _ = volume()
    old: State = {
        "a": file(b"1"),
        "b": file(b"2"),
        "e": directory(),
        "f": file(b"3"),
        "g": directory({"x": file(b"4")}),
        "h": file(b"5"),
        "i": file(b"6"),
    }
    new: State = {
        "a": file(b"1", 0o600),
        "b": file(b"x"),
        "e": file(b""),
        "f": directory(),
        "g": file(b"4"),
        "h": file(b"5", mtime_ns=9),
        "j": file(b"6"),
        "k": directory(),
    }
    trees = [tree_at(repository, commit_state(repository, state)) for state in (old, new)]
    # added: e g j; changed: a b; removed: f g/x i; touched: h
    assert count_changes(repository, *trees) == Counts(3, 2, 3, touched=1)
    assert count_changes(repository, None, trees[0]) == Counts(added=6)


@given(states, states)
def test_changes_are_what_differs(old: State, new: State) -> None:
    repository, _ = volume()
    trees = [tree_at(repository, commit_state(repository, state)) for state in (old, new)]
    before, after = (read_state(repository, tree) for tree in trees)
    found = changes(repository, *trees)
    assert [one.path for one in found] == sorted({one.path for one in found})
    for one in found:
        assert one.new is None or _plain(one.new) == after[one.path]
        assert one.old is None or _plain(one.old) == before[one.old_path or one.path]
        if one.kind == "renamed":
            assert one.old_path is not None
            assert one.old_path not in after or after[one.old_path].is_directory
            assert same_content(one.old, one.new)
    gone = _files(before) - _files(after)
    came = _files(after) - _files(before)
    assert gone <= {one.old_path or one.path for one in found if one.kind in ("removed", "renamed", "changed")}
    assert came <= {one.path for one in found if one.kind in ("added", "renamed", "changed")}
    for path in before.keys() & after.keys():
        same = same_content(before[path], after[path])
        reported = [one.kind for one in found if one.path == path and one.kind in ("changed", "mode", "time")]
        if same:
            is_mode = before[path].mode != after[path].mode
            assert reported == (["mode"] if is_mode else ["time"] if before[path] != after[path] else [])
        elif not (before[path].is_directory or after[path].is_directory):
            assert reported == ["changed"]


@given(states, states, st.data())
def test_changes_of_a_path_are_those_below_it(old: State, new: State, data: st.DataObject) -> None:
    repository, _ = volume()
    trees = [tree_at(repository, commit_state(repository, state)) for state in (old, new)]
    everything = sorted({*read_state(repository, trees[0]), *read_state(repository, trees[1])})
    path = data.draw(st.sampled_from(everything))
    whole = _without_renames(changes(repository, *trees))
    below = {one for one in whole if one[0][: len(path)] == path}
    assert _without_renames(changes(repository, *trees, path=path)) == below


@given(states)
def test_nothing_differs_from_itself(state: State) -> None:
    assert differences(state, state) == []


def _plain(entry: Entry) -> Entry:
    return entry._replace(id=None, mtime_ns=0) if entry.is_directory else entry


def _files(state: dict[Path, Entry]) -> set[Path]:
    return {path for path, entry in state.items() if not entry.is_directory}


def _without_renames(found: list[FileChange]) -> set[tuple[Path, str]]:
    split = set()
    for one in found:
        if one.kind == "renamed":
            assert one.old_path is not None
            split |= {(one.old_path, "removed"), (one.path, "added")}
        else:
            split.add((one.path, one.kind))
    return split
