"""Merge: last writer wins, per file; a pure function of edits and a tree.

A writer's edits say, for each path it changed, what is there now and what it
had *seen* there (last checked out or committed). They are applied to head's
tree, whoever made that. Head's version of every path without an edit stays.

    the writer                        head meanwhile              result
    wrote file p                      unchanged, wrote, removed   ours
    wrote file p                      made p a directory          ours
    wrote file p (content as seen)    wrote p                     head's content, our mode if changed
    wrote file p (content as seen)    removed p, or another kind  head's
    wrote p/q                         made p a file, or removed   the directory with q
    made empty directory p            wrote file p                the directory
    removed file p                    unchanged, or wrote p       removed
    removed file p                    made p a directory          the directory stays
    removed directory d, all it knew  added d/x                   d with d/x stays
    removed directory d               made d a file               the file stays
    replaced d by a file              wrote below d               ours
    changed the mode of directory p   removed it, or a file       head's

The receipt names each version of head's that is lost and that the writer had
not seen: it differs from *seen* and from the result. docs/merge.md has the
whole of it. Nothing here recurses: a tree may be as deep as a path is long.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from vgit.ids import TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, TREE_MODE
from vgit.paths import ROOT, Path
from vgit.repository.edit_tree import Child, EditNode, creates, edit_tree, unfold
from vgit.tree.directory import Directory
from vgit.tree.edits import Counts, Edit, Edits
from vgit.tree.entry import DEFAULT_DIRECTORY_MODE, Entry, is_touched, same_content

UNSET_MODE = 0  # of a volume's root, as long as nobody has set it
_NO_ENTRIES: Mapping[str, Entry] = {}


class Lost(NamedTuple):
    """A version of head's that is overwritten unseen."""

    path: Path
    entry: Entry


class NewDirectory:
    """A directory that has to be written: its own metadata, and entries, some of them new directories too."""

    __slots__ = ("entries", "mode", "mtime_ns")

    def __init__(self, mode: int, mtime_ns: int, entries: "dict[str, Entry | NewDirectory]") -> None:
        self.mode = mode
        self.mtime_ns = mtime_ns
        self.entries = entries


class Merged(NamedTuple):
    """The result of a merge: the tree to write, and what it does to head's."""

    root: NewDirectory | None  # None: head's tree as it is
    overwrote: list[Lost]  # in path order
    counts: Counts


class DirectorySource(Protocol):
    """Where directories are read from; tree.directory.DirectoryReader, or a dict in tests."""

    def read(self, tree_id: TreeId) -> Directory:
        """Return the directory of ``tree_id``."""


class _Level:
    """A directory whose entries are being put together."""

    __slots__ = ("after", "before", "head", "name", "node", "path", "up")

    def __init__(
        self, up: "_Level | None", path: Path, node: EditNode, head: Entry | None, before: Mapping[str, Entry]
    ) -> None:
        self.up = up
        self.path = path
        self.node = node
        self.head = head  # head's directory; None: head has none here
        self.before = before  # its entries, if they are needed
        self.after: dict[str, Entry | NewDirectory] | None = None  # None: as before

    def put(self, name: str, result: Entry | NewDirectory | None) -> None:
        """Let ``result`` stand at ``name``."""
        old = self.before.get(name)
        if result is old or result == old:
            return
        if self.after is None:
            self.after = dict(self.before)
        if result is None:
            del self.after[name]
        else:
            self.after[name] = result


def merge(head: TreeId, edits: Edits, directories: DirectorySource) -> Merged:
    """Apply ``edits`` to the tree ``head``; read only directories that an edit touches, or that are lost."""
    merger = _Merger(edits, directories)
    root = merger.run(head, edit_tree(edits))
    merger.overwrote.sort(key=lambda lost: lost.path)
    counts = Counts(merger.added, merger.changed, merger.removed, touched=merger.touched)
    return Merged(root if isinstance(root, NewDirectory) else None, merger.overwrote, counts)


