"""Test_help: what the command line says of itself, and how little it loads for that."""

import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from tests.cli.conftest import Vgit
from vgit import __version__
from vgit.cli.main import program
from vgit.cli.table import COMMANDS, SECTIONS

# What only a command may load.
HEAVY = ("dulwich", "rich", "vgit.volume", "vgit.api.client", "vgit.repository.repository", "asyncio", "blake3")


def command(name: str) -> click.Command:
    found = program.get_command(click.Context(program), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(vgit: Vgit, name: str) -> None:
    text = vgit(name, "--help").stdout
    assert f"  vgit {name}" in text.partition("Example")[2]
    assert "--store PATH" in text and "--env NAME" in text
    assert command(name).name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    help = " ".join((command(name).help or "").split())
    assert help.startswith(COMMANDS[name].help)


def test_a_command_is_in_the_module_of_its_name() -> None:
    elsewhere = {name for name, entry in COMMANDS.items() if not entry.where.startswith(f"vgit.cli.{name}:")}
    assert elsewhere == {*SECTIONS["Volumes"], "untag"}


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_valid_command_lines(name: str) -> None:
    """Every option that an example uses exists."""
    words = {word for example in command(name).examples for word in example.split() if word.startswith("-")}  # type: ignore[attr-defined]
    known = {opt for one in command(name).params for opt in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if not word.startswith("--git-dir")} <= known | {"--", "-r", "-"}


@pytest.mark.parametrize("name", ["list", "info", "ls", "log", "show", "diff", "mounts", "status", "tag"])
def test_what_reads_has_json(name: str) -> None:
    assert any("--json" in one.opts for one in command(name).params)


@pytest.mark.parametrize("name", ["put", "cp", "rm", "commit", "restore"])
def test_what_makes_a_commit_takes_a_message_and_has_json(name: str) -> None:
    assert {"--json", "--message"} <= {opt for one in command(name).params for opt in one.opts}


@pytest.mark.parametrize("name", ["ls", "cat", "get"])
def test_what_reads_files_has_at(name: str) -> None:
    assert any("--at" in one.opts for one in command(name).params)


def test_help_lists_every_command(vgit: Vgit) -> None:
    text = vgit("--help").stdout
    assert all(section in text for section in SECTIONS)
    assert all(f"  {name} " in text for name in COMMANDS)
    assert vgit("-h").stdout == text


@pytest.mark.parametrize("line", ["--help", "--version", "nonsense"])
def test_help_loads_nothing_heavy(line: str) -> None:
    code = f"""
import sys
from vgit.cli.main import program
try:
    program.main([{line!r}], prog_name="vgit")
except SystemExit:
    pass
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded: {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_reading_for_a_pipe_does_not_load_rich(data: object) -> None:
    code = "import sys; from vgit.cli.main import program; program.main(['ls', 'data'], standalone_mode=False); "
    code += "sys.exit('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a.txt\nlink\nsub\n"), done.stderr


def test_version(vgit: Vgit) -> None:
    assert vgit("--version").stdout == f"vgit {__version__}\n"


def test_mistakes_in_the_command_line_exit_2(vgit: Vgit) -> None:
    assert "No such command 'lst'" in vgit("lst", code=2).stderr
    assert "Missing argument" in vgit("ls", code=2).stderr
    assert "No such option" in vgit("ls", "data", "--frob", code=2).stderr
    assert "Missing argument 'NAME'" in vgit("tag", "data", "-d", code=2).stderr
    assert "is no time" in vgit("log", "data", "--since", "soon", code=2).stderr
    assert "one PATH" in vgit("diff", "data", "--", "a", "b", code=2).stderr


def complete(*args: str, incomplete: str) -> list[str]:
    shell = ShellComplete(program, {}, "vgit", "_VGIT_COMPLETE")
    return [item.value for item in shell.get_completions(list(args), incomplete)]


def test_the_shell_completes_commands_options_and_volumes(data: object) -> None:
    assert complete(incomplete="mo") == ["mount", "mounts"]
    assert "--store" in complete(incomplete="--s")
    assert complete("ls", incomplete="d") == ["data"]
    assert complete("ls", incomplete="x") == []
    assert "--recursive" in complete("ls", incomplete="--rec")
