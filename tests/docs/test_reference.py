"""Test_reference: the reference has every command, option, name, parameter, field and error there is, and no other."""

import builtins
import dataclasses
import enum
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import vgit
from tests.docs.examples import ROOT
from vgit import errors, exception
from vgit.api.aio import Generator, Method
from vgit.api.namespace import Objects
from vgit.cli.command import STORE_OPTIONS
from vgit.cli.main import program
from vgit.cli.table import COMMANDS

REFERENCE = ROOT / "docs" / "reference"
API = (REFERENCE / "api.md").read_text("utf-8")
CLI = (REFERENCE / "cli.md").read_text("utf-8")
ERRORS = (REFERENCE / "errors.md").read_text("utf-8")

CLASSES = {
    "Volume": vgit.Volume,
    "Volume.objects": Objects,
    "Snapshot": vgit.Snapshot,
    "Mount": vgit.Mount,
    "Batch": vgit.Batch,
    "Client": vgit.Client,
}
VALUES = [one for one in vars(vgit.types).values() if dataclasses.is_dataclass(one) and one.__name__ in vgit.__all__]
ENUMS = [vgit.FileEntryType, vgit.ChangeKind, vgit.LeftOutKind]

# Public for the rest of vgit only: nothing is promised about them to its users.
INSIDE = {
    "Mount.commit_in_background",
    "Batch.after_fork",
    "Mount.after_fork",
    "Mount.check_open_files",
    "Mount.commit_in_detail",
    "Mount.follows_head",
    "Mount.info_of",
    "Mount.left_out_here",
    "Mount.left_out_of",
    "Mount.local_changes",
    "Mount.release",
    "Mount.reload_in_detail",
    "Mount.renew_lease",
    "Mount.repository",
    "Mount.stop_background",
    "Client.clock",
    "Client.run_mounts",
    "Client.in_environment",
    "Client.root",
}
INSIDE_PARAMETERS = ("clock", "run_mounts")  # of Client

JSON_COMMANDS = {
    "list": ("list",),
    "info": ("info", "data"),
    "ls": ("ls", "data", "-l"),
    "put": ("put", "data", "new.txt"),
    "cp": ("cp", "data", "a.txt", "b.txt"),
    "rm": ("rm", "data", "b.txt"),
    "mounts": ("mounts",),
    "status": ("status", "work"),
    "commit": ("commit", "work"),
    "reload": ("reload", "work"),
    "log": ("log", "data"),
    "show": ("show", "data"),
    "diff": ("diff", "data"),
    "restore": ("restore", "data", "HEAD~1"),
}


def section(page: str, title: str) -> str:
    """Return what is below one `##` heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no heading '## {title}'"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of tables, titles left out."""
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    cells = [re.split(r" *\| *", line) for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def signature(function: object, *, drop_first: bool) -> str:
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    kept = [one.replace(annotation=one.empty) for one in parameters if one.name not in INSIDE_PARAMETERS]
    return str(inspect.Signature(kept[1:] if drop_first else kept))


def headings_of(label: str, cls: type) -> Iterator[str]:
    """Yield the headings that a class is to have."""
    if label == "Client":
        yield f"`Client{signature(cls, drop_first=False)}`"
    for name in {name for base in cls.__mro__ if base.__module__.startswith("vgit") for name in vars(base)}:
        full = f"{label}.{name}"
        if name.startswith("_") or full in INSIDE:
            continue
        static, value = inspect.getattr_static(cls, name), getattr(cls, name)
        if isinstance(static, Method | Generator):
            yield f"`{full}{signature(value, drop_first=True)}` · aio"
        elif isinstance(static, classmethod):
            yield f"`{full}{signature(value, drop_first=False)}`"
        elif inspect.isfunction(static):
            yield f"`{full}{signature(value, drop_first=True)}`"
        elif name == "rename":  # of the class, not of a handle
            yield f"`{full}{signature(value, drop_first=False)}` · aio"
        else:
            yield f"`{full}`"


def attributes(label: str, thing: object) -> set[str]:
    return {f"`{label}.{name}`" for name in vars(thing) if not name.startswith("_")} - {f"`{name}`" for name in INSIDE}


@pytest.mark.parametrize("label", CLASSES)
def test_methods_and_properties(label: str, tmp_path: Path) -> None:
    expected = set(headings_of(label, CLASSES[label]))
    if label == "Client":
        expected |= attributes(label, vgit.Client(tmp_path))
    if label == "Batch":
        expected |= attributes(label, vgit.Volume.from_name("x", client=vgit.Client(tmp_path)).batch_upload())
    found = re.findall(r"^### (.+)$", section(API, label), re.MULTILINE)
    assert sorted(found) == sorted(expected)


def test_what_is_left_out_exists(tmp_path: Path) -> None:
    client = vgit.Client(tmp_path)
    for name in INSIDE:
        label, _, attribute = name.partition(".")
        assert hasattr(client if label == "Client" else CLASSES[label], attribute), name


def test_every_public_name_has_its_place() -> None:
    titles = set(re.findall(r"^## (\S+)$", API, re.MULTILINE))
    named = {row[0].strip("`") for row in rows(ERRORS)}
    assert set(vgit.__all__) - titles - named == set()
    assert titles - set(vgit.__all__) == {"Volume.objects"}


@pytest.mark.parametrize("value", VALUES, ids=lambda one: one.__name__)
def test_fields_of_values(value: type) -> None:
    fields = [f"`{field.name}`" for field in dataclasses.fields(value)]  # type: ignore[arg-type]
    assert [row[0] for row in rows(section(API, value.__name__))] == fields


@pytest.mark.parametrize("kind", ENUMS, ids=lambda one: one.__name__)
def test_values_of_enums(kind: type[enum.Enum]) -> None:
    found = rows(section(API, kind.__name__))
    assert [row[0] for row in found] == [f"`{one.name}`" for one in kind]
    assert all(re.match(rf"`?{re.escape(str(one.value))}\b", row[1]) for row, one in zip(found, kind, strict=True))


def test_all_values_are_tested() -> None:
    assert {one.__name__ for one in VALUES} == {
        "FileEntry",
        "VolumeInfo",
        "CommitInfo",
        "Change",
        "LeftOut",
        "MountStatus",
        "ReloadInfo",
    }


def test_errors_and_what_they_are() -> None:
    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type)}
    table = {row[0].strip("`"): quoted(row[1]) for row in rows(ERRORS.partition("## Warnings")[0])}
    assert table == {name: [base.__name__ for base in one.__bases__] for name, one in classes.items()}
    known = vars(builtins).keys() | classes.keys()
    assert {base for bases in table.values() for base in bases} <= known


