"""Test_read_only_changes: what was changed in a read-only mount is told of, and can be taken back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vgit as api
from tests.cli.conftest import Vgit
from tests.ordinary_user import AS_OTHERS
from vgit.volume import Volume

# Every kind of change: of content, mode and kind, of names, in directories with and without a row, of the root.
SPOIL = """
chmod -R u+w x && chmod 711 x
echo mine >> x/a.txt; chmod 600 x/sub/b.bin; ln -sf nowhere x/link
mkdir -p x/new/deep && echo new > x/new/deep/f && mkfifo x/new/fifo && chmod 0 x/new/deep
"""


def as_others(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run vgit as one whom modes stop."""
    command = [*AS_OTHERS, sys.executable, "-m", "vgit", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def state(path: Path) -> dict[str, tuple[int, bytes]]:
    """Return modes and contents of all that is in a mount, its own state apart, as they are in the volume.

    That a mount takes the right to write away is no part of that, nor is it that somebody gave it back.
    """
    found = {".": (path.stat().st_mode & ~0o222, b"")}
    for one in sorted(path.rglob("*")):
        if ".vgit" not in one.parts:
            mode = one.lstat().st_mode & ~0o222
            text = os.readlink(one).encode() if one.is_symlink() else one.read_bytes() if one.is_file() else b""
            found[str(one.relative_to(path))] = (mode, text)
    return found


@pytest.mark.parametrize("way", ["changed", "removed"])
def test_run_tells_at_its_end_and_at_the_next_one(data: Volume, tmp_path: Path, way: str) -> None:
    first = as_others("run", "-v", "data:x:ro", "--", "true", cwd=tmp_path)
    again = as_others("run", "-v", "data:x:ro", "--", "true", cwd=tmp_path)
    assert [(done.returncode, done.stderr) for done in (first, again)] == [(0, "")] * 2
    before = state(tmp_path / "x")
    script = SPOIL if way == "changed" else "chmod u+w x x/sub && rm -r x/sub x/a.txt"
    told = as_others("run", "-v", "data:x:ro", "--", "sh", "-c", script, cwd=tmp_path)
    place = tmp_path / "x"
    assert told.returncode == 0 and f"Warning: {place} is mounted read-only, and was changed" in told.stderr
    assert told.stderr.count("Warning") == 1 and f"`vgit reload --discard {place}`" in told.stderr
    after = as_others("run", "-v", "data:x:ro", "--", "echo", "at work", cwd=tmp_path)
    assert "was changed all the same" in after.stderr and after.stderr.count("Warning") == 1
    more = as_others("run", "-v", "data:x:ro", "--", "sh", "-c", "chmod u+w x; touch x/0", cwd=tmp_path)
    assert more.stderr.count("Warning") == 2  # what there was before, and what there is now
    (place / "0").unlink()
    for words in (("mount", "data", "x", "--read-only"), ("reload", "x")):
        assert "was changed all the same" in as_others(*words, cwd=tmp_path).stderr
    discarded = as_others("reload", "--discard", "x", cwd=tmp_path)
    assert discarded.returncode == 0 and "Warning" not in discarded.stderr
    assert "nothing to commit" in as_others("status", "x", cwd=tmp_path).stderr
    assert state(place) == before
    clean = as_others("run", "-v", "data:x:ro", "--", "true", cwd=tmp_path)
    assert (clean.returncode, clean.stderr) == (0, "")


def test_the_exit_code_stays_the_commands(data: Volume, tmp_path: Path) -> None:
    script = "chmod u+w x/a.txt; echo mine > x/a.txt; exit 7"
    assert as_others("run", "-v", "data:x:ro", "--", "sh", "-c", script, cwd=tmp_path).returncode == 7


def test_python_is_warned_when_it_takes_such_a_mount_up(data: Volume, vgit: Vgit, tmp_path: Path) -> None:
    with data.mount(tmp_path / "x", read_only=True) as path:
        (path / "a.txt").chmod(0o644)
        (path / "a.txt").write_text("mine")
    with pytest.warns(api.LocalChangesWarning, match="differs from the volume at a.txt") as caught:
        mount = data.mount(tmp_path / "x", read_only=True)
    assert len(caught) == 1 and caught[0].filename == __file__
    mount.reload(discard=True)
    mount.close()
    data.mount(tmp_path / "x", read_only=True).close()  # and no more


def test_a_warning_that_is_an_error_lets_go_of_the_mount(data: Volume, tmp_path: Path) -> None:
    with data.mount(tmp_path / "x", read_only=True) as path:
        (path / "mine").touch()
    with pytest.raises(api.LocalChangesWarning):  # as all warnings are here
        data.mount(tmp_path / "x", read_only=True)
    assert Volume.from_name("data").hydrate() is not None
    with pytest.raises(api.NotMountedError):
        data.commit()
