"""Test_decisions: the pages of decisions are short, numbered, of one form, and all in their index."""

import re
from collections.abc import Iterator, Mapping

from tests.docs.examples import ROOT

LINES = 40
HEADINGS = ["Context", "Choice", "Price"]
_FOLDER = ROOT / "docs" / "decisions"
_ROW = re.compile(r"^\| (\d+) \| \[([^]]+)\]\(([^)]+)\) \|", re.MULTILINE)


def faults(index: str, pages: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the pages of a folder, given by their names, and with its index."""
    expected = []
    for number, (name, text) in enumerate(sorted(pages.items()), 1):
        title = re.match(rf"# {number}\. (.+)\n", text)
        if not name.startswith(f"{number:02}-") or title is None:
            yield f"{name}: expected the number {number}, in its name and its title"
        if text.count("\n") > LINES:
            yield f"{name}: {text.count(chr(10))} lines, at most {LINES}"
        if re.findall(r"^## (.+)$", text, re.MULTILINE) != HEADINGS:
            yield f"{name}: its headings are not {', '.join(HEADINGS)}"
        expected.append((str(number), name))
    if [(number, target) for number, _, target in _ROW.findall(index)] != expected:
        yield "the index does not name each page once, in order"


def test_decisions_have_their_form() -> None:
    pages = {page.name: page.read_text("utf-8") for page in _FOLDER.glob("*.md") if page.name != "README.md"}
    assert list(faults((_FOLDER / "README.md").read_text("utf-8"), pages)) == []
    assert pages


def test_what_is_wrong_is_found() -> None:
    page = "# 1. One\n\n## Context\n\n## Choice\n\n## Price\n"
    row = "| 1 | [One](01-one.md) | why |\n"
    assert list(faults(row, {"01-one.md": page})) == []
    assert len(list(faults(row, {"02-one.md": page}))) == 2  # the index leads to another page
    assert len(list(faults(row, {"01-one.md": page.replace("1.", "2.")}))) == 1
    assert len(list(faults(row, {"01-one.md": page + "\n" * LINES}))) == 1
    assert len(list(faults(row, {"01-one.md": page.replace("Price", "Cost")}))) == 1
    assert len(list(faults("", {"01-one.md": page}))) == 1