def test_modals_errors() -> None:
    table = {row[0].strip("`"): row[1].strip("`") for row in rows(section(ERRORS, "Modal's names"))}
    assert table == {name: getattr(exception, name).__name__ for name in exception.__all__}


def command(name: str) -> click.Command:
    found = program.get_command(click.Context(program), name)
    assert found is not None
    return found


def documented_options(text: str) -> list[tuple[list[str], str]]:
    """Return the spellings of each option in a table, and what is to stand behind it."""
    cells = [row[0] for row in rows(text) if row[0].startswith("`-")]
    return [(quoted(cell), cell.rpartition("`")[2].strip()) for cell in cells]


def options_of(parameters: list[click.Parameter], ctx: click.Context) -> list[tuple[list[str], str]]:
    return [
        (one.opts, "" if one.is_flag else one.make_metavar(ctx)) for one in parameters if isinstance(one, click.Option)
    ]


def test_commands() -> None:
    titles = re.findall(r"^## vgit (\S+)$", CLI, re.MULTILINE)
    assert sorted(titles) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_and_options(name: str) -> None:
    one, text = command(name), section(CLI, f"vgit {name}")
    ctx = click.Context(one, info_name=name)
    usage = " ".join(["vgit", name, *one.collect_usage_pieces(ctx)[1:]])  # the first piece is [OPTIONS]
    assert text.startswith(f"\n`{usage}`\n")
    own = [parameter for parameter in one.params if parameter not in STORE_OPTIONS]
    assert sorted(documented_options(text)) == sorted(options_of(own, ctx))


def test_options_common_to_all() -> None:
    ctx = click.Context(program)
    assert documented_options(section(CLI, "Common to all")) == [
        *options_of(STORE_OPTIONS, ctx),
        (["-h", "--help"], ""),
    ]


def test_fields_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command with --json gives the fields that its section names, in that order."""
    monkeypatch.setenv("VGIT_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    objects = {row[0].strip("`"): quoted(row[1]) for row in _object_rows()}
    volume = vgit.Volume.from_name("data", create_if_missing=True)
    with volume.mount("work") as path:
        (path / "a.txt").write_text("a")
    (path / "more.txt").write_text("more")
    (tmp_path / "new.txt").write_text("new")
    with_json = {name for name in COMMANDS if any("--json" in one.opts for one in command(name).params)}
    assert with_json == {*JSON_COMMANDS, "tag"}
    for name, words in JSON_COMMANDS.items():
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(program, [*words, "--json"], prog_name="vgit")
        assert done.exit_code == 0, (name, done.output)
        value = json.loads(done.stdout)
        line = re.search(r"^JSON: (.+)$", section(CLI, f"vgit {name}"), re.MULTILINE)
        assert line is not None, name
        assert isinstance(value, list) == line[1].startswith("a list"), name
        assert list((value[0] if isinstance(value, list) else value).keys()) == _fields(line[1], objects), name
        for entry in _entries(value):
            assert list(entry) == objects["entry"]


def _object_rows() -> list[list[str]]:
    return [
        re.split(r" *\| *", line, maxsplit=1)
        for line in re.findall(r"^\| (\w+ \| .+) \|$", section(CLI, "JSON"), re.MULTILINE)
    ]


def _fields(line: str, objects: dict[str, list[str]]) -> list[str]:
    of_object = next((objects[name] for name in ("commit", "change") if re.match(rf"a (list of )?{name}", line)), [])
    return of_object + [field for field in quoted(line) if not field.startswith("-")]


def _entries(value: object) -> Iterator[dict[str, object]]:
    changes = value.get("changes", []) if isinstance(value, dict) else value
    for change in changes if isinstance(changes, list) else []:
        yield from (change[side] for side in ("old", "new") if change.get(side) is not None)
