"""Test_package: `import vgit` gives every public name, without loading what is not used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vgit

SOURCE = Path(__file__).parent.parent / "vgit" / "__init__.py"


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
