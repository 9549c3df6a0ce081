"""Test_layers: who may import whom in vgit, held as data.

A module imports only from lower layers or its own folder. The folder of the
modules that stand directly in ``vgit/`` is ``vgit/`` itself, so two of them in
one layer may import each other. An import under ``TYPE_CHECKING`` counts like
any other: what a reader must know of to understand a module is a dependency.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Low to high; a folder ends in "/". A new module of vgit/ is added to its layer here.
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "errors",
        "runtime/",
        "names paths clock ids",
        "localfs/",
        "backend/",
        "objects/",
        "content/ tree/",
        "repository/",
        "files/",
        "history/ maintenance/ mount/ transfer/ catalog/",
        "types exception",
        "api/",
        "volume __init__",
        "filesystem web/",
        "cli/",
        "__main__",
    )
)
# The floors inside a folder, low to high: a module imports from its own floor and from those below it.
FLOORS: dict[str, tuple[frozenset[str], ...]] = {
    folder: tuple(frozenset(line.split()) for line in lines)
    for folder, lines in {
        "repository/": (
            "aftermath commit config edit_tree identity refs",  # what is stored, and what a merge starts from
            "merge",
            "repository",
            "ancestry publish tree_view",
        ),
        "mount/": (
            # what a mount is, and what is kept of it
            "layout root scope lease policy journal swap mount_clock state_database undo_log stat_cache",
            "session store_check submounts divergence open_files half_made binding file_metadata",
            "staging_areas touched_directories root_mode scan entry_reader batch_reader",
            "staging_cleanup changes plan",
            "inspection stage checkout",
            "plan_execution take_back recovery",
            "mount_commit reload unmount",
            "working_directory",
            "open",
        ),
        "api/": (
            "aio asyncio_bridge client convert user_warnings",  # how a call is made, by whom, and what comes of it
            "resolve background batch",
            "handle namespace mount",  # one volume, all volumes, and a working directory
            "existing_mount",
            "open_mounts",
            "joint_operation",
            "snapshot writable mountable versioned",  # what volume.py is put together from
        ),
    }.items()
}
_FOLDERS = frozenset(unit.rstrip("/") for layer in LAYERS for unit in layer if unit.endswith("/"))

# Third-party packages, and the only places that may import them (None: anywhere).
ALLOWED: dict[str, frozenset[str] | None] = {
    "blake3": None,
    "dulwich": None,
    "isal": None,
    "pyfastcdc": None,
    "sortedcontainers": None,
    "click": frozenset({"cli/"}),
    "rich": frozenset({"cli/"}),
    "obstore": frozenset({"backend/"}),
    "fsspec": frozenset({"filesystem"}),
    "starlette": frozenset({"web/"}),
    "uvicorn": frozenset({"web/"}),
}
EXTRAS = frozenset({"obstore", "fsspec", "starlette", "uvicorn"})
# The package imports its public names when they are first used: `vgit --help` need not wait for all of vgit. They are
# imported under TYPE_CHECKING as well, where the rules see them; test_package holds the two together.
LAZY = frozenset({"vgit/__init__.py", "vgit/runtime/lazy_import.py"})
# Modules that are imported at their first use by way of lazy_import, so that programs start fast; imported under
# TYPE_CHECKING as well. What each spares those who do not need it is of some 20 ms that Python itself takes to start.
LATE: dict[str, dict[str, str]] = {
    "vgit/api/aio.py": {"vgit.api.asyncio_bridge": "asyncio, 20 ms; most programs never await anything"},
    "vgit/api/background.py": {"logging": "3 ms; only what goes wrong in the background is logged"},
    "vgit/repository/aftermath.py": {"logging": "3 ms; only what fails after a commit is published is logged"},
    "vgit/api/versioned.py": {"vgit.history.restore": "with vgit.repository.publish; most programs restore nothing"},
    "vgit/catalog/catalog.py": {"vgit.repository.publish": "3 ms, with the merge; who looks up a name makes none"},
    "vgit/maintenance/upkeep.py": {
        "vgit.maintenance.roll_up": "3 ms, with what joins packs; who only reads never rolls up",
        "vgit.maintenance.sweep": "with vgit.maintenance.roll_up",
    },
    "vgit/maintenance/roll_up.py": {"logging": "3 ms; only damage is logged"},
    "vgit/localfs/file_systems.py": {"ctypes": "2 ms; only where the mount table does not tell, as in a chroot"},
    "vgit/backend/local.py": {"shutil": "3 ms; only a repository that is deleted is removed as a tree"},
    "vgit/content/chunker.py": {"pyfastcdc": "4 ms; only a file above 4 MiB is cut"},
    "vgit/content/hash_threads.py": {"concurrent.futures": "5 ms; only a file above 4 MiB is worth threads"},
    "vgit/mount/binding.py": {"shutil": "3 ms; only what was cut off is removed as a tree"},
    "vgit/localfs/root_directory.py": {"shutil": "as in vgit/mount/binding.py"},
    "vgit/api/mount.py": {"pathlib": "4 ms; only a program that asks where its mount is gets a Path"},
    "vgit/objects/delta.py": {
        "dulwich.errors": "with dulwich.pack",
        "dulwich.pack": "16 ms; only packs that stock git made have deltas",
    },
    "vgit/objects/pack_sequence.py": {"concurrent.futures": "5 ms; only a full pack is closed in a thread"},
    "vgit/objects/pack_stream.py": {"concurrent.futures": "5 ms; only a pack above 8 MiB is written by a thread"},
    "vgit/repository/refs.py": {
        "dulwich.errors": "with dulwich.refs",
        "dulwich.refs": "5 ms; only packed refs, and names that are not plain, need git's rules",
    },
    "vgit/repository/config.py": {"dulwich.config": "12 ms; only a config that somebody edited is parsed"},
    "vgit/transfer/download.py": {"shutil": "3 ms; only what went wrong is removed as a tree"},
    "vgit/runtime/worker_processes.py": {"subprocess": "5 ms; only work on many files is worth a process"},
    "vgit/transfer/read_ahead.py": {"concurrent.futures": "5 ms; only an upload reads ahead"},
    "vgit/api/mountable.py": {
        "vgit.api.joint_operation": "with vgit.api.open_mounts",
        "vgit.api.open_mounts": "12 ms, with SQLite; only a program that mounts needs it, not one that reads or lists",
        "vgit.mount.binding": "with vgit.api.open_mounts",
        "vgit.mount.scope": "with vgit.api.open_mounts",
    },
    "vgit/api/writable.py": {
        "vgit.api.batch": "with those that copy and remove 5 ms; only a program that writes without a mount needs them",
        "vgit.transfer.path_copy": "with vgit.api.batch",
        "vgit.transfer.path_removal": "with vgit.api.batch",
    },
}
DRAWERS = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "tool", "tools", "lib", "libs"})


LOWER = "move what both need to a lower {0}, or the importer to a higher one; the list is {1} in tests/test_layers.py"


@dataclass(frozen=True)
class Import:
    """One imported module, as one module imports it."""

    path: str  # of the module that imports: vgit/tree/diff.py
    module: str
    target: str  # a module of vgit where it is one, else the dotted name
    line: int
    late: bool  # inside a function or class

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def module_name(path: str) -> str:
    """Return the dotted name of the module in ``path``: ``vgit/tree/__init__.py`` is ``vgit.tree``."""
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str, folders: frozenset[str]) -> str:
    """Return the name under which a module of vgit stands in LAYERS."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    return parts[1] + "/" if parts[1] in folders else parts[1]


