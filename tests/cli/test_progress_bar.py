"""Test_progress_bar: a bar on a terminal that is gone at the end, a line elsewhere."""

import os
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Vgit
from tests.cli.test_terminal import on_terminal
from vgit.api.client import Client
from vgit.cli.progress_bar import Counter
from vgit.volume import Volume

_SUMMARY = re.compile(r"[\d,]+ files?, [\d.]+ \w+ in [\d.]+ s, [\d.]+ \w+/s\n")
_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9](;[0-9;]*)?m")


@pytest.fixture
def many(tmp_path: Path) -> Volume:
    """A volume of 1,200 files."""
    volume = Volume.from_name("many", create_if_missing=True, client=Client.from_env())
    with volume.mount(tmp_path / "first") as path:
        for number in range(1200):
            (path / str(number)).write_bytes(os.urandom(10))
    return volume


def test_a_pipe_gets_one_line(vgit: Vgit, many: Volume, tmp_path: Path) -> None:
    result = vgit("get", "many", "/", tmp_path / "out")
    assert _SUMMARY.fullmatch(result.stderr) and result.stderr.startswith("1,200 files, 11.7 KiB in ")
    assert result.stdout == ""
    vgit("create", "new")
    stderr = vgit("put", "new", tmp_path / "out", "/x").stderr
    assert _SUMMARY.match(stderr) and "\x1b" not in stderr and "\r" not in stderr


def test_a_terminal_gets_a_bar_that_goes_away(many: Volume, tmp_path: Path) -> None:
    code, screen = on_terminal("get", "many", "/", str(tmp_path / "out"))
    assert code == 0
    assert "/1,200 files" in screen and "B/s" in screen
    assert "\x1b[?25l" in screen and screen.rindex("\x1b[?25h") > screen.rindex("files"), "the cursor is back"
    assert "\x1b[2K" in screen[screen.rindex("files") :], "the line is erased"
    assert not _SUMMARY.search(screen)
    assert len(os.listdir(tmp_path / "out")) == 1200


def test_no_color_is_respected(many: Volume, tmp_path: Path) -> None:
    assert _COLOUR.search(on_terminal("get", "many", "/", str(tmp_path / "one"))[1])
    screen = on_terminal("get", "many", "/", str(tmp_path / "two"), environment={"NO_COLOR": "1"})[1]
    assert "files" in screen and not _COLOUR.search(screen)


def test_a_dumb_terminal_gets_a_line(many: Volume, tmp_path: Path) -> None:
    code, screen = on_terminal("get", "many", "/", str(tmp_path / "out"), environment={"TERM": "dumb"})
    assert code == 0 and _SUMMARY.fullmatch(screen)


def test_an_error_follows_a_clean_line(many: Volume, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "999").touch()
    code, screen = on_terminal("get", "many", "/", str(tmp_path / "out"))
    assert code == 2 and screen.rindex("Error: ") > screen.rfind("\x1b[2K")


def test_a_counter_adds_up() -> None:
    counter = Counter()
    counter.expect(2, 3000)
    counter.advance(1, 1000)
    counter.advance(1, 2000)
    assert (counter.files, counter.size_bytes) == (counter.expected_files, counter.expected_bytes) == (2, 3000)
    assert counter.summary().startswith("2 files, 2.9 KiB in 0.0 s, ")
