"""Small files: batches of a bounded size, and nothing of a file that is not as the scan saw it."""

import os
from pathlib import Path as FilePath

from blake3 import blake3

from vgit.files.new_tree import NewTree
from vgit.files.small_files import LARGEST, FileBatch, FileBatches, FileGroup, SmallFile, SmallFileReader
from vgit.ids import SHA1
from vgit.localfs.file_stat import Stat, to_stat
from vgit.localfs.root_directory import RootDirectory

NEVER = 2**63 - 1  # written by nobody any more, whatever its ctime


def stat_of(path: FilePath) -> Stat:
    return to_stat(path.lstat())


def flat(batches: list[FileBatch]) -> list[tuple[tuple[str, ...], str]]:
    return [(part.directory, name) for batch in batches for part in batch for name, _ in part.names]


def of_files(part: NewTree | list[SmallFile | None]) -> list[SmallFile | None]:
    assert isinstance(part, list)
    return part


def test_batches_hold_few_files_and_few_bytes() -> None:
    batches = FileBatches()
    small, large = (0, 10, 0, 0, 0), (0, LARGEST, 0, 0, 0)
    wanted = []
    for number in range(50):
        files = [(f"f{at}", large if at % 7 == 0 else small) for at in range(number * 20)]
        batches.add(FileGroup((f"d{number}",), files, 0, 0))
        wanted += [((f"d{number}",), name) for name, _ in files]
    batches.flush()
    taken = batches.take()
    assert flat(taken) == wanted
    assert not batches.take()
    for batch in taken:
        sizes = [size for part in batch for _, (_, size, *_) in part.names]
        assert len(sizes) <= 200 and sum(sizes) <= (1 << 20) + LARGEST


def test_a_new_directory_is_never_split_unless_it_is_huge() -> None:
    batches = FileBatches()
    sizes = [3, 150, 199, 1000, 1001, 60, 60]
    for number, size in enumerate(sizes):
        batches.add(
            FileGroup((f"d{number}",), [(f"f{at}", (0, 10, 0, 0, 0)) for at in range(size)], 7, 0, is_whole=True)
        )
    batches.add(FileGroup(("bytes",), [(f"f{at}", (0, LARGEST, 0, 0, 0)) for at in range(65)], 7, 0, is_whole=True))
    batches.flush()
    taken = batches.take()
    whole = {part.directory: len(part.names) for batch in taken for part in batch if part.is_whole}
    assert whole == {(f"d{number}",): size for number, size in enumerate(sizes) if size <= 1000}
    assert [len(batch) for batch in taken][:3] == [3, 1, 1]
    assert len(flat(taken)) == sum(sizes) + 65


def test_only_what_is_as_the_scan_saw_it_is_read(tmp_path: FilePath) -> None:
    names = ["good", "empty", "grown", "shrunk", "touched", "gone", "link", "directory", "unreadable"]
    for name in names:
        (tmp_path / name).write_bytes(b"" if name == "empty" else name.encode())
    files = [(name, stat_of(tmp_path / name)) for name in names]
    (tmp_path / "grown").write_bytes(b"grown and more")
    (tmp_path / "shrunk").write_bytes(b"s")
    os.utime(tmp_path / "touched", ns=(1, 1))
    for name in ("gone", "link", "directory"):
        (tmp_path / name).unlink()
    (tmp_path / "link").symlink_to("good")
    (tmp_path / "directory").mkdir()
    (tmp_path / "unreadable").unlink()
    os.mkfifo(tmp_path / "unreadable")
    with RootDirectory(str(tmp_path)) as root:
        read = SmallFileReader(root, SHA1, encode=True).read(
            [FileGroup((), files, 0, NEVER), FileGroup(("no", "such"), files, 0, NEVER)]
        )
        plain = SmallFileReader(root, SHA1, encode=False).read([FileGroup((), files[:2], 0, NEVER)])
    first, second = map(of_files, read.groups)
    found = dict(zip(names, first, strict=True))
    assert [name for name, small in found.items() if small is not None] == ["good", "empty"]
    assert second == [None] * len(names)
    good = found["good"]
    assert good is not None and good[0] == blake3(b"good").digest()
    assert good[1] is not None and good[1][0] == SHA1.object_id(b"blob", b"good")
    assert [small[1] for small in of_files(plain.groups[0]) if small is not None] == [None, None]


def test_what_a_volume_cannot_hold_is_noted_once(tmp_path: FilePath) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x")
        os.link(tmp_path / name, tmp_path / f"{name}2")
    files = [(name, stat_of(tmp_path / name)) for name in ("a", "a2", "b", "b2")]
    with RootDirectory(str(tmp_path)) as root:
        read = SmallFileReader(root, SHA1, encode=False).read([FileGroup((), files, 0, NEVER)])
    assert list(read.not_kept.values()) == [("a",)]