def layer_of(unit: str) -> int | None:
    """Return the number of the layer that lists ``unit``."""
    return next((number for number, units in enumerate(LAYERS) if unit in units), None)


def nodes(tree: ast.AST, *, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node below ``tree``, and whether it runs later than its module's import."""
    for child in ast.iter_child_nodes(tree):
        inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield child, inside
        yield from nodes(child, late=inside)


def check(sources: Mapping[str, str]) -> list[str]:
    """Return what breaks the rules in ``sources`` (path such as ``vgit/tree/diff.py`` → text)."""
    trees = {path: ast.parse(text, path) for path, text in sources.items()}
    modules = {module_name(path) for path in sources}
    folders = frozenset(path.split("/")[1] for path in sources if path.count("/") > 1) | _FOLDERS
    found: list[str] = []
    imports: list[Import] = []
    for path, tree in trees.items():
        found += _check_place(path, unit_of(module_name(path), folders))
        for node, late in nodes(tree):
            found += _check_form(path, node)
            found += _check_late_name(path, node)
            imports += _imports(path, node, modules, late=late)
    carriers = {one.module for one in imports if one.target.split(".")[0] in EXTRAS and not one.late}
    for one in dict.fromkeys(imports):
        found += _check_direction(one, folders)
        found += _check_floor(one)
        found += _check_late(one, folders, carriers)
    found += _cycles(imports)
    return found


def _check_place(path: str, unit: str) -> list[str]:
    found = []
    if layer_of(unit) is None:
        found.append(
            f"{path}: '{unit}' is in no layer; add it to LAYERS in tests/test_layers.py and to docs/architecture.md"
        )
    module = module_name(path)
    if unit in FLOORS and module.count(".") > 1 and floor_of(module) is None:
        found.append(f"{path}: stands on no floor of {unit}; add it to FLOORS in tests/test_layers.py")
    for part in path.removesuffix(".py").split("/")[1:]:
        if part in DRAWERS:
            found.append(f"{path}: '{part}' is a drawer; name the module after its one idea")
    return found


def _check_form(path: str, node: ast.AST) -> list[str]:
    found = []
    if isinstance(node, ast.ImportFrom):
        if node.level:
            found.append(f"{path}:{node.lineno}: relative import; write the whole name")
        if any(alias.name == "*" for alias in node.names):
            found.append(f"{path}:{node.lineno}: import *; name what is needed")
        private = [name for name in _dotted(node) if name.startswith("dulwich.") and "._" in name]
        found += [f"{path}:{node.lineno}: {name} is private to dulwich" for name in private]
    disguised = isinstance(node, ast.Name) and node.id == "__import__"
    if isinstance(node, ast.Attribute | ast.ImportFrom | ast.Import):
        disguised = "importlib.import_module" in _dotted(node)
    if disguised and not path.startswith("vgit/cli/") and path not in LAZY:
        found.append(f"{path}:{node.lineno}: an import in disguise; use an import statement")
    return found


def _check_late_name(path: str, node: ast.AST) -> list[str]:
    """What ``late`` imports is in LATE, with a reason."""
    if not isinstance(node, ast.Call) or not _is_late(node):
        return []
    names = [one.value for one in node.args if isinstance(one, ast.Constant)]
    if len(names) == 1 and names[0] in LATE.get(path, {}):
        return []
    return [f"{path}:{node.lineno}: late import of {names}; use an import statement, or give the reason in LATE"]


def _dotted(node: ast.AST) -> list[str]:
    """Return the dotted names that an import or an attribute names."""
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [ast.unparse(node)] if isinstance(node, ast.Attribute) else []


def _imports(path: str, node: ast.AST, modules: set[str], *, late: bool) -> Iterator[Import]:
    module = module_name(path)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, module, alias.name, node.lineno, late)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        for alias in node.names:
            # `from vgit import refs` imports the module vgit.repository.refs, not a name of vgit/__init__.py.
            whole = f"{node.module}.{alias.name}"
            yield Import(path, module, whole if whole in modules else node.module, node.lineno, late)


