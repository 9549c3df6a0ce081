"""Test_patch: what `diff -p` writes is what stock git reads."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Vgit
from vgit.cli.patch import LARGEST, _lines
from vgit.volume import Volume


def fill(path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def apply(directory: Path, patch: bytes) -> None:
    command = ["git", "-C", str(directory), "apply", "--whitespace=nowarn", "-p1"]
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(directory.parent)}
    done = subprocess.run(command, input=patch, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, (done.stderr, patch)


def content(directory: Path) -> dict[str, bytes]:
    found = {}
    for path in directory.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(directory))] = b"-> " + os.fsencode(os.readlink(path))
        elif path.is_file() and ".vgit" not in path.parts:
            found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def test_git_applies_the_patch(vgit: Vgit, work: Path, data: Volume, tmp_path: Path) -> None:
    fill(
        work,
        {
            "gone": b"1\n",
            "no-newline": b"a\nb",
            "two words": b"x\n",
            'q"uo\\te\t': b"1\n",
            "moved-a": b"same\n" * 9,
            "é": b"1\r\n2\r\n",
        },
    )
    vgit("commit", work)
    before = tmp_path / "before"
    with data.mount(before, read_only=True):
        pass
    before_copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", before, before_copy], check=True)
    subprocess.run(["rm", "-r", before_copy / ".vgit"], check=True)
    subprocess.run(["chmod", "-R", "u+w", before_copy], check=True)
    fill(work, {"no-newline": b"a\nc", "two words": b"y\n", 'q"uo\\te\t': b"2\n", "é": b"1\r\n3\r\n", "d/new": b"n"})
    (work / "gone").unlink()
    (work / "moved-a").rename(work / "moved-b")
    (work / "a.txt").unlink()
    (work / "a.txt").symlink_to("elsewhere")
    (work / "empty").touch()
    vgit("commit", work)
    apply(before_copy, vgit("diff", "data", "-p").stdout_bytes)
    assert content(before_copy) == content(work)


def test_what_git_has_no_words_for_is_not_in_a_patch(vgit: Vgit, work: Path) -> None:
    fill(work, {"large": b"x\n" * LARGEST, "binary": b"\0", "text": b"1\n", "mode": b"2\n"})
    vgit("commit", work)
    for name in ("large", "binary", "text"):
        os.utime(work / name, (1, 1))
    (work / "mode").chmod(0o600)
    assert vgit("diff", work, "-p").stdout == ""
    vgit("commit", work)
    assert vgit("diff", "data", "-p").stdout == ""
    assert len(vgit("diff", "data").stdout.splitlines()) == 4


def test_what_is_not_text_is_only_named(vgit: Vgit, work: Path) -> None:
    fill(work, {"sub/b.bin": b"\0new", "large": b"x\n" * LARGEST})
    (work / "a.txt").chmod(0o755)
    vgit("commit", work)
    text = vgit("diff", "data", "-p").stdout
    assert "Binary files a/sub/b.bin and b/sub/b.bin differ\n" in text
    assert "Binary files /dev/null and b/large differ\n" in text
    assert "old mode 100644\nnew mode 100755\n" in text


def test_of_a_large_file_that_was_renamed_only_the_names_are_told(vgit: Vgit, work: Path) -> None:
    fill(work, {"large": b"x\n" * LARGEST})
    vgit("commit", work)
    (work / "large").rename(work / "larger")
    vgit("commit", work)
    expected = "diff --git a/large b/larger\nrename from large\nrename to larger\n"
    assert vgit("diff", "data", "-p").stdout == expected


def test_empty_directories_have_no_patch(vgit: Vgit, work: Path) -> None:
    (work / "empty").mkdir()
    os.mkfifo(work / "fifo")
    vgit("commit", work)
    assert vgit("diff", "data", "-p").stdout == ""


@given(st.binary(max_size=20))
def test_lines_are_all_of_the_text(text: bytes) -> None:
    lines = _lines(text)
    assert b"".join(lines) == text
    assert all(line.endswith(b"\n") for line in lines[:-1]) and all(lines)


_TEXT = st.lists(st.sampled_from([b"a", b"b", b"c\r", b""]), max_size=6).map(b"\n".join)


@pytest.mark.usefixtures("data")
@given(old=_TEXT, new=_TEXT)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_two_texts(vgit: Vgit, tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    scratch = tmp_path_factory.mktemp("texts")
    volume = Volume.from_name("texts", create_if_missing=True)
    with volume.mount(scratch / "m") as path:
        (path / "text").write_bytes(old)
        (path / "keep").write_bytes(os.urandom(8))
    head = volume.info().head
    with volume.mount(scratch / "m") as path:
        (path / "text").write_bytes(new)
    (scratch / "applied").mkdir()
    (scratch / "applied" / "text").write_bytes(old)
    patch = vgit("diff", "texts", head, "-p").stdout_bytes
    if patch:
        apply(scratch / "applied", patch)
    assert (scratch / "applied" / "text").read_bytes() == new
