"""Test_log_show_restore: log, show, diff, restore, tag."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from vgit.api.client import Client
from vgit.clock import SYSTEM_CLOCK
from vgit.volume import Volume


@pytest.fixture
def edited(vgit: Vgit, data: Volume, work: Path) -> Volume:
    """The volume `data` with a second state, in which all kinds of change have happened."""
    (work / "a.txt").write_text("one\n2\nthree\n")
    (work / "new.txt").write_text("new")
    (work / "link").unlink()
    (work / "sub").chmod(0o700)
    os.rename(work / "sub" / "b.bin", work / "sub" / "c.bin")
    vgit("commit", work, "-m", "second\n\nwith a body")
    return data


def test_log(vgit: Vgit, edited: Volume) -> None:
    text = vgit("log", "data").stdout
    assert text.startswith(f"commit {edited.info().head}\nAuthor: Ada <ada@host>\nDate:   ")
    assert "    second\n\n    with a body\n" in text
    assert text.count("commit ") == 3
    assert vgit("log", "data", "-n", 1).stdout.count("commit ") == 1
    lines = vgit("log", "data", "--oneline").stdout.splitlines()
    assert len(lines) == 3 and lines[0].endswith("Ada <ada@host>: second")


def test_log_of_a_path(vgit: Vgit, edited: Volume) -> None:
    assert len(vgit("log", "data", "new.txt", "--oneline").stdout.splitlines()) == 1
    assert len(vgit("log", "data", "a.txt", "--oneline").stdout.splitlines()) == 2


def test_log_between_times(vgit: Vgit, edited: Volume) -> None:
    assert vgit("log", "data", "--until", "2020-01-01").stdout == ""
    assert vgit("log", "data", "--since", "1 hour ago").stdout.count("commit ") == 3
    assert vgit("log", "data", "--since", "2099-01-01T12:00").stdout == ""


def test_log_json_and_the_receipt(vgit: Vgit, edited: Volume, work: Path, tmp_path: Path) -> None:
    vgit("mount", "data", tmp_path / "late")
    for mount in (work, tmp_path / "late"):
        (mount / "a.txt").write_text(f"{mount}")
        vgit("commit", mount)
    newest = json.loads(vgit("log", "data", "--json").stdout)[0]
    assert newest["overwrote"] == ["a.txt"] and newest["overwrote_count"] == 1
    assert newest["id"] == edited.info().head and newest["changed"] == 1
    assert newest["time"].endswith("+00:00")
    assert "    overwrote: a.txt\n" in vgit("log", "data").stdout
    assert "(overwrote 1)" in vgit("log", "data", "--oneline").stdout.splitlines()[0]


def test_show(vgit: Vgit, edited: Volume) -> None:
    text = vgit("show", "data").stdout
    assert text.startswith(f"commit {edited.info().head}\n") and "M\ta.txt\t" in text
    shown = json.loads(vgit("show", "data", "HEAD", "--json").stdout)
    assert shown["message"] == "second\n\nwith a body"
    assert {one["path"] for one in shown["changes"]} >= {"a.txt", "new.txt"}
    assert vgit("show", "data", "HEAD~2").stdout.startswith("commit "), "the first has nothing before it"
    assert "+2\n" in vgit("show", "data", "-p").stdout


def test_diff(vgit: Vgit, edited: Volume) -> None:
    lines = vgit("diff", "data").stdout.splitlines()
    assert "M\ta.txt" in lines and "A\tnew.txt" in lines and "D\tlink" in lines
    assert "R\tsub/b.bin\tsub/c.bin" in lines and "T\tsub" in lines
    assert vgit("diff", "data", "HEAD", "HEAD").stdout == ""
    assert vgit("diff", "data", "HEAD~1", "--", "new.txt").stdout == "A\tnew.txt\n"
    assert vgit("diff", "data", "--", "/sub").stdout.splitlines() == ["T\tsub", "R\tsub/b.bin\tsub/c.bin"]
    assert "No revision" in vgit("diff", "data", "HEAD~9", code=1).stderr


def test_diff_with_sizes(vgit: Vgit, edited: Volume) -> None:
    lines = vgit("diff", "data", "--stat").stdout.splitlines()
    assert "M\ta.txt\t8 B -> 12 B" in lines and "A\tnew.txt\t3 B" in lines and "D\tlink\tlink" in lines
    assert "T\tsub\t0755 -> 0700" in lines


def test_diff_json(vgit: Vgit, edited: Volume) -> None:
    found = {one["path"]: one for one in json.loads(vgit("diff", "data", "--json").stdout)}
    assert found["new.txt"]["old"] is None and found["new.txt"]["new"]["size"] == 3
    assert found["sub/c.bin"]["kind"] == "renamed" and found["sub/c.bin"]["old"]["path"] == "sub/b.bin"
    assert found["a.txt"]["old"]["hash"] != found["a.txt"]["new"]["hash"]


def test_restore(vgit: Vgit, edited: Volume) -> None:
    assert "M\ta.txt" in vgit("restore", "data", "HEAD~1", "--dry-run").stdout
    assert edited.info().commits == 3, "a dry run publishes nothing"
    result = vgit("restore", "data", "HEAD~1", "a.txt", "-m", "back")
    assert edited.info().head.startswith(result.stdout.strip())
    assert vgit("cat", "data", "a.txt").stdout == "one\ntwo\n"
    assert vgit("cat", "data", "new.txt").stdout == "new", "other paths stay"
    vgit("restore", "data", "HEAD~2")
    assert vgit("diff", "data", "HEAD~3", "HEAD").stdout == ""
    assert edited.info().commits == 5
    again = vgit("restore", "data", "HEAD")
    assert again.stdout == "" and "it is so already" in again.stderr
    assert json.loads(vgit("restore", "data", "HEAD", "--json").stdout) is None


def test_tags(vgit: Vgit, edited: Volume, git: Callable[..., bytes]) -> None:
    vgit("tag", "data", "v2")
    vgit("tag", "data", "v1", "HEAD~1")
    assert "already names" in vgit("tag", "data", "v1", code=1).stderr
    assert [line.split("\t")[0] for line in vgit("tag", "data").stdout.splitlines()] == ["v1", "v2"]
    assert json.loads(vgit("tag", "data", "--json").stdout)["v2"] == edited.info().head
    assert vgit("cat", "data", "a.txt", "--at", "v1").stdout == "one\ntwo\n"
    assert git(edited.git_dir, "tag").split() == [b"v1", b"v2"]
    vgit("tag", "data", "-d", "v1")
    assert "No tag 'v1'" in vgit("tag", "data", "-d", "v1", code=1).stderr


def test_untag_takes_tags_away(vgit: Vgit, data: Volume) -> None:
    for name in ("v1", "v2", "v3"):
        vgit("tag", "data", name)
    assert vgit("untag", "data", "v1", "v3").stderr == "tag v1 is gone\ntag v3 is gone\n"
    assert list(data.tags()) == ["v2"]
    assert "No tag 'v1'" in vgit("untag", "data", "v1", code=1).stderr
    assert "Missing argument" in vgit("untag", "data", code=2).stderr


def test_a_clock_that_is_wrong_is_told_and_hides_nothing(vgit: Vgit, work: Path, data: Volume) -> None:
    a_year = 365 * 86_400 * 10**9
    ahead = replace(SYSTEM_CLOCK, now_ns=lambda: SYSTEM_CLOCK.now_ns() + a_year)
    future = Volume.from_name("data", client=Client(Client.from_env().store, clock=ahead))
    with future.batch_upload(message="from the future") as batch:
        batch.put_file(io.BytesIO(b"x"), "future")
    assert vgit("ls", "data", "--at", "@{now}").stdout == vgit("ls", "data").stdout
    (work / "later").touch()
    warning = "Warning: by this machine's clock, the state published before is from 36"
    assert warning in vgit("commit", work).stderr
    for words in (("put", "data", work / "later", "/put"), ("cp", "data", "later", "cp"), ("rm", "data", "cp")):
        assert warning in vgit(*words).stderr
    assert warning in vgit("restore", "data", "HEAD~1").stderr
    for at in ("@{now}", "HEAD"):
        assert "later" in vgit("ls", "data", "--at", at).stdout
    shown = json.loads(vgit("log", "data", "--until", "now", "--json").stdout)
    assert [one["id"] for one in shown] == [one["id"] for one in json.loads(vgit("log", "data", "--json").stdout)]
    assert [one["message"] for one in shown if one["clock_behind"] == 0][:1] == ["from the future"]
    years = [datetime.fromisoformat(one["time"]).year for one in shown]
    assert years[0] < max(years) == years[5]


def test_no_clock_is_warned_of_that_is_right(vgit: Vgit, work: Path) -> None:
    (work / "new").touch()
    assert "Warning" not in vgit("commit", work).stderr


def test_a_time_that_no_calendar_has_is_shown_as_the_last_that_it_has(
    vgit: Vgit, data: Volume, git: Callable[..., bytes]
) -> None:
    tree = git(data.git_dir, "rev-parse", "HEAD^{tree}").strip()
    who = f"A <a> {10**15} +0000"
    made = f"tree {tree.decode()}\nparent {data.info().head}\nauthor {who}\ncommitter {who}\n\nm\n"
    command = ["git", "--git-dir", data.git_dir, "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
    id = subprocess.run(command, input=made.encode(), capture_output=True, check=True).stdout.decode().strip()
    git(data.git_dir, "update-ref", "refs/heads/main", id)
    assert next(one.time.year for one in data.log()) == 9999
    assert "Date:   9999-12-30" in vgit("log", "data", "-n", "1").stdout
