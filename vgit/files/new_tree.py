"""New tree: a directory of small files that nobody had seen, made whole where its files were read.

Most of a first commit is directories of which there was nothing before, neither
here nor at head. Their rows, record and tree need nothing but the files, so that
a worker process makes them as well, and nobody holds an edit for each file.
"""

from collections.abc import Sequence
from typing import NamedTuple

from vgit.files.rows import UNTRUSTED_CTIME, Packed, pack_rows
from vgit.ids import BlobId, ObjectFormat, ObjectId, TreeId
from vgit.localfs.file_stat import BareStat
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE
from vgit.objects.object_kind import BLOB, TREE
from vgit.objects.pack_entry import Encoded, EncodedBlob, encode_object
from vgit.runtime.buffer import Buffer
from vgit.tree.directory_writer import write_directory
from vgit.tree.entry import Entry


class NewTree(NamedTuple):
    """A directory as its files, record and tree in a pack, and as rows."""

    id: TreeId
    rows: Packed
    blobs: list[EncodedBlob]  # of each file
    trees: list[Encoded]  # the record and the tree


def encode_new_tree(
    names: Sequence[tuple[str, BareStat]],
    contents: Sequence[tuple[bytes, EncodedBlob]],
    trusted_before_ns: int,
    object_format: ObjectFormat,
) -> NewTree:
    """Return a directory with ``names``, their BLAKE3s and blobs; rows with that ctime or a later one are not trusted.

    The hot loop of a first commit.
    """
    rows: dict[str, tuple[BareStat, Entry]] = {}
    entries: dict[str, Entry] = {}
    new = tuple.__new__
    for (name, now), (hash, blob) in zip(names, contents, strict=True):
        mode, size, mtime_ns, ctime_ns, ino = now
        git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
        # As Entry(…), without its way through Python.
        entries[name] = entry = new(Entry, (mode, git_mode, blob[0], size, mtime_ns, hash))
        rows[name] = now if ctime_ns < trusted_before_ns else (mode, size, mtime_ns, UNTRUSTED_CTIME, ino), entry
    encoder = _Encoder(object_format)
    tree = write_directory(encoder, entries, None)
    return NewTree(tree, pack_rows(rows, object_format), [blob for _, blob in contents], encoder.trees)


class _Encoder:
    """Stands for an ObjectWriter where there is none: keeps what was written, for the caller to add to its pack."""

    def __init__(self, object_format: ObjectFormat) -> None:
        self.trees: list[Encoded] = []
        self._format = object_format

    def write_record(self, data: Buffer) -> BlobId:
        """Encode a record."""
        return BlobId(self._keep(BLOB, data))

    def write_tree(self, data: Buffer) -> TreeId:
        """Encode a tree."""
        return TreeId(self._keep(TREE, data))

    def _keep(self, kind: int, data: Buffer) -> ObjectId:
        encoded = encode_object(kind, data, self._format)
        self.trees.append(encoded)
        return encoded[0]
