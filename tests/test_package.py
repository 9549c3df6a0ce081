"""Test_package: `import vgit` gives every public name, without loading what is not used."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vgit

SOURCE = Path(__file__).parent.parent / "vgit" / "__init__.py"
PROJECT = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text("utf-8"))
LINKS = {"Changelog", "Documentation", "Source"}


def unfit_links(version: str, urls: dict[str, str]) -> set[str]:
    """Return which links a release lacks, or has without a host of its own; a version under way needs none."""
    unfit = {name for name, url in urls.items() if not re.match(r"https://[\w.-]+(?<!\.example)(/|$)", url)}
    return unfit if ".dev" in version else unfit | (LINKS - urls.keys())


def checked_imports() -> dict[str, str]:
    """Return public name → module, as the imports for type checkers say."""
    tree = ast.parse(SOURCE.read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom) and node.module != "vgit"]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_type_checkers_and_programs_see_the_same_names() -> None:
    assert sorted(checked_imports()) == sorted(vgit.__all__)


@pytest.mark.parametrize(("name", "module"), sorted(checked_imports().items()))
def test_a_name_is_what_its_module_says(name: str, module: str) -> None:
    assert getattr(vgit, name) is getattr(sys.modules[module], name)


def test_other_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="'vgit' has no attribute 'volumne'"):
        vgit.volumne  # noqa: B018
    assert set(vgit.__all__) <= set(dir(vgit))


@pytest.mark.parametrize("name", ["exception", "volume"])
def test_modules_that_programs_name_are_there_without_an_import(name: str) -> None:
    code = f"import vgit; print(vgit.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SOURCE.parents[1])
    assert done.stdout == f"vgit.{name}\n", done.stderr


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, vgit; sys.exit(any(name.startswith('vgit.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=SOURCE.parent.parent).returncode == 0


def test_the_version_is_a_literal_that_the_build_reads() -> None:
    """A build must not have to import vgit, nor `import vgit` to look for what is installed."""
    values = [
        node.value
        for node in ast.parse(SOURCE.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert [ast.literal_eval(value) for value in values] == [vgit.__version__]
    assert "version" not in PROJECT["project"] and PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vgit.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", vgit.__version__)


def test_a_release_says_where_the_project_is() -> None:
    assert unfit_links(vgit.__version__, PROJECT["project"].get("urls", {})) == set()
    assert unfit_links("1.0.0.dev0", {}) == set() and unfit_links("1.0.0", {}) == LINKS
    assert unfit_links("1.0.0.dev0", {"Source": "https://vgit.example/", "Changelog": "CHANGELOG.md"}) != set()
    assert unfit_links("1.0.0", dict.fromkeys(LINKS, "https://host.org/vgit")) == set()