class _Merger:
    """One run of merge: the sources and what is counted on the way."""

    def __init__(self, edits: Edits, directories: DirectorySource) -> None:
        self._known = edits.directories
        self._wholes = edits.wholes
        self._directories = directories
        self.overwrote: list[Lost] = []
        self.added = self.changed = self.removed = self.touched = 0

    def run(self, head: TreeId, root: EditNode) -> Entry | NewDirectory | None:
        """Return the root after the merge; an Entry if it is head's as it is."""
        directory = self._directories.read(head)
        entry = Entry(directory.mode or UNSET_MODE, TREE_MODE, head, 0, 0, None)
        levels = [_Level(None, ROOT, root, entry, directory.entries)]
        for level in levels:  # grows on the way: every directory comes before those below it
            children = self._put_new_files(level) if level.head is None else level.node.children
            for name, child in children.items():
                below = self._place(level, name, child)
                if below is not None:
                    levels.append(below)
        for level in reversed(levels):
            result = self._finish(level)
            if level.up is not None:
                level.up.put(level.path[-1], result)
        return result

    def _put_new_files(self, level: _Level) -> dict[str, Child]:
        """Put the files nobody had seen of a directory that head has not, most of a first commit; return the rest."""
        children = level.node.children
        new = [(name, child[0]) for name, child in children.items() if type(child) is Edit and child[1] is None]
        files = {name: entry for name, entry in new if entry is not None and not entry.is_directory}
        if files:
            level.after = dict[str, Entry | NewDirectory](files)
            self.added += len(files)
        return {name: children[name] for name in children if name not in files} if len(files) < len(children) else {}

    def _place(self, level: _Level, name: str, child: Child) -> _Level | None:
        """Put what stands at ``name`` after the merge, or return it as a directory yet to be put together."""
        path = (*level.path, name)
        head = level.before.get(name)
        node, edit = (child, child.edit) if isinstance(child, EditNode) else (None, child)
        whole = self._wholes.get(path) if edit is not None and edit.new is not None and edit.seen is None else None
        if edit is not None and edit.new is not None and not edit.new.is_directory:
            level.put(name, self._put_file(path, edit, head, node.children if node is not None else {}))
            return None
        if head is not None and head.is_directory:
            return self._open(level, path, unfold(node or EditNode(edit), whole), head)
        if node.creates if node is not None else edit is not None and creates(edit):
            if head is not None:
                self.removed += 1
                self._lose_file(path, head, edit.seen if edit is not None else None, None)
            if whole is not None and edit is not None and edit.new is not None and not isinstance(child, EditNode):
                self.added += whole.file_count
                level.put(name, edit.new._replace(id=whole.tree))
                return None
            return self._open(level, path, unfold(node or EditNode(edit), whole), None)
        # No directory of head's, and none of ours: a removal, or only modes that changed, here or below.
        if head is not None and edit is not None and edit.new is None and not _saw_directory(edit):
            self.removed += 1
            self._lose_file(path, head, edit.seen, None)
            level.put(name, None)
        return None

    def _put_file(self, path: Path, edit: Edit, head: Entry | None, below: dict[str, Child]) -> Entry | None:
        new, seen = edit
        assert new is not None, "the caller has a file to put"
        if seen is not None and same_content(new, seen):
            return self._put_metadata(edit, head)
        if head == new:
            return head
        if head is None:
            self.added += 1
        elif head.is_directory:
            self.added += 1
            self._lose_directory(path, below, head)
        else:
            self._count_change(new, head)
            self._lose_file(path, head, seen, new)
        return new

    def _put_metadata(self, edit: Edit, head: Entry | None) -> Entry | None:
        """Put mode and time where the content is as seen: no content of head's may revert for a chmod or a touch."""
        new, seen = edit
        assert new is not None and seen is not None
        if head is None or head.kind is not new.kind:
            return head
        mode = new.mode if new.mode != seen.mode else head.mode
        result = head._replace(mode=mode, git_mode=_git_mode(head, mode))
        if same_content(head, new):
            mtime_ns = new.mtime_ns if new.mtime_ns != seen.mtime_ns else head.mtime_ns
            result = result._replace(mtime_ns=mtime_ns, hash=head.hash or new.hash)
        if result == head:
            return head
        self._count_change(result, head)
        return result

    def _count_change(self, new: Entry, head: Entry) -> None:
        if is_touched(new, head):
            self.touched += 1
        else:
            self.changed += 1

    def _open(self, up: _Level, path: Path, node: EditNode, head: Entry | None) -> _Level:
        removes = node.edit is not None and node.edit.new is None
        needed = head is not None and (node.children or removes)
        return _Level(up, path, node, head, self._read(head).entries if head is not None and needed else _NO_ENTRIES)

    def _finish(self, level: _Level) -> Entry | NewDirectory | None:
        """Return the directory: head's own where nothing changed, None where the writer's removal holds."""
        edit, head = level.node.edit, level.head
        ours = edit.new if edit is not None and edit.new is not None else self._known.get(level.path)
        if head is None:
            mode, mtime_ns = (ours.mode, ours.mtime_ns) if ours is not None else (DEFAULT_DIRECTORY_MODE, 0)
            return NewDirectory(mode, mtime_ns, level.after or {})
        if edit is not None and edit.new is None and _saw_directory(edit) and level.up is not None:
            entries = level.before if level.after is None else level.after
            if not entries:
                return None
        mode = _merged_mode(edit, head)
        if level.after is None and mode == head.mode:
            return head  # a directory's time by itself is no change
        mtime_ns = ours.mtime_ns if ours is not None else head.mtime_ns
        if level.after is None and level.up is not None:
            return head._replace(mode=mode, mtime_ns=mtime_ns)
        return NewDirectory(mode, mtime_ns, dict(level.before) if level.after is None else level.after)

    def _read(self, entry: Entry) -> Directory:
        assert entry.id is not None
        return self._directories.read(TreeId(entry.id))

    def _lose_file(self, path: Path, head: Entry, seen: Entry | None, result: Entry | None) -> None:
        if not same_content(head, seen) and not same_content(head, result):
            self.overwrote.append(Lost(path, head))

    def _lose_directory(self, path: Path, below: dict[str, Child], head: Entry) -> None:
        """Head's directory gives way to a file: all in it that the writer had not seen is in the receipt."""
        lost = [(path, below, head)]
        for path, below, head in lost:  # grows on the way
            for name, entry in self._read(head).entries.items():
                child = below.get(name)
                if entry.is_directory:
                    lost.append(((*path, name), child.children if isinstance(child, EditNode) else {}, entry))
                    continue
                edit = child.edit if isinstance(child, EditNode) else child
                self.removed += 1
                self._lose_file((*path, name), entry, edit.seen if edit is not None else None, None)


def _saw_directory(edit: Edit) -> bool:
    return edit.seen is not None and edit.seen.is_directory


def _merged_mode(edit: Edit | None, head: Entry) -> int:
    """Return the mode of a directory that both have: the writer's if it made the directory or changed the mode."""
    if edit is None or edit.new is None:
        return head.mode
    if edit.seen is not None and edit.seen.is_directory and edit.seen.mode == edit.new.mode:
        return head.mode
    return edit.new.mode


def _git_mode(entry: Entry, mode: int) -> int:
    """Return the git mode of ``entry`` under a new ``mode``: git keeps one bit of it, for blobs only."""
    if entry.git_mode in (FILE_MODE, EXECUTABLE_MODE):
        return EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
    return entry.git_mode
