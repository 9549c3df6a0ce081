"""Test_locales: names of files are the same bytes in every locale, or a program is told why not."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath

import pytest

from vgit.api.client import Client
from vgit.volume import Volume

ROOT = FilePath(__file__).parent.parent
NAMES = ("é.txt".encode(), "日本".encode(), b"\xe9\xff", b"plain")
LOCALES = ("ascii", "latin-1")

Environment = dict[str, str]


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A locale of one byte a character, made here: few machines have one."""
    place = tmp_path_factory.mktemp("locales")
    made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(place / "en_US.ISO-8859-1")]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    return {"LOCPATH": str(place), "LC_ALL": "en_US.ISO-8859-1"}


@pytest.fixture(params=LOCALES)
def foreign(request: pytest.FixtureRequest) -> Environment:
    """Environment variables under which Python has names of files in another encoding than UTF-8."""
    if request.param == "ascii":
        return {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found: Environment = request.getfixturevalue("latin1")
    return found


@pytest.fixture
def clean(tmp_path: FilePath) -> Environment:
    """What a process needs, and nothing about encodings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "VGIT_STORE": str(tmp_path / "store"), "VGIT_AUTHOR": "Ada <ada@host>"}


@pytest.fixture
def mounted(tmp_path: FilePath) -> FilePath:
    """A mount made under UTF-8, its files published."""
    volume = Volume.from_name("data", create_if_missing=True, client=Client(tmp_path / "store"))
    mount = volume.mount(tmp_path / "work")
    for name in NAMES:
        (tmp_path / "work" / os.fsdecode(name)).write_bytes(name)
    mount.close()
    return tmp_path / "work"


def run(*words: "str | bytes", env: Mapping[str, str]) -> bytes:
    """Run a program to its good end; return what it wrote."""
    done = subprocess.run(words, env=env, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def vgit(*words: "str | bytes") -> list["str | bytes"]:
    return [sys.executable, "-m", "vgit", *words]


def test_a_commit_in_another_locale_publishes_the_bytes_of_each_name(
    mounted: FilePath, foreign: Environment, clean: Environment
) -> None:
    env = clean | foreign
    assert b'"changes": []' in run(*vgit("status", str(mounted), "--json"), env=env)
    with open(os.fsencode(mounted) + "/neu-ü".encode(), "wb"):
        pass
    assert b'"added": 1' in run(*vgit("commit", str(mounted), "--json"), env=env)
    expected = sorted([*NAMES, "neu-ü".encode()])
    assert sorted(run(*vgit("ls", "data"), env=env).split(b"\n")[:-1]) == expected


def test_words_of_the_command_line_are_the_bytes_that_were_typed(
    mounted: FilePath, foreign: Environment, clean: Environment
) -> None:
    for name in NAMES:
        assert run(*vgit("cat", "data", name), env=clean | foreign) == name


def test_the_command_of_run_has_the_users_own_environment_and_words(
    mounted: FilePath, foreign: Environment, clean: Environment
) -> None:
    for env in (clean | foreign, clean):  # the latter: the C locale, for which Python adds LC_CTYPE
        program = 'printf "%s\\0" "$@"; exec cat /proc/self/environ'
        words = vgit("run", "-v", b"data:" + os.fsencode(mounted), "--", "sh", "-c", program, "sh", *NAMES)
        written = run(*words, env=env).split(b"\0")
        assert tuple(written[: len(NAMES)]) == NAMES
        found = dict(one.split(b"=", 1) for one in written[len(NAMES) :] if one)
        added = found.keys() - {os.fsencode(name) for name in env}
        assert added <= {b"VGIT_MOUNTS", b"VGIT_ENVIRONMENT", b"PWD", b"OLDPWD", b"_", b"SHLVL"}
        assert all(found[os.fsencode(name)] == os.fsencode(value) for name, value in env.items())


PROGRAM = """
import sys, vgit
with vgit.Volume.from_name("data").mount(sys.argv[1]) as path:
    (path / "new").write_text("x")
"""


def test_a_program_in_another_locale_is_told_what_to_do(
    mounted: FilePath, foreign: Environment, clean: Environment
) -> None:
    words = [sys.executable, "-c", PROGRAM, str(mounted)]
    done = subprocess.run(words, env=clean | foreign, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "vgit.errors.Error" in done.stderr and "PYTHONUTF8=1" in done.stderr
    assert not (mounted / "new").exists()
    run(*words, env=clean | foreign | {"PYTHONUTF8": "1"})
    assert b"0 removed" in run(*vgit("show", "data"), env=clean)


WORKER = """
import pickle, sys
from vgit.runtime.worker_processes import _WorkerProcess
from tests.test_locales import encoding_of_names
worker = _WorkerProcess(pickle.dumps(encoding_of_names), ())
worker.send(0)
while not (found := worker.receive()):
    pass
worker.end()
print(*found)
"""


def encoding_of_names() -> Callable[[int], str]:
    return lambda _: sys.getfilesystemencoding()


def test_workers_have_the_encoding_of_their_caller(latin1: Environment, clean: Environment) -> None:
    env = clean | latin1 | {"PYTHONUTF8": "1"}
    assert run(sys.executable, "-c", WORKER, env=env) == b"utf-8\n"
