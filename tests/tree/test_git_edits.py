"""Test_git_edits: stock git clones a tree, edits it and pushes; what it did not touch keeps its metadata."""

import os
import stat
from pathlib import Path

from blake3 import blake3

from tests import gitjudge
from tests.tree import trees
from vgit.backend.local import LocalBackend
from vgit.ids import ObjectId, TreeId
from vgit.objects.git_mode import EXECUTABLE_MODE, FILE_MODE, SYMLINK_MODE, TREE_MODE
from vgit.objects.object_database import ObjectDatabase
from vgit.objects.object_writer import ObjectWriter
from vgit.tree.diff import diff_trees
from vgit.tree.directory_writer import write_directory
from vgit.tree.entry import NO_GIT_ENTRY, Entry

MTIME = 1_700_000_000_123_456_789


def file(writer: ObjectWriter, data: bytes, mode: int = 0o100640) -> Entry:
    git_mode = EXECUTABLE_MODE if mode & 0o100 else FILE_MODE
    return Entry(mode, git_mode, writer.write_blob(data), len(data), MTIME, blake3(data).digest())


def commit_volume(repository: Path) -> TreeId:
    store = ObjectDatabase(LocalBackend(str(repository)))
    pipe = Entry(stat.S_IFIFO | 0o600, NO_GIT_ENTRY, None, 0, MTIME, None)
    with store.writer() as writer:
        link = file(writer, b"../elsewhere")._replace(mode=0o120777, git_mode=SYMLINK_MODE)
        sub = write_directory(writer, {"deep.txt": file(writer, b"deep"), "other": file(writer, b"other")}, None)
        quiet = write_directory(writer, {"x": file(writer, b"x")}, None)
        entries = {
            "edited.txt": file(writer, b"before"),
            "kept caf\xe9 100%.txt": file(writer, b"kept", 0o104750),
            ".gitignore": file(writer, b"*.tmp\n"),
            ".gitmodules": file(writer, b'[submodule "-u"]\n\tpath = --evil\n'),
            "link": link,
            "pipe": pipe,
            "gone.txt": file(writer, b"gone"),
            "run.sh": file(writer, b"#!/bin/sh\n", 0o100600),
            "sub": Entry(0o042770, TREE_MODE, sub, 0, MTIME, None),
            "quiet": Entry(0o040700, TREE_MODE, quiet, 0, MTIME, None),
            "empty": Entry(0o041777, TREE_MODE, write_directory(writer, {}, None), 0, MTIME, None),
        }
        root = write_directory(writer, entries, 0o040750)
        writer.sync()
    commit = gitjudge.run(repository, "commit-tree", root.hex(), "-m", "first").decode().strip()
    gitjudge.run(repository, "update-ref", "refs/heads/main", commit)
    store.close()
    return root


def edit_with_git(repository: Path, work: Path) -> TreeId:
    gitjudge.clone(repository, work)
    (work / "edited.txt").write_bytes(b"after!!")
    (work / "sub/deep.txt").write_bytes(b"deeper")
    (work / "new.txt").write_bytes(b"new")
    (work / "gone.txt").unlink()
    os.chmod(work / "run.sh", 0o755)
    inside = ("-C", str(work), f"--work-tree={work}")
    gitjudge.run(work / ".git", *inside, "add", "--all")
    gitjudge.run(work / ".git", *inside, "commit", "--quiet", "--message=edited")
    gitjudge.run(work / ".git", *inside, "push", "--quiet", "origin", "main")
    return TreeId(ObjectId(bytes.fromhex(gitjudge.run(repository, "rev-parse", "main^{tree}").decode())))


def test_git_clones_edits_and_pushes(tmp_path: Path) -> None:
    repository = gitjudge.init_bare(tmp_path / "volume.git")
    gitjudge.run(repository, "config", "receive.fsckObjects", "true")
    before = commit_volume(repository)
    gitjudge.fsck_clean(repository)
    after = edit_with_git(repository, tmp_path / "work")
    gitjudge.fsck_clean(repository)

    store = ObjectDatabase(LocalBackend(str(repository)))
    reader = trees.reader(store)
    old, new = reader.read(before), reader.read(after)
    assert new.mode == 0o040750
    assert new.entries.keys() ^ old.entries.keys() == {"gone.txt", "new.txt"}
    assert [name for name in new.entries if new.entries[name] != old.entries.get(name)] == [
        *("edited.txt", "new.txt", "run.sh", "sub")
    ]
    edited = new.entries["edited.txt"]
    assert (edited.mode, edited.size, edited.mtime_ns, edited.hash) == (0o100644, 7, 0, None)
    assert new.entries["run.sh"] == old.entries["run.sh"]._replace(mode=0o100700, git_mode=EXECUTABLE_MODE)
    assert new.entries["sub"] == old.entries["sub"]._replace(id=new.entries["sub"].id)  # mode and mtime kept
    assert [path for path, _, _ in diff_trees(reader, before, after)] == [
        *(("edited.txt",), ("gone.txt",), ("new.txt",), ("run.sh",), ("sub",), ("sub", "deep.txt"))
    ]
    store.close()
