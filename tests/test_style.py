"""Test_style: the rules of our style that a program can check in full."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULE_LINES = 400  # far above the aim of 150 to 250: a stop, where a module holds more than one idea
FUNCTION_LINES = 60  # docstring excluded

_FIRST_LINE = re.compile(r"[A-Za-z][\w.~+/&' -]*: \S")

# dotted name, or a whole module → what to do instead
_SPEAKS = {
    "print": "only cli/ prints",
    "input": "only cli/ asks",
    "exit": "only cli/ exits",
    "quit": "only cli/ exits",
    "sys.exit": "only cli/ exits",
    "os._exit": "only cli/ exits",
}
_ENVIRONMENT = dict.fromkeys(
    ("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"),
    "only cli/ and vgit/api/client.py read the environment",
)
_USER = dict.fromkeys(
    ("os.path.expanduser", "os.path.expandvars", "getpass.getuser", "tempfile.gettempdir", "tempfile.mkdtemp"),
    "only cli/, vgit/api/client.py and vgit/paths.py ask who the user is, and where at home",
)
_CHANCE = dict.fromkeys(
    [
        *(f"time.{name}{ns}" for name in ("time", "monotonic", "perf_counter") for ns in ("", "_ns")),
        *(
            "time.sleep",
            "os.urandom",
            "os.getrandom",
            "uuid.uuid1",
            "uuid.uuid4",
            "random",
            "secrets",
        ),
        *(
            "datetime.datetime.now",
            "datetime.datetime.utcnow",
            "datetime.datetime.today",
            "datetime.date.today",
        ),
    ],
    "take a Clock",
)
_KERNEL_CLOCKS = dict.fromkeys(
    ("time.clock_gettime", "time.clock_gettime_ns"), "take a Clock, or ask vgit/localfs/filesystem_clock.py"
)

# Put together here, or this file would break its own rules.
_MACHINE_PATHS = tuple(b"/" + path for path in (b"work/", b"tmp/venv"))
_UNFINISHED = re.compile(rb"\b(%s)\b" % b"|".join(word[::-1] for word in (b"ODOT", b"EMXIF")))


def banned_names(path: str) -> dict[str, str]:
    """Return the names that the module in ``path`` must not use, with what to do instead."""
    if path.startswith("vgit/cli/") or path == "vgit/__main__.py":
        return {}
    banned = dict(_SPEAKS)
    if path != "vgit/api/client.py":
        banned |= _ENVIRONMENT
    if path not in ("vgit/api/client.py", "vgit/paths.py"):
        banned |= _USER
    if path != "vgit/clock.py":
        banned |= _CHANCE
    if path != "vgit/localfs/filesystem_clock.py":
        banned |= _KERNEL_CLOCKS
    return banned


def check_module(path: str, text: str) -> list[str]:
    """Return what breaks the rules in one module of vgit."""
    tree = ast.parse(text, path)
    found = _check_docstring(path, tree)
    lines = text.count("\n")
    if lines > MODULE_LINES:
        found.append(f"{path}: {lines} lines, at most {MODULE_LINES}; split it by idea")
    aliases = _aliases(tree)
    banned = banned_names(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += _check_length(path, node)
        if isinstance(node, ast.ExceptHandler) and not path.startswith("vgit/cli/"):
            found += _check_handler(path, node)
        for name in _used(node, aliases):
            if name in banned:
                found.append(f"{path}:{_line(node)}: {name}: {banned[name]}")
    return found


def _check_docstring(path: str, tree: ast.Module) -> list[str]:
    docstring = ast.get_docstring(tree)
    if docstring is None:
        return [f"{path}:1: no module docstring; begin with 'Name: what it is'"]
    first = docstring.split("\n", 1)[0]
    if not _FIRST_LINE.match(first):
        return [f"{path}:1: docstring begins {first!r}, not 'Name: what it is'"]
    name, wanted = first.partition(":")[0], _name_of(path)
    if name.lower().removeprefix("the ").replace("-", " ") in (wanted, f"{wanted}s"):
        return []
    return [f"{path}:1: docstring begins with the name {name!r}, not {wanted.capitalize()!r}, as the file is called"]


def _name_of(path: str) -> str:
    """Return the words of a module's name; of ``__init__`` the folder's."""
    parts = path.removesuffix(".py").split("/")
    return (parts[-2] if parts[-1] == "__init__" else parts[-1]).replace("_", " ").strip()


def _check_length(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    lines = _line_count(node)
    if ast.get_docstring(node) is not None:
        lines -= _line_count(node.body[0])
    if lines > FUNCTION_LINES:
        return [f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES}; split it"]
    return []


def _line_count(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _check_handler(path: str, node: ast.ExceptHandler) -> list[str]:
    """Nothing below cli/ swallows what it does not know; BaseException may pass through for cleaning up."""
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {ast.unparse(kind).removeprefix("builtins.") if kind else "everything" for kind in kinds}
    passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
    if names & {"Exception", "everything"} or ("BaseException" in names and not passes_on):
        return [f"{path}:{node.lineno}: catches {', '.join(sorted(names))}; name the errors that can come"]
    return []


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Return what the names that imports bind stand for: ``import os as x`` gives ``{"x": "os"}``."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.split(".")[0]
                aliases[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return aliases


def _used(node: ast.AST, aliases: dict[str, str]) -> Iterator[str]:
    """Yield the dotted names that ``node`` itself reads or imports, aliases resolved."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in aliases:
        yield node.id
    elif isinstance(node, ast.Attribute):
        first, _, rest = ast.unparse(node).partition(".")
        if first in aliases:
            yield f"{aliases[first]}.{rest}"


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def check_bytes(path: str, data: bytes) -> list[str]:
    """Return what breaks the rules for every file of the project, code or not."""
    found = [
        f"{path}: names {machine.decode()}, a path of one machine" for machine in _MACHINE_PATHS if machine in data
    ]
    found += [f"{path}: says {word.decode()}; do it, or leave it out" for word in set(_UNFINISHED.findall(data))]
    return found