def _check_direction(one: Import, folders: frozenset[str]) -> list[str]:
    importer = unit_of(one.module, folders)
    package = one.target.split(".")[0]
    if package != "vgit":
        if package in sys.stdlib_module_names:
            return []
        if package not in ALLOWED:
            return [f"{one.where}: imports {package}, which is not among the dependencies"]
        places = ALLOWED[package]
        if places is not None and importer not in places:
            return [f"{one.where}: imports {package}; only {', '.join(sorted(places))} may"]
        return []
    imported = unit_of(one.target, folders)
    low, high = layer_of(imported), layer_of(importer)
    if imported == importer or low is None or high is None:
        return []  # a unit in no layer is reported once, by its place
    if low > high:
        layers = f"from {_held(LAYERS[high])} up to {_held(LAYERS[low])}"
        return [f"{one.where}: upward import of {one.target}, {layers}; {LOWER.format('layer', 'LAYERS')}"]
    if low == high and (imported.endswith("/") or importer.endswith("/")):
        between = f"{one.target} is in {imported}, another folder of the same layer ({_held(LAYERS[high])})"
        return [f"{one.where}: imports its neighbour: {between}; {LOWER.format('layer', 'LAYERS')}"]
    return []


def _held(units: frozenset[str]) -> str:
    """Return a layer or a floor as a message names it: by what it holds."""
    return " ".join(sorted(units))


def floor_of(module: str) -> int | None:
    """Return the number of the floor that ``module`` stands on inside its folder; None if it is on none."""
    folder, _, name = module.removeprefix("vgit.").partition(".")
    return next((number for number, names in enumerate(FLOORS.get(f"{folder}/", ())) if name in names), None)


