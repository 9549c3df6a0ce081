"""Programs: the writers and readers of an endurance run, each a process of its own until it is killed.

A file's text is its own proof: ``<crc32 of the rest> <writer> <number> <path> <filler>``.
A writer acknowledges a commit by a line in its diary, which lies outside of the
store and of its power, after the call returned and not before. What goes wrong
is a line in the same diary, unless the power is off.
"""

import contextlib
import ctypes
import io
import json
import os
import random
import signal
import sys
import threading
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

import vgit

VOLUME = "v"
OFF = "power-off"  # beside the diaries, from the moment when errors mean nothing
SHARED = [f"shared/{number}" for number in range(4)]
OWN_FILES = 40
LARGE_BYTES = 5 << 20
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def text(writer: str, number: int, path: str, size: int) -> bytes:
    """Return what a writer writes into a file; ``size`` bytes of filler."""
    filler = random.Random(number).randbytes(size // 2).hex()
    rest = f"{writer} {number} {path} {filler}".encode()
    return b"%08x " % zlib.crc32(rest) + rest


def check(data: bytes, path: str) -> None:
    """Raise ValueError unless ``data`` is a whole file that somebody wrote at ``path``."""
    crc, _, rest = data.partition(b" ")
    if crc != b"%08x" % zlib.crc32(rest) or rest.split(b" ", 3)[2] != path.encode():
        raise ValueError(f"{path} holds {data[:60]!r}..., which nobody wrote there")


class Diary:
    """What a program wants to be known after its death: a JSON line each."""

    def __init__(self, directory: Path, name: str) -> None:
        self._off = directory / OFF
        self._fd = os.open(directory / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **fields: object) -> None:
        """Add a line, in one write."""
        os.write(self._fd, json.dumps(fields).encode() + b"\n")

    def error(self) -> None:
        """Note the exception that is being handled, unless the power is off."""
        lines = traceback.format_exc()
        if not self.is_over:
            self.write(error=lines)

    @property
    def is_over(self) -> bool:
        """Whether the power is off."""
        return self._off.exists()


def volume_of(store: Path) -> vgit.Volume:
    """Return the volume that all programs of a run share."""
    return vgit.Volume.from_name(VOLUME, create_if_missing=True, client=vgit.Client(store))


def make_volume(store: Path) -> None:
    """Make that volume."""
    volume_of(store).hydrate()


def write_in_mount(store: Path, diary: Diary, name: str, mount_path: Path) -> None:
    """Change files in a mount and commit, again and again; now and then bring in what others published."""
    chance = random.Random()
    mount = volume_of(store).mount(mount_path)
    number = _last_number(mount_path, name)
    while True:
        number += 1
        wrote, removed = _change(mount_path, name, number, chance)
        info = mount.commit(f"{name} {number}")
        if info is not None:
            diary.write(id=info.id, wrote=wrote, removed=removed)
        if chance.random() < 0.3:
            mount.reload()
        if chance.random() < 0.1:
            mount.close()
            mount = volume_of(store).mount(mount_path)


def _last_number(mount_path: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):  # the first time, or cut short by a loss of power
        return int((mount_path / f"{name}.number").read_text())
    return random.randrange(10**6, 10**9)


def _change(mount_path: Path, name: str, number: int, chance: random.Random) -> tuple[dict[str, int], list[str]]:
    own = [f"own/{name}/{chance.randrange(OWN_FILES)}" for _ in range(chance.randrange(1, 6))]
    wrote: dict[str, int] = {}
    for path in [*own, *chance.sample(SHARED, chance.randrange(3))]:
        size = LARGE_BYTES if chance.random() < 0.02 else chance.choice((0, 100, 1000, 20_000))
        data = text(name, number, path, size)
        _write(mount_path / path, data)
        wrote[path] = zlib.crc32(data)
    _write(mount_path / f"{name}.number", b"%d" % number)
    gone = f"own/{name}/{chance.randrange(OWN_FILES)}"
    removed = []
    if chance.random() < 0.3 and gone not in wrote:
        (mount_path / gone).unlink(missing_ok=True)
        removed.append(gone)
    return wrote, removed


def _write(file: Path, data: bytes) -> None:
    """Write a file so that neither a kill nor a loss of power leaves half of it: that would be this program's fault."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.writing")
    with open(beside, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)


def upload(store: Path, diary: Diary, name: str) -> None:
    """Publish without a mount, again and again."""
    chance = random.Random()
    volume = volume_of(store)
    number = chance.randrange(10**6, 10**9)
    while True:
        number += 1
        wrote = {}
        with volume.batch_upload(force=True) as batch:
            for path in [f"own/{name}/{chance.randrange(OWN_FILES)}", chance.choice(SHARED)]:
                data = text(name, number, path, chance.choice((0, 1000, 50_000)))
                batch.put_file(io.BytesIO(data), path)
                wrote[path] = zlib.crc32(data)
        diary.write(wrote=wrote)


def read(store: Path, diary: Diary) -> None:
    """Read the newest state and old ones in two threads that share a handle; every file must be whole."""
    volume = volume_of(store)
    threads = [threading.Thread(target=_read, args=(volume, diary)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _read(volume: vgit.Volume, diary: Diary) -> None:
    chance = random.Random()
    reads = 0
    while True:
        try:
            if chance.random() < 0.2:
                infos = list(volume.log(limit=30))
                state: vgit.Volume | vgit.Snapshot = volume.at(chance.choice(infos).id)
            else:
                state = volume.at("HEAD")
            entries = [entry for entry in state.listdir("/", recursive=True) if entry.type == vgit.FileEntryType.FILE]
            for entry in chance.sample(entries, min(len(entries), 10)):
                path = str(entry.path)
                data = b"".join(state.read_file(path))
                if "/" in path and not path.endswith(".writing"):
                    check(data, path)
                reads += 1
        except Exception:
            diary.error()
            if diary.is_over:
                return
        if reads >= 100:
            diary.write(reads=reads)
            reads = 0


PROGRAMS: dict[str, Callable[..., None]] = {"mount": write_in_mount, "upload": upload, "read": read}


def main() -> None:
    """Run one program: NAME KIND STORE DIARIES [MOUNT]."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)  # not to outlive a run that was stopped
    name, kind, store, diaries, *rest = sys.argv[1:]
    diary = Diary(Path(diaries), name)
    arguments: list[object] = [Path(store), diary]
    if kind != "read":
        arguments.append(name)
    arguments += [Path(one) for one in rest]
    try:
        PROGRAMS[kind](*arguments)
    except Exception:
        diary.error()
        raise


if __name__ == "__main__":
    main()