def project_files() -> list[Path]:
    """Return the files that git tracks or would add; without a repository, those of the source folders."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode == 0:
        paths = [ROOT / name.decode() for name in result.stdout.split(b"\0") if name]
    else:
        paths = [path for folder in ("vgit", "tests", "docs", "tools") for path in (ROOT / folder).rglob("*")]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def test_vgit_keeps_the_style() -> None:
    found = []
    for path in sorted((ROOT / "vgit").rglob("*.py")):
        found += check_module(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_no_file_names_a_machine_or_is_unfinished() -> None:
    files = project_files()
    assert len(files) > 5, "the files were not found"
    found = []
    for path in files:
        found += check_bytes(path.relative_to(ROOT).as_posix(), path.read_bytes())
    assert not found, "\n" + "\n".join(found)


def module(*lines: str, name: str = "Volume") -> str:
    """Return the text of a module that breaks no rule but by ``lines``."""
    return "\n".join([f'"""{name}: what it is."""', "", *lines, ""])


GOOD = [
    (
        "vgit/volume.py",
        module("import time", "x = time.gmtime(0)", "y = self.print(1)", "import os", "os.fsync(1)"),
    ),
    ("vgit/cli/main.py", module("import os, sys, random", "print(os.environ)", "sys.exit(1)", "input()", name="Main")),
    ("vgit/api/client.py", module("import os", "x = os.environ.get('VGIT_STORE')", name="Client")),
    ("vgit/paths.py", module("import os", "x = os.path.expanduser('~')", name="Paths")),
    (
        "vgit/clock.py",
        module("import time, os", "x = time.time_ns, time.monotonic, time.sleep, os.urandom", name="Clock"),
    ),
    ("vgit/volume.py", module("try:", "    pass", "except BaseException:", "    close()", "    raise")),
    ("vgit/volume.py", module("try:", "    pass", "except (OSError, ValueError):", "    pass")),
    ("vgit/volume.py", module("def f():", '    """Say.', *["    x"] * 80, '    """', *["    x"] * 50)),
    ("vgit/volume.py", module(*["x = 1"] * (MODULE_LINES - 2))),
    ("vgit/api/aio.py", '"""Aio: what blocks elsewhere, awaitable."""\n'),
]


@pytest.mark.parametrize(("path", "text"), GOOD)
def test_good_modules_pass(path: str, text: str) -> None:
    assert check_module(path, text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import os\n", "no module docstring"),
        ('"""Says what it is, without a name."""\n', "not 'Name: what it is'"),
        ('"""Name:"""\n', "not 'Name: what it is'"),
        ('"""Handle: what it was before it moved."""\n', "the name 'Handle', not 'Volume'"),
        (module(*["x = 1"] * MODULE_LINES), "402 lines"),
        (module("def f():", *["    x"] * 60), "f has 61 lines"),
        (module("class C:", "    async def f(self):", *["        x"] * 60), "f has 61 lines"),
        (module("print(1)"), "print: only cli/ prints"),
        (module("f(print)"), "print: only cli/ prints"),
        (module("input()"), "input: only cli/"),
        (module("import sys", "sys.exit(1)"), "sys.exit: only cli/"),
        (module("from sys import exit"), "sys.exit: only cli/"),
        (module("import os", "os.environ['HOME']"), "os.environ: only"),
        (module("import os as system", "system.getenv('HOME')"), "os.getenv: only"),
        (module("from os import environ as e"), "os.environ: only"),
        (module("import os", "os.path.expanduser('~')"), "os.path.expanduser: only"),
        (module("import time", "time.time()"), "time.time: take a Clock"),
        (module("import time", "now = time.monotonic_ns"), "time.monotonic_ns: take a Clock"),
        (module("from time import sleep"), "time.sleep: take a Clock"),
        (module("import time", "time.clock_gettime_ns(5)"), "time.clock_gettime_ns: take a Clock"),
        (module("def f():", "    import time", "    time.perf_counter()"), "time.perf_counter: take a Clock"),
        (module("import random"), "random: take a Clock"),
        (module("from random import choice"), "random: take a Clock"),
        (module("import secrets"), "secrets: take a Clock"),
        (module("import os", "os.urandom(4)"), "os.urandom: take a Clock"),
        (module("from datetime import datetime", "datetime.now()"), "datetime.datetime.now: take a Clock"),
        (module("try:", "    pass", "except Exception:", "    raise"), "catches Exception"),
        (
            module("try:", "    pass", "except (OSError, Exception) as e:", "    pass"),
            "catches Exception, OSError",
        ),
        (module("try:", "    pass", "except:", "    raise"), "catches everything"),
        (module("try:", "    pass", "except BaseException:", "    pass"), "catches BaseException"),
    ],
)
def test_bad_modules_fail(text: str, complaint: str) -> None:
    found = check_module("vgit/volume.py", text)
    assert any(complaint in line for line in found), found


def test_bad_files_fail() -> None:
    assert check_bytes("a", b"as in " + _MACHINE_PATHS[0] + b"main") != []
    assert check_bytes("a", _MACHINE_PATHS[1] + b"/bin/python") != []
    for word in (b"ODOT", b"EMXIF"):
        assert check_bytes("a", b"# %s: later" % word[::-1]) != []
    assert check_bytes("a", b"a network of homework, mastodon") == []
