"""Test_commands_named: every command that a message, a docstring or a page names exists."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.examples import ROOT
from vgit.cli.table import COMMANDS

# Words that follow "vgit" in messages where it is no command, as in "vgit holds it for moments".
PROSE = frozenset(["commits", "did", "holds", "last", "needs", "never", "one", "reads", "says", "store", "without"])
HEADERS = frozenset(("file", "group", "replaced", "volume"))  # what stored text files begin with: "vgit file 1"
_QUOTED = re.compile(r"`vgit ([a-z][\w-]*)")
_PLAIN = re.compile(r"(?<![`\w./-])vgit ([a-z][\w-]*)")


def texts(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text, and whether it is a docstring, of each string in a module; an f-string as one text."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, text, False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value, id(node) in docstrings


def unknown_in_module(name: str, source: str) -> list[str]:
    """Return what a module names and is no command."""
    found = []
    for line, text, is_docstring in texts(source):
        words = _QUOTED.findall(text) + ([] if is_docstring else _PLAIN.findall(text))
        known = COMMANDS if is_docstring else COMMANDS.keys() | PROSE | HEADERS
        found += [f"{name}:{line}: vgit {word}" for word in words if word not in known]
    return found


def unknown_in_page(name: str, text: str) -> list[str]:
    """Return what a page shows as a command, in backticks or after a prompt, and is none."""
    words = _QUOTED.findall(text) + re.findall(r"^\s*(?:\$ )?vgit ([a-z][\w-]*)(?= [-A-Z./]|$)", text, re.M)
    return [f"{name}: vgit {word}" for word in words if word not in COMMANDS.keys() | HEADERS]


def test_every_command_in_a_message_or_docstring_exists() -> None:
    found = []
    for path in sorted((ROOT / "vgit").rglob("*.py")):
        found += unknown_in_module(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_every_command_on_a_page_exists() -> None:
    found = []
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]:
        found += unknown_in_page(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        'x = "check the volume with vgit scrub."',
        'x = f"{1}: run `vgit scrub {2}`"',
        'x = ("a" " vgit" " scrub")',
        '"""Run `vgit scrub`."""',
        'def f():\n    """Run `vgit scrub`."""',
    ],
)
def test_one_that_does_not_exist_is_found(source: str) -> None:
    assert len(unknown_in_module("m", source)) == 1
    assert unknown_in_module("m", source.replace("scrub", "commit")) == []


def test_prose_is_not_taken_for_commands() -> None:
    assert unknown_in_module("m", '"""What vgit scrubs is scrubbed."""') == []
    assert unknown_in_page("p", "vgit scrubs nothing. `vgit commit` does.\n    vgit log -p") == []
    assert len(unknown_in_page("p", "`vgit scrub` and\n    $ vgit polish\n    vgit shine --all")) == 3
