"""Upload: the puts of a batch, published as one commit.

    1. the puts are spread out: a source for each path         no file is read
    2. the volume is asked what is in their way                nothing is written
    3. sources are read, in order, into packs without a name   small files ahead, in threads
    4. the commit is published, onto whatever head is by then  step 2 again for each head tried

What goes wrong, until the last step is done, leaves the volume as it was and
drops what was written.
"""

import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from vgit.content import StoredContent, store_stream
from vgit.content.hash_threads import thread_pool
from vgit.files.content_sink import PackSink
from vgit.files.left_out import LeftOutKind, Omitted
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, SYMLINK_MODE
from vgit.objects.object_writer import ObjectWriter
from vgit.paths import Path
from vgit.repository.commit import Commit
from vgit.repository.publish import Proposal, Published, publish
from vgit.repository.repository import Repository
from vgit.repository.tree_view import TreeView
from vgit.runtime.cancel import checkpoint
from vgit.transfer.local_directories import LocalDirectories
from vgit.transfer.local_file import Kinds, store_descriptor, store_local, watch_local
from vgit.transfer.local_tree import LocalFile, LocalLink
from vgit.transfer.puts import Put
from vgit.transfer.read_ahead import FileAhead, read_ahead, readers
from vgit.transfer.streams import descriptor_of, reader_of
from vgit.transfer.transfer_progress import NoProgress, Progress
from vgit.transfer.upload_plan import FileObject, UploadPlan, UploadSource, make_upload_plan
from vgit.transfer.volume_target import Targets, to_edits
from vgit.tree.entry import Entry

if TYPE_CHECKING:
    from concurrent.futures import Executor

_FILE_OBJECT_MODE = stat.S_IFREG | 0o644


class Uploaded(NamedTuple):
    """What an upload came to."""

    published: Published | None  # None: the volume had all of it
    left_out: tuple[Omitted, ...] = ()


def upload(
    repository: Repository,
    puts: Iterable[Put],
    *,
    author: str,
    message: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Uploaded:
    """Publish what ``puts`` ask for as one commit; nothing is published if head has all of it already.

    ``force`` lets files replace what is there, but never a directory. Raise
    AlreadyExistsError, a conflict, or what reading a local file raised; then
    nothing was published. What ``progress`` raises ends the upload as well.
    """
    with LocalDirectories() as directories:
        plan = make_upload_plan(puts, directories)
        if not plan.files and not plan.directories:
            return Uploaded(None, tuple(plan.left_out))
        return _upload(repository, plan, author, message, progress or NoProgress(), overwrite=force)


def _upload(
    repository: Repository, plan: UploadPlan, author: str, message: str | None, progress: Progress, *, overwrite: bool
) -> Uploaded:
    head = repository.head()
    seen = repository.commit(head)
    targets = Targets(repository, plan.files, plan.directories, overwrite=overwrite)
    targets.check(seen)
    now_ns = repository.clock.now_ns()
    with repository.writer() as writer:
        reader = _Reader(repository, writer, seen, now_ns, progress)
        files = reader.run(plan)
        proposal = Proposal(
            edits=to_edits(repository, seen, files, plan.directories, now_ns),
            author=author,
            message=message,
            base=head,
            unstable=tuple(sorted(reader.unstable)),
            check=targets.check,
        )
        return Uploaded(publish(repository, proposal, writer), tuple(sorted([*plan.left_out, *reader.left_out()])))


class _Reader:
    """Reads all sources of one upload into the store, one after the other."""

    def __init__(
        self, repository: Repository, writer: ObjectWriter, head: Commit, now_ns: int, progress: Progress
    ) -> None:
        self.unstable: list[Path] = []
        self._not_kept: dict[LeftOutKind, Path] = {}
        self._store = repository.objects
        self._writer = writer
        self._view = TreeView(repository, head.tree)
        self._now_ns = now_ns
        self._progress = progress
        self._local = watch_local(repository.clock.sleep)
        self._watched = 0  # bytes of the file being read that progress knows of

    def run(self, plan: UploadPlan) -> dict[Path, Entry]:
        """Return what the files come to."""
        self._progress.expect(len(plan.files), plan.size_bytes)
        files: dict[Path, Entry] = {}
        with thread_pool(None) as pool, readers() as ahead:
            sink = PackSink(self._store, self._writer, pool=pool, watch=self._watch)
            for path, source, read in read_ahead(plan.files.items(), ahead, self._local):
                checkpoint()
                self._watched = 0
                entry = files[path] = self._read(path, source, read, sink, pool)
                self._progress.advance(1, max(entry.size - self._watched, 0))
        return files

    def left_out(self) -> list[Omitted]:
        """Return what the files have that a volume cannot hold, once for each kind."""
        return [Omitted.of(kind, path) for kind, path in self._not_kept.items()]

    def _read(
        self, path: Path, source: UploadSource, read: FileAhead | None, sink: PackSink, pool: "Executor"
    ) -> Entry:
        if isinstance(source, Entry):
            return source
        seen = self._view.find(path)
        if read is not None and isinstance(source, LocalFile):
            self._note(path, read.not_kept)
            return _file(sink.add_bytes(read.data, seen), read.now.mode, read.now.mtime_ns, source.mode)
        if isinstance(source, LocalLink):
            stored = sink.add_bytes(source.target, seen)
            return Entry(source.mode, SYMLINK_MODE, stored.id, stored.size, source.mtime_ns, stored.hash)
        if isinstance(source, FileObject):
            return self._read_object(path, source, seen, sink, pool)
        kinds: Kinds = {}
        result = store_local(source, kinds, sink, seen, self._local)
        self._note(path, kinds, is_steady=result.is_steady)
        return _file(result.content, result.now.mode, result.now.mtime_ns, source.mode)

    def _read_object(
        self, path: Path, source: FileObject, seen: Entry | None, sink: PackSink, pool: "Executor"
    ) -> Entry:
        descriptor = descriptor_of(source.stream)
        if descriptor is None:
            read_into = reader_of(source.stream)
            content = store_stream(read_into, self._writer, self._store, pool=pool, watch=self._watch)
        else:
            result = store_descriptor(descriptor, sink, seen, self._local)
            self._note(path, is_steady=result.is_steady)
            content = result.content
        return _file(content, _FILE_OBJECT_MODE, self._now_ns, source.mode)

    def _note(self, path: Path, not_kept: Iterable[LeftOutKind] = (), *, is_steady: bool = True) -> None:
        for kind in not_kept:
            self._not_kept.setdefault(kind, path)
        if not is_steady:
            self.unstable.append(path)

    def _watch(self, size_bytes: int) -> None:
        self._watched += size_bytes
        self._progress.advance(0, size_bytes)


def _file(content: StoredContent, mode: int, mtime_ns: int, bits: int | None) -> Entry:
    """Return a file's entry; ``bits`` are the permissions it is to have instead of those in ``mode``."""
    if bits is not None:
        mode = stat.S_IFREG | bits
    git_mode = content.git_mode or (EXECUTABLE_MODE if mode & 0o100 else FILE_MODE)
    return Entry(mode, git_mode, content.id, content.size, mtime_ns, content.hash)