def _check_floor(one: Import) -> list[str]:
    high, low = floor_of(one.module), floor_of(one.target)
    folder = one.module.removeprefix("vgit.").partition(".")[0] + "/"
    same = one.module.split(".")[:2] == one.target.split(".")[:2]
    if not same or high is None or low is None or low <= high:
        return []
    floors = f"from the floor of {_held(FLOORS[folder][high])} up to that of {_held(FLOORS[folder][low])}"
    return [f"{one.where}: import of {one.target}, {floors}; {LOWER.format('floor', 'FLOORS')}"]


def _check_late(one: Import, folders: frozenset[str], carriers: set[str]) -> list[str]:
    """An extra, or the module that needs one, may be imported on demand; and the command line starts fast."""
    if not one.late or unit_of(one.module, folders) == "cli/":
        return []
    if one.target.split(".")[0] in EXTRAS or one.target in carriers:
        return []
    return [f"{one.where}: import of {one.target} inside a function or class; move it to the top of the module"]


def _cycles(imports: list[Import]) -> list[str]:
    """Report each knot of modules that import each other, in whatever way."""
    below: dict[str, set[str]] = {}
    for one in imports:
        if one.target.split(".")[0] == "vgit":
            below.setdefault(one.module, set()).add(one.target)
    reached = {module: _reachable(module, below) for module in below}
    knots = {
        frozenset(other for other in targets if module in reached.get(other, ())) | {module}
        for module, targets in reached.items()
        if module in targets
    }
    return [f"cycle: {' '.join(sorted(knot))}" for knot in knots]


def _reachable(module: str, below: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        new = below.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def test_vgit_keeps_its_layers() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / "vgit").rglob("*.py")}
    assert len(sources) > 5, "the sources were not found"
    found = check(sources)
    assert not found, "\n" + "\n".join(sorted(found))


def test_every_late_import_is_one_for_the_type_checker_too() -> None:
    for path, targets in LATE.items():
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        late = {node.args[0].value for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_late(node)}
        assert late == targets.keys(), f"{path}: LATE lists others"
        blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        seen = {name for block in blocks for node in block.body for name in _dotted(node)}
        assert late <= seen, path


