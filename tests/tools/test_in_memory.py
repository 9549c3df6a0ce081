"""In_memory: a command's temporary files are in memory, on a file system like a disk's, and nothing is left of it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.mount.mounting import can_mount

IN_MEMORY = Path(__file__).parent.parent.parent / "tools" / "in_memory"
# Two files of one name, one after the other: prints the kind of file system, and their inode numbers.
LOOK = """cd "$(mktemp -d)"; stat -f -c %T . && for _ in 1 2; do touch f && stat -c %i f && rm f; done; pwd"""
CAN_MAKE = can_mount() and Path("/dev/loop-control").exists() and Path("/sbin/mkfs.ext4").exists()


def in_memory(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([IN_MEMORY, *command], env=env, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not CAN_MAKE, reason="needs the right to mount a file system, and loop devices")
def test_it_is_as_on_a_disk_and_nobody_else_sees_it() -> None:
    table = Path("/proc/self/mountinfo").read_text()
    done = in_memory("sh", "-c", LOOK)
    assert (done.returncode, done.stderr) == (0, "")
    kind, first, second, place = done.stdout.split()
    assert kind == "ext2/ext3" and first == second
    assert not Path(place).exists() and not Path(place).parent.parent.exists()
    assert Path("/proc/self/mountinfo").read_text() == table


def test_the_commands_words_and_exit_code_are_its_own(tmp_path: Path) -> None:
    for variables in ({}, {"TMPDIR": str(tmp_path)}):
        done = in_memory("sh", "-c", 'printf "%s|" "$@"; exit 3', "sh", "a b", "", "--inside", **variables)
        assert (done.returncode, done.stdout, done.stderr) == (3, "a b||--inside|", "")


def test_a_place_that_was_named_is_taken(tmp_path: Path) -> None:
    assert in_memory("sh", "-c", "mktemp -d", TMPDIR=str(tmp_path)).stdout.startswith(f"{tmp_path}/")


def test_where_it_cannot_be_the_command_runs_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    done = in_memory("sh", "-c", 'echo "${TMPDIR-none}"', PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "none\n", "")
