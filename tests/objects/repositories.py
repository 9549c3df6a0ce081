"""Repositories: bare repositories, and objects in them made by vgit or by stock git."""

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests import gitjudge
from vgit.backend.local import LocalBackend
from vgit.ids import SHA1, BlobId, CommitId, ObjectId, TreeId
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_kind import BLOB, KIND_NAMES
from vgit.objects.object_writer import ObjectWriter
from vgit.objects.pack_join import Joined, join_packs

WORDS = b"".join(b"%d bottles of beer on the wall, take one down and pass it around\n" % n for n in range(9000))


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def text(size: int, seed: int = 0) -> bytes:
    start = b"text %d: " % seed
    return (start + WORDS)[:size]


def blob_id(data: bytes) -> BlobId:
    return BlobId(SHA1.object_id(b"blob", data))


def missing_id(number: int = 0) -> ObjectId:
    return SHA1.object_id(b"blob", b"never stored %d" % number)


def open_store(git_dir: Path) -> ObjectDatabase:
    return ObjectDatabase(LocalBackend(str(git_dir)))


def tree_data(names: dict[bytes, BlobId]) -> bytes:
    return b"".join(b"100644 %b\0%b" % (name, names[name]) for name in sorted(names))


def commit_data(tree: TreeId, parents: Iterable[CommitId] = (), message: bytes = b"m") -> bytes:
    lines = [b"tree " + tree.hex().encode(), *(b"parent " + parent.hex().encode() for parent in parents)]
    who = b"v <v@example> 1700000000 +0000"
    return b"\n".join([*lines, b"author " + who, b"committer " + who, b"", message, b""])


def write_commit(
    writer: ObjectWriter, blobs: Iterable[bytes], parents: Iterable[CommitId] = (), message: bytes = b"m"
) -> CommitId:
    """Write blobs, a tree of them and a commit, as a transaction does, up to ``publish``."""
    ids = {b"f%06d" % number: writer.write_blob(data) for number, data in enumerate(blobs)}
    writer.seal()
    writer.savepoint()
    tree = writer.write_tree(tree_data(ids))
    commit = writer.write_commit(commit_data(tree, parents, message))
    writer.sync()
    return commit


def commit(git_dir: Path, blobs: Iterable[bytes], parents: Iterable[CommitId] = ()) -> CommitId:
    """Commit ``blobs`` to main with vgit's writer."""
    store = open_store(git_dir)
    with store.writer() as writer:
        id = write_commit(writer, blobs, parents)
        gitjudge.run(git_dir, "update-ref", "refs/heads/main", id.hex())
    store.close()
    return id


def put_loose(git_dir: Path, data: bytes, kind: int = BLOB) -> ObjectId:
    """Let stock git store an object loose."""
    arguments = ["hash-object", "-w", "--stdin", "-t", KIND_NAMES[kind].decode()]
    return ObjectId(bytes.fromhex(gitjudge.run(git_dir, *arguments, stdin=data).decode().strip()))


def put_all_loose(git_dir: Path, blobs: Iterable[bytes]) -> list[ObjectId]:
    """Let stock git store blobs loose, all by one process."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for number, data in enumerate(blobs):
            paths.append(Path(directory, f"{number}"))
            paths[-1].write_bytes(data)
        listing = "".join(f"{path}\n" for path in paths).encode()
        named = gitjudge.run(git_dir, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listing)
    return [ObjectId(bytes.fromhex(line)) for line in named.decode().split()]


def packs(git_dir: Path, suffix: str = ".pack") -> list[Path]:
    return sorted((git_dir / "objects/pack").glob("pack-*" + suffix))


def join_and_drop(git_dir: Path, keys: Iterable[str] | None = None) -> Joined:
    """Join packs (None: all), and remove those that were replaced, as a roll-up and a later one do."""
    if keys is None:
        keys = [f"objects/pack/{path.name}" for path in packs(git_dir)]
    joined = join_packs(LocalBackend(str(git_dir)), SHA1, list(keys))
    for path in (git_dir / "vgit/replaced").glob("*"):
        for name in path.read_text().split("\n")[2:-1]:
            for suffix in (".idx", ".pack"):
                (git_dir / f"objects/pack/{name}{suffix}").unlink(missing_ok=True)
        path.unlink()
    return joined


def all_ids(git_dir: Path) -> list[ObjectId]:
    """Return every object that stock git finds, in whatever storage."""
    listing = gitjudge.run(git_dir, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return [ObjectId(bytes.fromhex(line)) for line in listing.decode().split()]


def stock_object(git_dir: Path, id: ObjectId) -> tuple[bytes, bytes]:
    """Return (kind, data) as ``git cat-file --batch`` gives them."""
    answer = gitjudge.run(git_dir, "cat-file", "--batch", stdin=id.hex().encode())
    header, _, rest = answer.partition(b"\n")
    return header.split()[1], rest[: int(header.split()[2])]
