"""Test_merge_laws: what holds of every merge, over random trees and edits."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.directories import Directories, Plain, directory, fifo, file, symlink
from vgit.ids import TreeId
from vgit.paths import Path
from vgit.repository.merge import Merged, merge
from vgit.tree.edits import Counts, Edit, Edits, Whole
from vgit.tree.entry import Entry, same_content

_names = st.sampled_from(["a", "b", "a.b", "é"])
_files = st.one_of(
    st.builds(
        lambda content, bits, mtime_ns: file(content, bits=bits, mtime_ns=mtime_ns),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from([0o644, 0o755]),
        st.integers(1, 3),
    ),
    st.sampled_from(["1", "2"]).map(symlink),
    st.just(fifo()),
)
plains: st.SearchStrategy[Plain] = st.recursive(
    st.dictionaries(_names, _files, max_size=3),
    lambda below: st.dictionaries(_names, _files | below, max_size=4),
    max_leaves=12,
)


def flatten(plain: Plain, path: Path = ()) -> dict[Path, Entry]:
    """Return every entry of a tree by its path; directories as an edit names them."""
    found: dict[Path, Entry] = {}
    for name, value in plain.items():
        here = (*path, name)
        if isinstance(value, dict):
            found[here] = directory()
            found |= flatten(value, here)
        else:
            found[here] = value
    return found


def scan(seen: Plain, now: Plain) -> dict[Path, Edit]:
    """Return the edits of a writer whose directory was ``seen`` and is ``now``: what a mount's scan finds."""
    before, after = flatten(seen), flatten(now)
    return {
        path: Edit(after.get(path), before.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }


def run(source: Directories, head: TreeId, edits: dict[Path, Edit]) -> tuple[TreeId, Merged]:
    merged = merge(head, Edits(edits), source)
    return source.after(head, merged), merged


def related(path: Path, other: Path) -> bool:
    """Say whether one of both is the other, or below it."""
    shorter = min(len(path), len(other))
    return path[:shorter] == other[:shorter]


@given(plains)
def test_no_edits_are_the_identity(head: Plain) -> None:
    source = Directories()
    assert merge(source.store(head), Edits(), source) == Merged(None, [], Counts())


@given(plains, plains)
def test_onto_what_was_seen_the_result_is_what_the_writer_has(seen: Plain, now: Plain) -> None:
    source = Directories()
    tree, merged = run(source, source.store(seen), scan(seen, now))
    assert source.plain(tree) == now
    assert merged.overwrote == []
    assert (merged.root is None) == (seen == now)


@given(plains, plains)
def test_what_head_has_already_is_no_commit(seen: Plain, now: Plain) -> None:
    source = Directories()
    assert merge(source.store(now), Edits(scan(seen, now)), source) == Merged(None, [], Counts())


@given(plains, plains, plains)
def test_merging_twice_is_merging_once(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    edits = scan(seen, now)
    tree, _ = run(source, source.store(head), edits)
    assert merge(tree, Edits(edits), source) == Merged(None, [], Counts())


@given(plains, plains, plains, st.sets(_names))
def test_disjoint_edits_commute(seen: Plain, now: Plain, head: Plain, mine: set[str]) -> None:
    source = Directories()
    start = source.store(head)
    edits = scan(seen, now)
    one = {path: edit for path, edit in edits.items() if path[0] in mine}
    other = {path: edit for path, edit in edits.items() if path[0] not in mine}
    tree, _ = run(source, start, one)
    one_first, _ = run(source, tree, other)
    tree, _ = run(source, start, other)
    other_first, _ = run(source, tree, one)
    together, _ = run(source, start, edits)
    assert one_first == other_first == together


@given(plains, plains, st.data())
def test_of_two_edits_of_a_path_the_last_counts(seen: Plain, head: Plain, data: Any) -> None:
    source = Directories()
    paths = sorted(path for path, entry in flatten(seen).items() if not entry.is_directory) or [("a",)]
    path = data.draw(st.sampled_from(paths))
    old = flatten(seen).get(path)
    first, second = file("first"), file("second")
    tree, _ = run(source, source.store(head), {path: Edit(first, old)})
    twice, merged = run(source, tree, {path: Edit(second, old)})
    once, _ = run(source, source.store(head), {path: Edit(second, old)})
    assert twice == once
    assert [lost.entry for lost in merged.overwrote] == [first]


@given(plains, plains, plains)
def test_paths_without_an_edit_stay(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    edits = scan(seen, now)
    tree, _ = run(source, source.store(head), edits)
    after = flatten(source.plain(tree))
    for path, entry in flatten(head).items():
        if not any(related(path, edited) for edited in edits):
            assert after.get(path) == entry
    for path in after.keys() - flatten(head).keys():
        assert any(related(path, edited) for edited in edits), "nothing comes from nowhere"


@given(plains, plains, plains)
def test_the_receipt_is_complete(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    before, known = flatten(head), flatten(seen)
    edits = scan(seen, now)
    tree, merged = run(source, source.store(head), edits)
    after = flatten(source.plain(tree))
    # A path without an edit is as the writer saw it; but where it stands nothing now, an edit above it
    # made room, and what the writer knew there would be an edit, too.
    lost = {
        path: entry
        for path, entry in before.items()
        if not entry.is_directory
        and not same_content(entry, edits[path].seen if path in edits else None)
        and not same_content(entry, after.get(path))
    }
    assert dict(merged.overwrote) == lost
    assert not any(same_content(entry, known[path]) for path, entry in lost.items() if path in edits and path in known)


@given(plains, plains, plains)
def test_the_counts_are_those_of_the_files(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    tree, merged = run(source, source.store(head), scan(seen, now))
    before = {path: entry for path, entry in flatten(head).items() if not entry.is_directory}
    after = {path: entry for path, entry in flatten(source.plain(tree)).items() if not entry.is_directory}
    added, removed = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    both = [(before[path], after[path]) for path in before.keys() & after.keys() if before[path] != after[path]]
    touched = sum(one._replace(mtime_ns=0) == other._replace(mtime_ns=0) for one, other in both)
    assert merged.counts == Counts(added, len(both) - touched, removed, touched=touched)


@given(plains, plains, plains)
def test_an_empty_directory_is_one_that_somebody_has(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    tree, _ = run(source, source.store(head), scan(seen, now))
    after = flatten(source.plain(tree))
    for path, entry in after.items():
        if entry.is_directory and not any(other[:-1] == path for other in after):
            both = flatten(now).get(path), flatten(head).get(path)
            assert any(one is not None and one.is_directory for one in both)


@given(plains, plains, plains)
def test_times_of_directories_never_count(seen: Plain, now: Plain, head: Plain) -> None:
    source = Directories()
    start = source.store(head)
    edits = scan(seen, now)
    touched = {
        path: Edit(directory(mtime_ns=99), directory())
        for path, entry in flatten(now).items()
        if entry.is_directory and path not in edits
    }
    with_touches, merged = run(source, start, {**edits, **touched})
    without, expected = run(source, start, edits)
    assert source.plain(with_touches) == source.plain(without)
    assert (merged.overwrote, merged.counts) == (expected.overwrote, expected.counts)
    assert (merged.root is None) == (expected.root is None)


@given(plains, plains, plains, st.data())
def test_an_edit_that_stands_for_a_whole_directory_is_as_those_of_its_files(
    seen: Plain, now: Plain, head: Plain, data: Any
) -> None:
    source = Directories()
    start = source.store(head)
    edits = scan(seen, now)
    tree, merged = run(source, start, edits)
    new = {
        path: {below[-1]: edit.new for below, edit in edits.items() if below[:-1] == path and edit.new is not None}
        for path, edit in edits.items()
        if edit.new is not None and edit.new.is_directory and edit.seen is None
    }
    leaves = {path: files for path, files in new.items() if not any(file.is_directory for file in files.values())}
    chosen = data.draw(st.sets(st.sampled_from(sorted(leaves)))) if leaves else set()
    folded = Edits({path: edit for path, edit in edits.items() if path[:-1] not in chosen})
    folded.wholes = {
        path: Whole(source.store(dict(leaves[path]), None), len(leaves[path]), partial(dict, leaves[path]))
        for path in chosen
    }
    assert dict(folded.unfolded()) == edits
    as_whole = merge(start, folded, source)
    after = source.after(start, as_whole)
    assert source.plain(after) == source.plain(tree)
    assert (as_whole.overwrote, as_whole.counts) == (merged.overwrote, merged.counts)
    assert source.flat(after) == source.flat(tree)
