"""Test_changelog: the changelog has the form that its readers, and the programs that read it, expect."""

import re
from collections.abc import Iterator
from itertools import pairwise

import vgit
from tests.docs.examples import ROOT

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known gaps")
_UNRELEASED = "[Unreleased]"
_RELEASE = re.compile(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d")


def faults(text: str, version: str) -> Iterator[str]:
    """Yield what is wrong with a changelog, for a project that says it has ``version``."""
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if titles[:1] != [_UNRELEASED]:
        yield f"the first section must be {_UNRELEASED}"
    found = [_RELEASE.fullmatch(title) for title in titles[1:]]
    yield from (
        f"{title}: not '[1.2.3] - 2001-02-03'" for title, match in zip(titles[1:], found, strict=True) if not match
    )
    numbers = [tuple(map(int, match.groups())) for match in found if match]
    if any(newer <= older for newer, older in pairwise(numbers)):
        yield "releases must stand newest first, each once"
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    yield from (f"{kind}: not one of {', '.join(KINDS)}" for kind in kinds if kind not in KINDS)
    if ".dev" not in version and f"[{version}] - " not in "\n".join(titles):
        yield f"{version} is released, and has no section"


def test_the_changelog_has_its_form() -> None:
    assert list(faults((ROOT / "CHANGELOG.md").read_text("utf-8"), vgit.__version__)) == []


def test_what_is_wrong_is_found() -> None:
    good = "## [Unreleased]\n### Fixed\n## [0.2.0] - 2027-01-02\n## [0.1.0] - 2026-12-01\n### Added\n"
    assert list(faults(good, "0.2.0")) == [] == list(faults(good, "0.3.0.dev0"))
    assert len(list(faults(good, "0.3.0"))) == 1
    assert len(list(faults(good.replace("0.2.0", "0.0.9"), "0.1.0"))) == 1
    assert len(list(faults(good.replace(" - 2027-01-02", ""), "0.1.0"))) == 1
    assert len(list(faults(good.replace("Fixed", "Mended"), "0.2.0"))) == 1
    assert len(list(faults(good.replace("## [Unreleased]\n", ""), "0.1.0"))) == 1
