"""Test_mount_patterns: what programs do with a volume in their mount, each in processes of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vgit
from tests.gitjudge import fsck

ROOT = Path(__file__).parent.parent

PRELUDE = """
import os, pathlib, shutil, sys, time
import vgit
store, mount = sys.argv[1], pathlib.Path(sys.argv[2])
volume = vgit.Volume.from_name("x", create_if_missing=True, client=vgit.Client(store))
"""


@pytest.fixture
def volume(tmp_path: Path) -> vgit.Volume:
    client = vgit.Client(tmp_path / "store")
    return vgit.Volume.from_name("x", create_if_missing=True, client=client).hydrate()


def start(tmp_path: Path, code: str, mount: str = "m") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PRELUDE + code, tmp_path / "store", tmp_path / mount]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stdin=subprocess.PIPE)


def run(tmp_path: Path, code: str, mount: str = "m") -> str:
    process = start(tmp_path, code, mount)
    out, _ = process.communicate()
    assert process.returncode == 0
    return out


def wait_until(is_so: object) -> None:
    end = time.monotonic() + 120
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


CACHE = """
import hashlib
def fetch(name, data, revision):
    # As model hubs do: content by its hash, written beside and renamed; snapshots of links to it.
    blobs, links = mount / "blobs", mount / "snapshots" / revision
    blobs.mkdir(exist_ok=True)
    (links / name).parent.mkdir(parents=True, exist_ok=True)
    blob = blobs / hashlib.sha256(data).hexdigest()
    (mount / "blobs" / (blob.name + ".incomplete")).write_bytes(data)
    os.replace(str(blob) + ".incomplete", blob)
    link = links / (name + ".new")
    link.symlink_to(os.path.relpath(blob, link.parent))
    os.replace(link, links / name)
with volume.mount(mount, commit_every=0.05):
    for revision in "abc":
        for number in range(30):
            fetch(f"sub/f{number}", f"{number} {revision if number % 3 else 'same'}".encode() * 100, revision)
"""


def test_a_cache_full_of_links_and_renames(volume: vgit.Volume, tmp_path: Path) -> None:
    run(tmp_path, CACHE)
    read = """
with volume.mount(mount):
    print((mount / "snapshots/b/sub/f7").read_text()[:3], len(os.listdir(mount / "blobs")))
"""
    assert run(tmp_path, read, "other") == "7 b 70\n"
    assert {entry.type.name for entry in volume.listdir("snapshots/c/sub")} == {"SYMLINK"}
    assert not [entry.path for entry in volume.iterdir("/") if entry.path.endswith((".incomplete", ".new"))]
    run(tmp_path, CACHE)  # again, in the same mount: the same content
    assert run(tmp_path, read, "other") == "7 b 70\n"
    fsck(volume.git_dir)


SWAP = """
with volume.mount(mount):
    for turn in range(4):
        fresh = pathlib.Path(str(mount) + ".fresh")
        fresh.mkdir()
        for number in range(20):
            (fresh / f"f{number}").write_text(f"{turn}")
        (fresh / f"only in {turn}").touch()
        shutil.rmtree(mount / "current", ignore_errors=True)
        shutil.move(fresh, mount / "current")
        if turn:
            shutil.move(mount / "current", mount / "moving")
            os.rename(mount / "moving", mount / "current")
        info = volume.commit(f"turn {turn}")
        print(info.added, info.changed, info.removed)
"""


def test_whole_directories_are_swapped(volume: vgit.Volume, tmp_path: Path) -> None:
    assert run(tmp_path, SWAP).splitlines() == ["21 0 0", "1 20 1", "1 20 1", "1 20 1"]
    for turn, info in enumerate(reversed(list(volume.log(limit=4)))):
        snapshot = volume.at(info.id)
        names = sorted(entry.path for entry in snapshot.iterdir("current") if not entry.path.startswith("current/f"))
        assert names == [f"current/only in {turn}"]
        assert {b"".join(snapshot.read_file(f"current/f{number}")) for number in range(20)} == {b"%d" % turn}


def test_a_loop_of_reloads_until_a_file_appears(volume: vgit.Volume, tmp_path: Path) -> None:
    code = """
with volume.mount(mount):
    print("ready", flush=True)
    while not (mount / "done").exists():
        volume.reload()
        time.sleep(0.01)
    print((mount / "result").read_text())
"""
    waiting = start(tmp_path, code, "waiting")
    assert waiting.stdout is not None and waiting.stdout.readline() == "ready\n"
    for _ in range(3):
        run(tmp_path, "with volume.mount(mount): (mount / str(os.getpid())).touch()")
    run(tmp_path, "with volume.mount(mount): (mount / 'result').write_text('42'); (mount / 'done').touch()")
    assert waiting.communicate()[0] == "42\n" and waiting.returncode == 0


TRAIN = """
import json
with volume.mount(mount, commit_every=0.05):
    checkpoint = mount / "checkpoint.json"
    step = json.loads(checkpoint.read_text())["step"] if checkpoint.exists() else 0
    print("from", step, flush=True)
    while True:
        step += 1
        (mount / "checkpoint.new").write_text(json.dumps({"step": step, "weights": [step] * 10000}))
        os.replace(mount / "checkpoint.new", checkpoint)
        time.sleep(0.05)
"""


def test_a_checkpoint_survives_killed_processes(volume: vgit.Volume, tmp_path: Path) -> None:
    """Each start is on a new machine: it has nothing but the volume."""
    steps = []
    for attempt in range(3):
        process = start(tmp_path, TRAIN, f"machine {attempt}")
        assert process.stdout is not None
        steps.append(int(process.stdout.readline().split()[1]))
        commits = volume.info().commits
        wait_until(lambda commits=commits: volume.info().commits >= commits + 2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        fsck(volume.git_dir)
    assert 0 == steps[0] < steps[1] < steps[2]


def test_another_process_reads_what_was_committed(volume: vgit.Volume, tmp_path: Path) -> None:
    code = """
with volume.mount(mount):
    (mount / "f").write_bytes(b"x" * 9_000_000)
    volume.commit()
    print("ready", flush=True)
    sys.stdin.readline()
"""
    writer = start(tmp_path, code)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    assert run(tmp_path, 'print(len(b"".join(volume.read_file("f"))))') == "9000000\n"
    writer.communicate("\n")


def test_entries_are_paths_in_the_mount(volume: vgit.Volume, tmp_path: Path) -> None:
    run(tmp_path, "with volume.mount(mount): (mount / 'a/b').mkdir(parents=True); (mount / 'a/b/f').write_text('x')")
    code = """
with volume.mount(mount) as path:
    for entry in volume.iterdir("/"):
        assert os.path.exists(f"{path}/{entry.path}"), entry
        print(entry.path)
"""
    assert run(tmp_path, code, "other").splitlines() == ["a", "a/b", "a/b/f"]


def test_many_writers_of_one_volume_each_in_the_background(volume: vgit.Volume, tmp_path: Path) -> None:
    code = """
with volume.mount(mount, commit_every=0.02):
    for number in range(20):
        (mount / f"{mount.name} {number}").write_text(str(number))
        time.sleep(0.01)
"""
    writers = [start(tmp_path, code, f"m{number}") for number in range(3)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    names = {entry.path for entry in volume.listdir("/")}
    assert names == {f"m{writer} {number}" for writer in range(3) for number in range(20)}
    assert not [info.overwrote for info in volume.log() if info.overwrote]
    fsck(volume.git_dir)
