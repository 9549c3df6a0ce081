"""Small files: many of them read, hashed and encoded in one go, by whichever process.

A file counts only if it held still and is what the scan saw; of any other this
says so and no more, and the caller reads it again in a way that can tell why.
The caller has looked at the clock and at maps (``vgit/files/steady_read.py``): here a
file that was changed lately counts only if nobody has it open for writing.
"""

import os
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from blake3 import blake3

from vgit.files.left_out import LeftOutKind, NotKept
from vgit.files.new_tree import NewTree, encode_new_tree
from vgit.files.steady_read import in_flight_ns, open_to_read, read_small, wait_for_buffered_writes
from vgit.ids import FORMATS, ObjectFormat
from vgit.localfs.file_stat import BareStat
from vgit.localfs.open_for_writing import is_open_for_writing
from vgit.localfs.root_directory import RootDirectory
from vgit.objects.pack_entry import EncodedBlob, encode_blob
from vgit.paths import Path
from vgit.runtime.cancel import checkpoint

LARGEST = 65_536  # bytes
IN_FLIGHT_NS = in_flight_ns(LARGEST)
_BATCH_FILES = 200
_BATCH_BYTES = 1 << 20
_WHOLE_FILES = 1000  # in a new directory that is made whole; it is never split, so batches are that much larger
_WHOLE_BYTES = 4 << 20


class FileGroup(NamedTuple):
    """Files of one directory."""

    directory: Path
    names: list[tuple[str, BareStat]]  # and what the scan saw
    trusted_before_ns: int  # rows with a ctime below are trusted, by the clock before the reading
    quiet_before_ns: int  # what has a ctime below is written by nobody any more
    is_whole: bool = False  # of a directory that is new, and all of it: its tree can be made


FileBatch: TypeAlias = list[FileGroup]


# A file that held still: BLAKE3, and what a pack needs of it (None: not wanted). A plain tuple, as EncodedBlob is.
SmallFile: TypeAlias = tuple[bytes, EncodedBlob | None]


class BatchRead(NamedTuple):
    """What became of a batch: for each group its tree, or what each name came to, in order; None: read it again."""

    groups: list[NewTree | list[SmallFile | None]]
    not_kept: dict[LeftOutKind, Path]  # what a volume cannot hold → a path that has it


class FileBatches:
    """Puts small files together to batches: as few as one exchange between processes is worth."""

    def __init__(self) -> None:
        self._ready: list[FileBatch] = []
        self._batch: FileBatch = []
        self._count = self._size = 0

    def add(self, group: FileGroup) -> None:
        """Add files of one directory; a whole one stays in one piece unless it is huge."""
        files = group.names
        if group.is_whole and len(files) <= _WHOLE_FILES:
            size = sum([size for _, (_, size, _, _, _) in files])
            if size <= _WHOLE_BYTES:
                self._count += len(files)
                self._size += size
                self._batch.append(group)
                if self._count >= _BATCH_FILES or self._size >= _BATCH_BYTES:
                    self.flush()
                return
        start = 0
        for end, (_, (_, size, _, _, _)) in enumerate(files, 1):
            self._count += 1
            self._size += size
            if self._count >= _BATCH_FILES or self._size >= _BATCH_BYTES:
                self._batch.append(group._replace(names=files[start:end], is_whole=False))
                self.flush()
                start = end
        if start < len(files):
            self._batch.append(group._replace(names=files[start:], is_whole=False))

    def take(self) -> list[FileBatch]:
        """Return the batches that are full by now."""
        ready, self._ready = self._ready, []
        return ready

    def flush(self) -> None:
        """End the batch that is not full."""
        if self._batch:
            self._ready.append(self._batch)
        self._batch, self._count, self._size = [], 0, 0


class SmallFileReader:
    """Reads batches in one mount."""

    def __init__(self, root: RootDirectory, object_format: ObjectFormat, *, encode: bool) -> None:
        self._root = root
        self._format = object_format
        self._encode = encode
        found = os.fstat(root.fd)
        self._device = found.st_dev
        self._owner = found.st_uid
        self._not_kept = NotKept()

    def read(self, batch: FileBatch) -> BatchRead:
        """Read the files of ``batch``."""
        groups: list[NewTree | list[SmallFile | None]] = []
        not_kept: dict[LeftOutKind, Path] = {}
        for group in batch:
            files = self._read_group(group, not_kept)
            groups.append(self._whole(group, files) or files)
        return BatchRead(groups, not_kept)

    def _whole(self, group: FileGroup, files: list[SmallFile | None]) -> NewTree | None:
        """Return a new directory made of ``files``, None if it is none, or not all of them could be read."""
        contents = [(small[0], small[1]) for small in files if small is not None and small[1] is not None]
        if not group.is_whole or len(contents) < len(files):
            return None
        return encode_new_tree(group.names, contents, group.trusted_before_ns, self._format)

    def _read_group(self, group: FileGroup, not_kept: dict[LeftOutKind, Path]) -> list[SmallFile | None]:
        directory, names = group.directory, group.names
        try:
            descriptor = self._root.open_directory(directory)
        except OSError:
            return [None] * len(names)
        files = []
        try:
            for name, now in names:
                checkpoint()
                files.append(self._read(descriptor, group, name, now, not_kept))
        finally:
            os.close(descriptor)
        return files

    def _read(
        self, at: int, group: FileGroup, name: str, now: BareStat, not_kept: dict[LeftOutKind, Path]
    ) -> SmallFile | None:
        _, size, _, ctime_ns, _ = now
        try:
            file = open_to_read(name, at)
            try:
                if size:
                    if ctime_ns < group.quiet_before_ns:
                        wait_for_buffered_writes(file)
                    elif is_open_for_writing(file) is not False:
                        return None
                read = read_small(file, now)
                if read is None:
                    return None
                data, found = read
                if found.st_dev != self._device:
                    return None  # of another file system: that has a clock of its own
                self._not_kept.look(file, found, self._owner, (*group.directory, name), not_kept)
            finally:
                os.close(file)
        except OSError:
            return None
        return blake3(data).digest(), encode_blob(data, self._format) if self._encode else None


def worker(path: str, descriptor: int, format_name: str, *, encode: bool) -> Callable[[FileBatch], BatchRead]:
    """Return what reads batches in a worker process, which has the mount's root open as ``descriptor``."""
    return SmallFileReader(RootDirectory(path, descriptor), FORMATS[format_name], encode=encode).read
