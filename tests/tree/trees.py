"""Trees: a store in memory, entries to put into it, and strategies for both."""

import stat
from collections.abc import Mapping

from hypothesis import strategies as st

from vgit.backend.memory import MemoryBackend
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import FILE_MODE, GITLINK_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.git_tree import GitEntry, serialise_tree
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, TREE
from vgit.paths import decode_name
from vgit.tree.directory import Directory, DirectoryReader
from vgit.tree.directory_writer import write_directory
from vgit.tree.entry import NO_GIT_ENTRY, Entry

CHUNK_TREE = TreeId(ObjectId(b"\xcc" * 20))  # the one tree that is a large file
CHUNK_INFO = (5_000_000, b"\xab" * 32)


def chunk_tree_info(tree: TreeId) -> tuple[int, bytes] | None:
    return CHUNK_INFO if tree == CHUNK_TREE else None


def memory_store() -> ObjectDatabase:
    return ObjectDatabase(MemoryBackend())


def reader(store: ObjectDatabase, **options: int) -> DirectoryReader:
    return DirectoryReader(store, chunk_tree_info, **options)


def write(store: ObjectDatabase, entries: Mapping[str, Entry], mode: int | None = None) -> TreeId:
    with store.writer() as writer:
        tree = write_directory(writer, entries, mode)
        writer.sync()
    return tree


def read(store: ObjectDatabase, tree: TreeId) -> Directory:
    return reader(store).read(tree)


def blob(store: ObjectDatabase, data: bytes) -> ObjectId:
    with store.writer() as writer:
        id = writer.write_blob(data)
        writer.sync()
    return id


def raw_tree(store: ObjectDatabase, entries: list[GitEntry]) -> TreeId:
    """Store a tree as another program would: no record but one given among ``entries``."""
    with store.writer() as writer:
        tree = writer.write_tree(serialise_tree(entries))
        writer.sync()
    return tree


def parts(store: ObjectDatabase, tree: TreeId) -> tuple[bytes, dict[bytes, bytes]]:
    """Return a tree's record, and its other rows by name, found without vgit's parser."""
    data, rows, record = store.read_kind(tree, TREE), {}, b""
    while data:
        head, _, data = data.partition(b"\0")
        mode, _, name = head.partition(b" ")
        if name == b".vgit":
            record = store.read_kind(ObjectId(data[:20]), BLOB)
        else:
            rows[name] = mode + b" " + data[:20].hex().encode()
        data = data[20:]
    return record, rows


def with_record(store: ObjectDatabase, tree: TreeId, record: bytes) -> TreeId:
    """Store ``tree`` again with another record."""
    _, rows = parts(store, tree)
    entries = [GitEntry(FILE_MODE, b".vgit", blob(store, record))]
    for name, row in rows.items():
        mode, _, id = row.partition(b" ")
        entries.append(GitEntry(int(mode, 8), name, ObjectId(bytes.fromhex(id.decode()))))
    return raw_tree(store, entries)


_NAME_PARTS = st.sampled_from(
    [b".vgit", b".git", b"%", b"\\", b" ", b"\n", b"\xc3\xa9", b"\xff", b"~", b"a", b"b", b"-"]
)
names = (
    st.one_of(st.lists(_NAME_PARTS, min_size=1, max_size=4).map(b"".join), st.binary(min_size=1, max_size=8))
    .map(lambda name: name.replace(b"/", b"x").replace(b"\0", b"y"))
    .filter(lambda name: name not in (b".", b".."))
    .map(decode_name)
)
_ids = st.binary(min_size=20, max_size=20).map(ObjectId)
_hashes = st.none() | st.binary(min_size=32, max_size=32)
_bits = st.integers(0, 0o7777)
mtimes = st.integers(-(10**27), 10**28 - 1) | st.integers(-(10**10), 2 * 10**18)
_sizes = st.integers(0, 2**63 - 1)


def _file(bits: int, id: ObjectId, size: int, mtime_ns: int, hash: bytes | None, chunked: bool) -> Entry:
    git_mode = TREE_MODE if chunked else FILE_MODE | (0o111 if bits & 0o100 else 0)
    return Entry(stat.S_IFREG | bits, git_mode, id, size, mtime_ns, hash)


files = st.builds(_file, _bits, _ids, _sizes, mtimes, _hashes, st.booleans())
symlinks = st.builds(
    lambda bits, id, size, mtime_ns, hash: Entry(stat.S_IFLNK | bits, SYMLINK_MODE, id, size, mtime_ns, hash),
    *(_bits, _ids, _sizes, mtimes, _hashes),
)
directories = st.builds(
    lambda bits, id, mtime_ns: Entry(stat.S_IFDIR | bits, TREE_MODE, id, 0, mtime_ns, None), _bits, _ids, mtimes
)
specials = st.builds(
    lambda kind, bits, mtime_ns: Entry(kind | bits, NO_GIT_ENTRY, None, 0, mtime_ns, None),
    *(st.sampled_from([stat.S_IFIFO, stat.S_IFSOCK]), _bits, mtimes),
)
gitlinks = st.builds(lambda id: Entry(GITLINK_MODE, GITLINK_MODE, id, 0, 0, None), _ids)
entries = st.one_of(files, symlinks, directories, specials, gitlinks)
