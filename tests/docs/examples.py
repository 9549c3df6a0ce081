"""Examples: the blocks of code in the pages for users, found and run as a reader would run them.

    ```python     a program of its own; what it prints is in the ```text block right below it. One that begins
                  with `# name.py` is a file of that name instead, for the commands below it
    ```console    `$ command` lines, what a command prints below it, in a shell
    ```text       what the block above prints, or nothing that can run
    … not-run     behind `python` or `console`: shown only

All blocks below one `##` heading share a home directory, which is empty at
first and the current directory, and the store in it. Where the output has `...`,
anything may stand; ids of commits, times and sizes of stored data are told apart
from other text, not from each other.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "guide.md",
    ROOT / "docs" / "coming-from-modal.md",
    *sorted((ROOT / "docs" / "reference").glob("*.md")),
)
SHOWN_HOME = "/home/ada"  # the home directory, as pages spell it
AUTHOR = "Ada <ada@example.org>"

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
_FILE = re.compile(r"# ([\w.-]+\.py)\n")
_END = re.compile(r"\x1e(\d+)\x1e\n")
_VARIES = (
    (re.compile(r"\b[0-9a-f]{40}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short id>"),
    (re.compile(r"\bvo-\w+"), "<volume id>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"), "<ISO time>"),
    (re.compile(r"[\d.]+ ([KM]i)?B stored"), "<size> stored"),
    (re.compile(r"in [\d.]+ s, [\d.]+ ([KMG]i)?B/s"), "in <seconds>"),
)


class Block(NamedTuple):
    """One block of code."""

    info: str
    text: str
    output: str | None  # of the ```text block right below it
    line: int

    @property
    def file(self) -> str | None:
        """The file that the block is, rather than a program."""
        found = _FILE.match(self.text)
        return found[1] if found is not None else None


class Section(NamedTuple):
    """What is below one heading of a page."""

    page: Path
    title: str
    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return f"{self.page.stem}-{self.title}".replace(" ", "-").replace("`", "")


def sections(page: Path) -> Iterator[Section]:
    """Yield the parts of a page that have blocks to run."""
    text = page.read_text("utf-8")
    starts = [0, *(found.start() for found in _HEADING.finditer(text)), len(text)]
    for start, end in pairwise(starts):
        heading = _HEADING.match(text, start)
        blocks = tuple(_blocks(text, start, end))
        if any(block.info in ("python", "console") for block in blocks):
            yield Section(page, heading[1] if heading is not None else "top", blocks)


def _blocks(text: str, start: int, end: int) -> Iterator[Block]:
    found = [one for one in _BLOCK.finditer(text) if start <= one.start() < end]
    for block, next_one in zip(found, [*found[1:], None], strict=False):
        output = None
        if next_one is not None and next_one[1] == "text" and not text[block.end() : next_one.start()].strip():
            output = next_one[2]
        yield Block(block[1], block[2], output, text.count("\n", 0, block.start()) + 1)


class Command(NamedTuple):
    """A command of a console block, and what it is to print."""

    command: str
    output: str


def commands(text: str) -> list[Command]:
    """Return the commands of a console block; lines that begin with `> ` go on with the one above."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            assert found, f"a console block begins with {line!r}, expected '$ command'"
            found[-1][1].append(line)
    return [Command("\n".join(words), "".join(f"{line}\n" for line in output)) for words, output in found]


class Reader:
    """Somebody who tries what a section shows: a home directory, and `vgit` and `python` to be typed."""

    def __init__(self, room: Path) -> None:
        self.home = room / "home"
        self.home.mkdir()
        self._program = room / "program.py"
        (room / "tmp").mkdir()
        bin = room / "bin"
        bin.mkdir()
        for name, arguments in (("python", ""), ("vgit", "-m vgit")):
            (bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
            (bin / name).chmod(0o755)
        ours = ("VGIT_", "XDG_", "GIT_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment = kept | {
            "HOME": str(self.home),
            "TMPDIR": str(room / "tmp"),  # a pytest that is shown would tidy up after all others' in the common one
            "PATH": f"{bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "VGIT_AUTHOR": AUTHOR,
            "GIT_CONFIG_NOSYSTEM": "1",
            "TZ": "UTC",
        }

    def try_block(self, block: Block) -> None:
        """Run a block; AssertionError for what is not as the page says."""
        if block.info == "python" and block.file is not None:
            (self.home / block.file).write_text(block.text)
        elif block.info == "python":
            self._program.write_text(block.text)
            done = self._run([sys.executable, str(self._program)])
            assert done.returncode == 0, f"line {block.line}:\n{done.stdout}"
            check_output(block.output or "", self._as_shown(done.stdout), f"line {block.line}")
        elif block.info == "console":
            self._try_console(block)

    def _try_console(self, block: Block) -> None:
        todo = commands(block.text)
        script = "".join(f"{one.command}\nprintf '\\036%d\\036\\n' $?\n" for one in todo)
        done = self._run(["bash", "-c", script])
        pieces = _END.split(done.stdout)
        assert len(pieces) == 2 * len(todo) + 1, f"line {block.line}: the shell ended early:\n{done.stdout}"
        for one, said, code in zip(todo, pieces[::2], pieces[1::2], strict=False):
            where = f"line {block.line}: $ {one.command}"
            fails = re.search(r"^(Error|Usage): ", one.output, re.MULTILINE) is not None
            assert (code != "0") == fails, f"{where}\nexit code {code}:\n{said}"
            check_output(one.output, self._as_shown(said), where)

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=self.home, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def _as_shown(self, text: str) -> str:
        return text.replace(str(self.home), SHOWN_HOME)


def check_output(expected: str, got: str, where: str) -> None:
    """Raise AssertionError unless ``got`` is what the page says."""
    if re.fullmatch(_pattern(_settle(expected)), _settle(got)) is None:
        raise AssertionError(f"{where}\n--- the page says\n{expected}--- it printed\n{got}")


def _settle(text: str) -> str:
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return text


def _pattern(expected: str) -> str:
    lines = (
        r"(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in expected.splitlines()
    )
    return "".join(lines)