def _is_late(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "lazy_import"


def test_every_unit_stands_in_one_layer() -> None:
    units = [unit for layer in LAYERS for unit in layer]
    assert len(units) == len(set(units))


@pytest.mark.parametrize("folder", FLOORS)
def test_every_module_stands_on_one_floor_and_every_floor_has_its_modules(folder: str) -> None:
    listed = Counter(name for floor in FLOORS[folder] for name in floor)
    modules = {path.stem for path in (ROOT / "vgit" / folder).glob("*.py") if path.stem[0] != "_"}
    assert not modules - listed.keys(), f"vgit/{folder} has modules on no floor; add them to FLOORS"
    assert not listed.keys() - modules, f"FLOORS lists modules that vgit/{folder} does not have; remove them"
    assert not {name for name, times in listed.items() if times > 1}, f"on two floors of vgit/{folder}; leave one"


GOOD = {
    "vgit/errors.py": "import os\nfrom collections import abc\n",
    "vgit/names.py": "from vgit.clock import Clock\nfrom vgit.errors import Error\n",
    "vgit/clock.py": "import vgit.errors\n",
    "vgit/api/background.py": "from vgit.runtime.lazy_import import lazy_import\nlogging = lazy_import('logging')\n",
    "vgit/runtime/lazy_import.py": "from importlib import import_module\nimport_module('x')\n",
    "vgit/backend/__init__.py": "from vgit.backend.protocol import Backend\n",
    "vgit/backend/protocol.py": "",
    "vgit/backend/cloud.py": "import obstore\nfrom obstore.store import S3Store\n",
    "vgit/backend/locate.py": "def f():\n    from vgit.backend.cloud import x\n    return x\n",
    "vgit/objects/object_database.py": "from vgit.backend import x\nfrom vgit.objects import pack_set\nimport isal.x",
    "vgit/objects/pack_set.py": "",
    "vgit/repository/commit.py": "from vgit.repository.refs import x\nfrom vgit.objects.object_database import X\n",
    "vgit/repository/merge.py": "from dulwich.refs import DiskRefsContainer\n",
    "vgit/repository/repository.py": "from vgit.repository.merge import x\n",
    "vgit/mount/open.py": "",
    "vgit/volume.py": "from vgit import names\nfrom vgit.repository.commit import Commit\n",
    "vgit/__init__.py": "import importlib\nfrom vgit.volume import Volume\nimportlib.import_module('vgit.volume')\n",
    "vgit/filesystem.py": "import fsspec\n",
    "vgit/cli/main.py": "import click\ndef f():\n    import rich.table\n    from vgit import Volume\n",
    "vgit/__main__.py": "",
}


def test_good_sources_pass() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("vgit/errors.py", "from vgit.names import x", "upward import of vgit.names"),
        ("vgit/errors.py", "import vgit.names", "upward import of vgit.names"),
        ("vgit/errors.py", "from vgit import names", "upward import of vgit.names"),
        ("vgit/errors.py", "import vgit", "upward import of vgit,"),
        ("vgit/errors.py", "if TYPE_CHECKING:\n    from vgit.names import x", "upward import of vgit.names"),
        (
            "vgit/objects/pack_set.py",
            "from vgit.repository.refs import Refs",
            "upward import of vgit.repository.refs",
        ),
        ("vgit/content/content_reader.py", "from vgit.tree.entry import x", "another folder"),
        ("vgit/tree/entry.py", "from vgit.content.content_writer import x", "layer (content/ tree/); move"),
        ("vgit/mount/scan.py", "from vgit.history.log import x", "another folder"),
        ("vgit/backend/local.py", "def f():\n    import json", "import of json inside"),
        ("vgit/backend/local.py", "async def f():\n    import json", "import of json inside"),
        (
            "vgit/backend/local.py",
            "class C:\n    def f(self):\n        if x:\n            import json",
            "inside",
        ),
        ("vgit/volume.py", "def f():\n    from vgit.cli.main import main", "upward import of vgit.cli.main"),
        ("vgit/names.py", "def f():\n    import click", "only cli/ may"),
        (
            "vgit/repository/merge.py",
            "from vgit.repository.repository import x",
            "floor of merge up to that of repository;",
        ),
        ("vgit/mount/scan.py", "from vgit.mount import open", "vgit/mount/scan.py:1: import of vgit.mount.open, from"),
        ("vgit/mount/surprise.py", "", "stands on no floor of mount/"),
        ("vgit/clock.py", "from vgit.names import x", "cycle: vgit.clock vgit.names"),
        (
            "vgit/objects/pack_set.py",
            "def f():\n    from vgit.objects import object_database",
            "cycle: vgit.objects.object_database",
        ),
        ("vgit/names.py", "from os import *", "import *"),
        ("vgit/names.py", "from . import clock", "relative import"),
        ("vgit/names.py", "from .clock import Clock", "relative import"),
        ("vgit/utils.py", "", "is a drawer"),
        ("vgit/tree/helpers.py", "", "is a drawer"),
        ("vgit/common/x.py", "", "is a drawer"),
        ("vgit/surprise.py", "", "is in no layer"),
        ("vgit/surprise/x.py", "", "is in no layer"),
        ("vgit/names.py", "import requests", "not among the dependencies"),
        ("vgit/names.py", "from numpy.random import x", "not among the dependencies"),
        ("vgit/volume.py", "import obstore", "only backend/ may"),
        ("vgit/cli/serve.py", "def f():\n    import uvicorn", "only web/ may"),
        ("vgit/repository/refs.py", "from dulwich.refs import _private", "private to dulwich"),
        ("vgit/repository/refs.py", "from dulwich._diff_tree import x", "private to dulwich"),
        ("vgit/repository/refs.py", "import importlib\nimportlib.import_module('vgit.cli')", "in disguise"),
        ("vgit/repository/refs.py", "from importlib import import_module", "in disguise"),
        ("vgit/repository/refs.py", "__import__('vgit.cli')", "in disguise"),
        (
            "vgit/repository/refs.py",
            "from vgit.runtime.lazy_import import lazy_import\njson = lazy_import('json')",
            "give the reason",
        ),
        (
            "vgit/names.py",
            "from vgit.runtime.lazy_import import lazy_import\nx = lazy_import('logging')",
            "give the reason",
        ),
        (
            "vgit/api/background.py",
            "from vgit.runtime.lazy_import import lazy_import\nx = lazy_import('log' + 'ging')",
            "give the reason",
        ),
    ],
)
def test_bad_sources_fail(path: str, source: str, complaint: str) -> None:
    found = check({**GOOD, path: source})
    assert any(complaint in line for line in found), found
