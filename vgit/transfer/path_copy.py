"""Path copy: paths of a volume copied within it, as the Unix ``cp`` does; the contents are shared, not copied.

    cp v file new                  under the new name           the parent must exist
    cp v file directory            into the directory           under its own name
    cp v file file2                replaces it
    cp -r v d new                  the directory, as ``new``
    cp -r v d directory            into the directory, as ``directory/d``; one that is there gets the files too
    cp -r v d/. directory          what is in it, into the directory
    cp v a b c directory           each into the directory, which must exist

A copy has the mode of its source, and the mtime of now. Links are copied as
links and never followed, a destination that is a link is replaced.
"""

from collections.abc import Sequence

from vgit.errors import ConflictError, InvalidError, IsADirectoryConflict, NotADirectoryConflict, NotFoundError
from vgit.ids import TreeId
from vgit.paths import Path, has_state_name, parse_path
from vgit.repository.commit import Commit
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView, shown
from vgit.transfer.puts import check_target
from vgit.transfer.volume_target import Targets, to_edits
from vgit.tree.diff import diff_trees
from vgit.tree.entry import Entry, Kind, directory_entry


def copy(
    repository: Repository,
    sources: Sequence[str],
    destination: str,
    *,
    recursive: bool,
    author: str,
    message: str | None = None,
) -> Published | None:
    """Publish the copies as one commit; None if head has them already.

    Raise NotFoundError, a conflict, or InvalidError as ``cp`` would complain; then nothing was published.
    """
    if not sources:
        raise InvalidError("nothing to copy: no source was given.")
    head = repository.head()
    seen = repository.commit(head)
    now_ns = repository.clock.now_ns()
    plan = _CopyPlan(repository, seen, now_ns)
    into = plan.destination(destination, count=len(sources))
    for source in sources:
        plan.add(source, into, recursive=recursive)
    targets = Targets(repository, plan.files, plan.directories, overwrite=True)
    targets.check(seen)
    proposal = Proposal(
        edits=to_edits(repository, seen, plan.files, plan.directories, now_ns),
        author=author,
        message=message,
        base=head,
        check=targets.check,
    )
    with repository.writer() as writer:
        return publish(repository, proposal, writer)


class _Destination:
    """Where the copies go."""

    def __init__(self, path: Path, *, is_directory: bool, wants_directory: bool) -> None:
        self.path = path
        self.is_directory = is_directory  # it exists: sources go below it
        self.wants_directory = wants_directory  # it was written with a slash at its end


class _CopyPlan:
    """One call: what is to be at which path."""

    def __init__(self, repository: Repository, head: Commit, now_ns: int) -> None:
        self.files: dict[Path, Entry] = {}
        self.directories: dict[Path, Entry] = {}
        self._directories = repository.directories
        self._view = TreeView(repository, head.tree)
        self._now_ns = now_ns

    def destination(self, text: str, *, count: int) -> _Destination:
        """Return what the destination is; raise if it cannot take ``count`` sources."""
        path = parse_path(text)
        there = self._view.find(path)
        is_directory = there is not None and there.is_directory
        wants_directory = _ends_as_directory(text)
        if there is not None and not is_directory and (count > 1 or wants_directory):
            raise NotADirectoryConflict(f"{shown(path)!r} is a {there.kind.value}, expected a directory to copy into.")
        if there is None and not is_directory:
            if count > 1:
                raise NotADirectoryConflict(f"{shown(path)!r} does not exist; several sources need a directory.")
            parent = path[:-1]
            if parent and self._view.find(parent) is None:
                raise NotFoundError(f"No such directory: {shown(parent)!r}, where {shown(path)!r} is to be.")
        return _Destination(path, is_directory=is_directory, wants_directory=wants_directory)

    def add(self, text: str, into: _Destination, *, recursive: bool) -> None:
        """Add the copy of one source."""
        source = parse_path(text)
        if not source:
            raise InvalidError("the root of a volume cannot be copied into the volume itself; name what is in it.")
        entry = self._view.expect(source)
        contents_only = _last(text) == "."
        target = into.path if not into.is_directory or contents_only else (*into.path, source[-1])
        if entry.is_directory:
            if not recursive:
                raise IsADirectoryConflict(f"{shown(source)!r} is a directory; copying one needs recursive=True (-r).")
            self._check_apart(source, target)
            self._add_directory(source, entry, target)
            return
        if _ends_as_directory(text):
            raise NotADirectoryConflict(f"{shown(source)!r} is a {entry.kind.value}, not a directory.")
        if into.wants_directory and not into.is_directory:
            raise NotFoundError(f"No such directory: {shown(into.path)!r}, where {shown(source)!r} is to be.")
        if target == source:
            raise InvalidError(f"{shown(source)!r} cannot be copied onto itself.")
        self._add_file(target, entry)

    def _check_apart(self, source: Path, target: Path) -> None:
        if target == source:
            raise InvalidError(f"{shown(source)!r} cannot be copied onto itself.")
        if target[: len(source)] == source:
            raise InvalidError(f"the directory {shown(source)!r} cannot be copied into itself, as {shown(target)!r}.")

    def _add_directory(self, source: Path, entry: Entry, target: Path) -> None:
        if target:
            self._add_directory_entry(target, entry)
        assert entry.id is not None
        for below, _, one in diff_trees(self._directories, None, TreeId(entry.id)):
            assert one is not None
            if has_state_name(below):
                continue
            if one.is_directory:
                self._add_directory_entry(target + below, one)
            else:
                self._add_file(target + below, one)

    def _add_directory_entry(self, path: Path, entry: Entry) -> None:
        if path in self.files:
            raise ConflictError(f"two sources would be copied to {shown(path)!r}; copy them one after the other.")
        self.directories.setdefault(check_target(path), directory_entry(entry.mode, self._now_ns))

    def _add_file(self, path: Path, entry: Entry) -> None:
        if path in self.files or path in self.directories:
            raise ConflictError(f"two sources would be copied to {shown(path)!r}; copy them one after the other.")
        mtime_ns = entry.mtime_ns if entry.kind is Kind.GITLINK else self._now_ns  # of those none is recorded
        self.files[check_target(path)] = entry._replace(mtime_ns=mtime_ns)


def _last(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2]


def _ends_as_directory(text: str) -> bool:
    return text.endswith("/") or _last(text) in ("", ".")
