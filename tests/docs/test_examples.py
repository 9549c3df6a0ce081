"""Test_examples: every example in the pages for users runs as it stands and prints what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import PAGES, Block, Reader, Section, check_output, commands, sections

SECTIONS = [section for page in PAGES for section in sections(page)]
MOST_NOT_RUN = 4
INFOS = ("python", "console", "text", "python not-run", "console not-run")


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_section(section: Section, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in section.blocks:
        reader.try_block(block)


def test_blocks_say_what_they_are_and_nearly_all_are_run() -> None:
    infos = [re.findall(r"^```(.*)\n(?:.*\n)*?^```$", page.read_text("utf-8"), re.MULTILINE) for page in PAGES]
    found = [info for page in infos for info in page]
    assert set(found) <= set(INFOS)
    assert sum(info.endswith("not-run") for info in found) <= MOST_NOT_RUN
    assert sum(len(section.blocks) for section in SECTIONS) > len(PAGES)


def test_completion_is_set_up_by_what_the_guide_says() -> None:
    guide = next(page for page in PAGES if page.name == "guide.md").read_text("utf-8")
    shells = re.findall(r"_VGIT_COMPLETE=(\w+)_source vgit", guide)
    assert sorted(shells) == ["bash", "fish", "zsh"]
    for shell in shells:
        environment = {**os.environ, "_VGIT_COMPLETE": f"{shell}_source"}
        command = [sys.executable, "-c", "import sys; sys.argv = ['vgit']; from vgit.__main__ import main; main()"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "_VGIT_COMPLETE" in done.stdout, done.stderr


def test_the_judge_can_condemn(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for wrong in (
        Block("python", "print(1)\n", "2\n", 1),
        Block("python", "print(1)\n", None, 1),
        Block("python", "import no_such_module\n", None, 1),
        Block("console", "$ echo one\ntwo\n", None, 1),
        Block("console", "$ echo one\n", None, 1),
        Block("console", "$ false\n", None, 1),
        Block("console", "$ echo 'Error: none'\nError: none\n", None, 1),
        Block("console", "$ exit 0\n$ echo never\nnever\n", None, 1),
    ):
        with pytest.raises(AssertionError):
            reader.try_block(wrong)
    for right in (
        Block("python", "print(1)\n", "1\n", 1),
        Block("python", "# saved.py\nprint(2)\n", None, 1),
        Block("console", "$ python saved.py\n2\n$ echo ~\n/home/ada\n$ printf 'a\\nb\\nc\\n'\na\n...\n", None, 1),
        Block("console", "$ vgit log nothing\nError: ...\n", None, 1),
    ):
        reader.try_block(right)


def test_what_varies_is_told_apart_from_other_text() -> None:
    id = "0123456789abcdef0123456789abcdef01234567"
    check_output(f"commit {id}\n", f"commit {id[::-1]}\n", "")
    check_output("a ... c\n", "a b c\n", "")
    for said in ("commit 1\n", f"commit {id}0\n", f"commit {id}\nmore\n"):
        with pytest.raises(AssertionError):
            check_output(f"commit {id}\n", said, "")
    assert commands("$ a\n> b\nc\n$ d\n") == [("a\nb", "c\n"), ("d", "")]
