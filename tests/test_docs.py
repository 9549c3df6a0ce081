"""Test_docs: the pages agree with each other and with the code: links, files, the map of modules, the glossary."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md")) + sorted(ROOT.glob("*.md"))

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_PATH = re.compile(r"[\w./-]+")
_FOLDERS = ("vgit/", "tests/", "docs/", "tools/")
_STORED = ("vgit/leases",)  # keys in a store, not files of ours
_TERM = re.compile(r"^\*\*([^*]+)\*\*", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """Return the anchors of a page, as git hosts make them of headings."""
    titles = (re.sub(r"[`*]", "", title).strip().lower() for title in _HEADING.findall(_FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        where, _, anchor = target.partition("#")
        found = (page.parent / where).resolve() if where else page
        if not found.exists():
            yield f"{name_of(page)}: {target} leads nowhere"
        elif anchor and found.suffix == ".md" and anchor not in anchors(found.read_text()):
            yield f"{name_of(page)}: {target}: the page has no such heading"


def missing_files(page: Path, text: str) -> Iterator[str]:
    """Yield what stands in backticks, looks like a file of this project, and is none."""
    for code in _CODE.findall(_FENCE.sub("", text)):
        if not _PATH.fullmatch(code) or code.startswith(_STORED):
            continue
        if not (code.startswith(_FOLDERS) or code.endswith((".py", ".md"))):
            continue
        if not any((start / code).exists() for start in (ROOT, ROOT / "vgit", DOCS, page.parent)):
            yield f"{name_of(page)}: `{code}` does not exist"


def reached(start: Path) -> set[Path]:
    """Return the pages that a reader who begins at ``start`` can come to by following links."""
    found, pending = {start}, [start]
    while pending:
        page = pending.pop()
        links = _LINK.findall(_CODE.sub("", _FENCE.sub("", page.read_text())))
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links if not re.match(r"[a-z]+:", link)}
        new = {target for target in targets if target.suffix == ".md" and target.exists()} - found
        found |= new
        pending += new
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    assert list(missing_files(page, page.read_text())) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    assert [name_of(page) for page in PAGES if page not in reached(ROOT / "README.md")] == []


def test_the_page_of_modules_is_what_the_docstrings_say() -> None:
    done = subprocess.run([ROOT / "tools" / "module_table", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_page_of_the_format_is_in_its_index() -> None:
    index = (DOCS / "format" / "README.md").read_text()
    pages = {page.name for page in (DOCS / "format").glob("*.md")} - {"README.md"}
    assert pages <= set(_LINK.findall(index))


def test_pages_that_docstrings_name_exist() -> None:
    named = {
        (path.relative_to(ROOT).as_posix(), page)
        for path in (ROOT / "vgit").rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/]+\.md", ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    assert named, "nothing was found: the test would prove nothing"
    assert not [f"{path}: {page}" for path, page in sorted(named) if not (ROOT / page).exists()]


def test_modules_that_docstrings_name_exist() -> None:
    """Beside the one that names them, or below vgit/ or the project."""
    named = {
        (path, name)
        for path in (ROOT / "vgit").rglob("*.py")
        for name in re.findall(r"(?<![\w/.*<-])(?:[a-z_]+/)*[a-z_]+\.py\b", docstrings(path))
    }
    assert named, "nothing was found: the test would prove nothing"
    places = {path: (path.parent, ROOT / "vgit", ROOT) for path, _ in named}
    missing = [(path, name) for path, name in named if not any((place / name).exists() for place in places[path])]
    assert not [f"{path.relative_to(ROOT)}: {name}" for path, name in sorted(missing) if name != "train.py"]


def docstrings(path: Path) -> str:
    """Return all docstrings of a module, one after the other."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented))
    return "\n".join(ast.get_docstring(node) or "" for node in nodes)


def test_the_glossary_is_in_order_and_has_no_word_twice() -> None:
    terms = [term.lower() for term in _TERM.findall((DOCS / "glossary.md").read_text())]
    assert terms == sorted(set(terms))


def test_the_judges_can_condemn() -> None:
    page = DOCS / "glossary.md"
    assert len(list(broken_links(page, "[a](nowhere.md) [b](architecture.md#no-such-heading)"))) == 2
    assert not list(broken_links(page, "[a](architecture.md#layers) `[b](nowhere.md)` [c](https://example.org)"))
    assert len(list(missing_files(page, "`vgit/nowhere.py` `nowhere.py` `tests/none/`"))) == 3
    assert not list(
        missing_files(page, "`vgit/repository/refs.py` `repository/refs.py` `a/<b>.py` `vgit/leases/x` `objects/pack`")
    )
