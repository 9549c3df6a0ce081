"""Test_run: a command with volumes mounted: what is published, its signals, its exit code, its run mounts."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import vgit as api
from tests.cli.conftest import ROOT, Vgit
from tests.gitjudge import fsck
from vgit.api.client import Client
from vgit.localfs.syscalls import exchange
from vgit.volume import Volume

AT_FDCWD = -100  # names relative to it that are absolute are just that

# What commands in python begin with: `say` tells the test how far they are, `wait_for` waits for it.
PRELUDE = """
import os, pathlib, signal, sys, time
import vgit
here = pathlib.Path(sys.argv[1])
def say(name): (here / name).touch()
def wait_for(name):
    while not (here / name).exists(): time.sleep(0.01)
"""


@pytest.fixture
def here(tmp_path: Path, data: Volume) -> Path:
    """A directory to start commands from, with a volume `data` in the store."""
    path = tmp_path / "here"
    path.mkdir()
    return path


@pytest.fixture
def start(here: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `vgit run` with options and a command."""
    started = []

    def start_one(
        *words: object, program: tuple[str, ...] = ("-m", "vgit"), **options: object
    ) -> "subprocess.Popen[str]":
        command = [sys.executable, *program, "run", *map(str, words)]
        options = {"cwd": here, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., str]:
    """Run `vgit run` to its end, check its exit code and return what it said."""

    def run_one(*words: object, code: int = 0, **options: object) -> str:
        process = start(*words, **options)
        out, err = process.communicate()
        assert process.returncode == code, (out, err)
        return out + err

    return run_one


def python(here: Path, code: str) -> list[str]:
    return [sys.executable, "-c", PRELUDE + code, str(here)]


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what must come, however slow the machine."""
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def content(volume: Volume, path: str) -> bytes:
    try:
        return b"".join(volume.read_file(path))
    except api.NotFoundError:
        return b""


def test_what_the_command_wrote_is_published_and_the_directory_stays(
    run: Callable[..., str], here: Path, data: Volume, vgit: Vgit
) -> None:
    assert run("-v", "data", "--", "sh", "-c", "cat data/a.txt; echo new > data/new") == "one\ntwo\n"
    assert content(data, "new") == b"new\n"
    assert "nothing to commit" in vgit("status", here / "data").stderr
    run("-v", "data", "sh", "-c", "echo newer > data/new; rm data/a.txt")  # again, in the same place; no "--"
    assert content(data, "new") == b"newer\n" and content(data, "a.txt") == b""
    fsck(data.git_dir)


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)]
)
def test_the_exit_code_is_the_commands_and_all_is_published(
    run: Callable[..., str], data: Volume, script: str, code: int
) -> None:
    assert run("-v", "data", "--", "sh", "-c", f"echo x > data/f; {script}", code=code) == ""
    assert content(data, "f") == b"x\n"


def test_commands_that_cannot_run(run: Callable[..., str], here: Path, vgit: Vgit) -> None:
    assert "cannot run 'no-such-command': No such file" in run("-v", "data", "--", "no-such-command", code=127)
    (here / "script").write_text("")
    assert "cannot run './script': Permission denied" in run("-v", "data", "--", "./script", code=126)
    vgit("unmount", here / "data")  # nobody holds it


def test_stdin_stdout_and_descriptors_are_the_commands(here: Path, data: Volume) -> None:
    ours, theirs = os.pipe()
    command = python(here, f"print(input(), end='')\nos.write({theirs}, b'more')")
    done = subprocess.run(
        [sys.executable, "-m", "vgit", "run", "-v", "data", "--", *command],
        input="typed",
        cwd=here,
        capture_output=True,
        text=True,
        pass_fds=[theirs],
    )
    os.close(theirs)
    assert (done.stdout, done.stderr, os.read(ours, 100)) == ("typed", "", b"more")
    os.close(ours)


def test_several_volumes_read_only_and_create(run: Callable[..., str], here: Path, vgit: Vgit, tmp_path: Path) -> None:
    before = vgit("log", "data", "--oneline").stdout
    script = "cp in/a.txt out/copy && ls -l in/a.txt | cut -c1-10; test -w in/a.txt || echo cannot write"
    said = run("-v", f"data:{here}/in:ro", "-v", "fresh:out", "--create", "--", "sh", "-c", script)
    assert said.startswith("-r--r--r--")
    assert vgit("cat", "fresh", "copy").stdout == "one\ntwo\n"
    assert vgit("log", "data", "--oneline").stdout == before
    assert "nothing to commit" in vgit("status", here / "out").stderr


def test_if_one_cannot_be_mounted_nothing_runs(run: Callable[..., str], here: Path, vgit: Vgit) -> None:
    said = run("-v", "data", "-v", "missing", "--", "touch", "ran", code=1)
    assert "Volume 'missing' not found" in said
    assert not (here / "ran").exists()
    vgit("unmount", here / "data")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-v", "data:", "--", "true"], "no path after"),
        (["-v", "data::ro", "--", "true"], "no path after"),
        (["-v", "data:a:rw", "--", "true"], "NAME[:PATH[:ro]]"),
        (["-v", "data:a:b:ro", "--", "true"], "NAME[:PATH[:ro]]"),
        (["-v", "a/b", "--", "true"], "Invalid Volume name"),
        (["-v", "", "--", "true"], "Invalid Volume name"),
        (["-v", "data:a", "-v", "data:b", "--", "true"], "'data' is given twice"),
        (["-v", "data:a", "-v", "other:./a", "--", "true"], "is given twice"),
        (["-v", "data", "--commit-every", "0", "--", "true"], "above 0"),
        (["-v", "data", "--commit-every", "nan", "--", "true"], "above 0"),
        (["-v", "data"], "Missing argument"),
        (["--", "true"], "Missing option '-v'"),
    ],
)
def test_mistakes_exit_2(vgit: Vgit, words: list[str], complaint: str) -> None:
    assert complaint in vgit("run", *words, code=2).stderr


def test_commits_come_in_the_background(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume
) -> None:
    code = "(here / 'data/f').write_text('early'); wait_for('enough'); (here / 'data/f').write_text('late')"
    process = start("-v", "data", "--commit-every", "0.1", "--", *python(here, code))
    wait_until(lambda: content(data, "f") == b"early")
    (here / "enough").touch()
    assert process.wait() == 0
    assert content(data, "f") == b"late"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_are_passed_on(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume, number: signal.Signals
) -> None:
    code = f"""
def end(number, frame):
    (here / "data/f").write_text(str(number))
    sys.exit(7)
signal.signal({int(number)}, end)
say("ready")
while True: time.sleep(0.1)
"""
    process = start("-v", "data", "--", *python(here, code))
    wait_until(lambda: (here / "ready").exists())
    process.send_signal(number)
    assert process.communicate() == ("", "") and process.returncode == 7
    assert content(data, "f") == b"%d" % number


COUNTS = """
count = {}
def note(number, frame): count[number] = count.get(number, 0) + 1
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT): signal.signal(number, note)
signal.signal(signal.SIGWINCH, lambda *_: say("passed on"))  # the last that vgit takes of those that wait
say("ready")
wait_for("passed on")
print(sorted(count.items()))
"""


def to_the_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    os.killpg(process.pid, number)


def as_timeout_does(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    process.send_signal(number)
    os.killpg(process.pid, number)


def as_a_service_manager_does(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            group = int(path.read_text().rpartition(")")[2].split()[2])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if group == process.pid:
            os.kill(int(path.parent.name), number)


@pytest.mark.parametrize("send", [to_the_group, as_timeout_does, as_a_service_manager_does])
def test_a_signal_to_more_than_vgit_reaches_the_command_once(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume, send: Callable[..., None]
) -> None:
    process = start("-v", "data", "--", *python(here, COUNTS), process_group=0)
    wait_until(lambda: (here / "ready").exists())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
        send(process, number)
    process.send_signal(signal.SIGWINCH)  # to vgit alone: what it had passed on before has come by then
    assert process.communicate() == ("[(1, 1), (2, 1), (10, 1), (15, 1)]\n", "")


def test_timeout_gives_the_command_the_time_that_it_takes_to_clean_up(here: Path, data: Volume) -> None:
    """A second TERM would cut that short."""
    code = """
def end(number, frame):
    signal.signal(number, signal.SIG_DFL)
    (here / "data/f").write_text("clean")
    say("cleaning")
    time.sleep(0.5)
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
say("ready")
while True: time.sleep(0.1)
"""
    words = [sys.executable, "-m", "vgit", "run", "-v", "data", "--", *python(here, code)]
    words = ["timeout", "--preserve-status", "1000", *words]
    with subprocess.Popen(words, cwd=here, stderr=subprocess.PIPE) as timeout:
        wait_until(lambda: (here / "ready").exists())
        timeout.send_signal(signal.SIGTERM)  # which it treats as its own time being over
        assert (timeout.communicate()[1], timeout.returncode) == (b"", 3)
    assert content(data, "f") == b"clean"


def test_signals_to_vgit_by_name_are_passed_on(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume
) -> None:
    """The witness has none of vgit's names."""
    process = start("-v", "data", "--", *python(here, COUNTS), process_group=0)
    wait_until(lambda: (here / "ready").exists())
    for pid in map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        name = Path(f"/proc/{pid}/comm").read_text()
        is_the_command = os.fsencode(str(here)) in words
        assert is_the_command or (b"vgit" not in b"".join(words[1:]) and name == "witness\n")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGWINCH)
    assert process.communicate() == ("[(15, 1)]\n", "")


def test_nothing_is_left_of_a_run(start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume) -> None:
    for end in ("true", "kill -KILL $PPID"):
        process = start("-v", "data", "--", "sh", "-c", end, process_group=0)
        process.communicate()
        wait_until(partial(group_is_empty, process.pid))


def group_is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_is_ignored_stays_ignored(start: Callable[..., "subprocess.Popen[str]"], here: Path) -> None:
    """As under nohup."""
    code = "say('ready'); wait_for('go'); print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    process = start(
        "-v", "data", "--", *python(here, code), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    wait_until(lambda: (here / "ready").exists())
    process.send_signal(signal.SIGHUP)
    (here / "go").touch()
    assert process.communicate() == ("True\n", "") and process.returncode == 0


ON_TERMINAL = """
import os, signal, subprocess, sys
here, *command = sys.argv[1:]
os.setsid()
terminal = os.open(os.ttyname(0), os.O_RDWR)  # becomes ours: we lead the session
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
# As a shell does: the job in a group of its own, in the foreground.
job = subprocess.Popen(command, cwd=here, process_group=0)
os.tcsetpgrp(terminal, job.pid)
_, status = os.waitpid(job.pid, os.WUNTRACED)
if os.WIFSTOPPED(status):
    open(here + "/stopped", "w").close()
    os.killpg(job.pid, signal.SIGCONT)
    _, status = os.waitpid(job.pid, 0)
job.returncode = os.waitstatus_to_exitcode(status)
open(here + "/code", "w").write(str(job.returncode))
"""


def on_terminal(here: Path, command: list[str]) -> "tuple[int, subprocess.Popen[bytes]]":
    """Start a job as a shell would, on a terminal of its own; return our side of that."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    words = [sys.executable, "-c", ON_TERMINAL, str(here), sys.executable, "-m", "vgit", "run", *command]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    return ours, process


def test_ctrl_c_reaches_the_command_once_and_the_last_commit_happens(here: Path, data: Volume) -> None:
    code = """
count = 0
def note(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, lambda *_: say("passed on"))
say("ready")
wait_for("enough")
os.kill(os.getppid(), 0)
(here / "data/f").write_text(str(count))
sys.exit(9)
"""
    ours, process = on_terminal(here, ["-v", "data", "--commit-every", "0.2", "--", *python(here, code)])
    wait_until(lambda: (here / "ready").exists())
    os.write(ours, b"\x03")
    wait_until(lambda: b"^C" in os.read(ours, 100))
    group = os.tcgetpgrp(ours)
    os.kill(group, signal.SIGTERM)  # to vgit, which leads the job: what it had passed on before has come by then
    wait_until(lambda: (here / "passed on").exists())
    (here / "enough").touch()
    assert process.wait() == 0
    os.close(ours)
    assert (here / "code").read_text() == "9"
    assert content(data, "f") == b"1"


def test_ctrl_z_stops_the_job_and_fg_goes_on(here: Path, data: Volume) -> None:
    code = "say('ready'); wait_for('stopped'); (here / 'data/f').write_text('on'); sys.exit(4)"
    ours, process = on_terminal(here, ["-v", "data", "--commit-every", "0.2", "--", *python(here, code)])
    wait_until(lambda: (here / "ready").exists())
    os.write(ours, b"\x1a")
    assert process.wait() == 0
    os.close(ours)
    assert (here / "code").read_text() == "4"
    assert content(data, "f") == b"on"


def test_kill_9_leaves_the_last_commit_and_a_mount_to_be_taken_up(
    start: Callable[..., "subprocess.Popen[str]"], run: Callable[..., str], here: Path, data: Volume
) -> None:
    code = """
(here / "data/checkpoint").write_text("1")
(here / "pid").write_text(str(os.getpid()))
step = 1
while True:
    time.sleep(0.01)
    step += 1
    (here / "data/scratch").write_text(str(step))
"""
    process = start("-v", "data", "--commit-every", "0.1", "--", *python(here, code))
    wait_until(lambda: content(data, "checkpoint") == b"1")
    process.kill()
    process.wait()
    command = int((here / "pid").read_text())
    wait_until(lambda: not is_running(command))  # told by the kernel
    assert content(data, "checkpoint") == b"1"
    fsck(data.git_dir)
    scratch = (here / "data/scratch").read_bytes()
    run("-v", "data", "--", "true")
    assert content(data, "scratch") == scratch


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def out_of_reach(store: Path) -> Iterator[None]:
    """Put a file in the place of the store for a while, in one step."""
    away = store.with_name("away")
    away.touch()
    exchange(AT_FDCWD, str(store), AT_FDCWD, str(away))
    yield
    exchange(AT_FDCWD, str(store), AT_FDCWD, str(away))
    away.unlink()


def test_a_store_that_is_not_there_is_not_made_anew(run: Callable[..., str], here: Path, store: Path) -> None:
    """As if its disk were not mounted."""
    script = f"touch data/f; mv {store} {store}.away"
    assert "Error: the last commit failed" in run(
        "-v", "data", "--commit-every", "1000", "--", "sh", "-c", script, code=1
    )
    assert not store.exists()


def test_a_last_commit_that_fails_is_told(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, store: Path
) -> None:
    for code, expected in ((0, 1), (5, 5)):
        ready, go = here / f"ready{code}", here / f"go{code}"
        script = f"echo x{code} > data/f; touch {ready}; while ! test -e {go}; do sleep 0.01; done; exit {code}"
        process = start("-v", "data", "--commit-every", "1000", "--", "sh", "-c", script)
        wait_until(ready.exists)
        with out_of_reach(store):
            go.touch()
            _, said = process.communicate()
        assert process.returncode == expected
        assert "Error: the last commit failed" in said and f"All files are in {here / 'data'}" in said
    subprocess.run([sys.executable, "-m", "vgit", "commit", here / "data"], check=True, capture_output=True)


def test_a_commit_that_fails_in_the_background_is_told_once_and_tried_again(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, store: Path, data: Volume
) -> None:
    process = start("-v", "data", "--commit-every", "0.05", "--", *python(here, "say('ready'); wait_for('go')"))
    wait_until(lambda: (here / "ready").exists())
    head = data.info().head
    with out_of_reach(store):
        (here / "data" / "f").write_text("x")
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("Warning: commits of ") and "are tried again" in line
    wait_until(lambda: next(iter(data.log(limit=1))).id != head)
    (here / "go").touch()
    assert process.communicate() == ("", "") and process.returncode == 0
    assert content(data, "f") == b"x"


def test_a_file_that_is_never_at_rest_is_told_of_once(
    start: Callable[..., "subprocess.Popen[str]"], here: Path, data: Volume
) -> None:
    """Written directly, it counts as being written as long as a write may take: here for as long as the test does."""
    patched = (
        "import vgit.api.background as one; one.LONG_SECONDS = 0.1;"
        "import vgit.files.steady_read as one; one._SLOWEST_NS_PER_BYTE = 10**9;"
        "from vgit.cli.start import main; main()"
    )
    # Open before there is anything in it, so that no commit finds it at rest.
    code = "os.open('data/large', os.O_WRONLY | os.O_CREAT | os.O_DIRECT);"
    code += "open('data/large', 'wb').write(bytes(5 << 20));"
    process = start(
        "-v", "data", "--commit-every", "0.05", "--", *python(here, f"{code} say('ready'); wait_for('go')"),
        program=("-c", patched),
    )  # fmt: skip
    wait_until(lambda: (here / "ready").exists())
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Warning: large in ") and "without a pause" in line and "vgit commit" in line
    (here / "data" / "other").write_text("x")
    wait_until(lambda: content(data, "other"))
    assert content(data, "large") == b""
    (here / "go").touch()
    _, said = process.communicate()
    assert "without a pause" not in said and process.returncode == 0
    assert content(data, "large") == bytes(5 << 20)


def test_what_is_written_while_the_last_commit_reads_it_is_told(run: Callable[..., str], here: Path) -> None:
    """A daemon that the command left behind writes on."""
    daemon = """
file = os.open("data/log.new", os.O_CREAT | os.O_RDWR)
os.write(file, os.urandom(16 << 20))  # so much that it is not read between two writes
os.rename("data/log.new", "data/log")
while not (here / "stop").exists():
    for _ in range(1000): os.pwrite(file, os.urandom(64), 0)
"""
    start = "import os, subprocess, sys; quiet = subprocess.DEVNULL; "
    start += "subprocess.Popen(sys.argv[1:], stdout=quiet, stderr=quiet)\nwhile not os.path.exists('data/log'): pass"
    try:
        assert "unstable: log" in run("-v", "data", "--", sys.executable, "-c", start, *python(here, daemon))
    finally:
        (here / "stop").touch()


UNINTERRUPTED = """
import pathlib, signal, sys, time
from vgit.cli.child import PASSED_ON, Child, finish_despite_signals
from vgit.cli.witness import Witness
here = pathlib.Path(sys.argv[1])
with Witness(PASSED_ON) as witness:
    Child(["true"], {"PATH": "/bin:/usr/bin"}, witness).wait()
def work():
    (here / "begun").touch()
    while not (here / "finish").exists(): time.sleep(0.01)
    (here / "done").touch()
finish_despite_signals(work, lambda: (here / "told").touch())
"""


def test_a_signal_to_vgit_and_its_group_is_one_wish_during_the_last_commit(here: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", UNINTERRUPTED, here], process_group=0)
    wait_until(lambda: (here / "begun").exists())
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: (here / "told").exists())
    os.killpg(process.pid, signal.SIGTERM)
    (here / "finish").touch()
    assert process.wait() == 0
    assert (here / "done").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_the_last_commit_survives_one_more_signal_and_not_two(here: Path, times: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", UNINTERRUPTED, here])
    wait_until(lambda: (here / "begun").exists())
    process.send_signal(signal.SIGINT)
    wait_until(lambda: (here / "told").exists())
    if times == 2:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 143
        assert not (here / "done").exists()
    else:
        (here / "finish").touch()
        assert process.wait() == 0
        assert (here / "done").exists()


# --- The run mounts of the command


def test_commit_and_reload_of_the_api_act_on_the_mounts_of_the_run(
    run: Callable[..., str], here: Path, data: Volume
) -> None:
    code = """
volume = vgit.Volume.from_name("data")
(here / "data/f").write_text("x")
info = volume.commit("by the command")
print(info.message, info.added, volume.commit())
other = vgit.Volume.from_name("data", client=vgit.Client(os.environ["VGIT_STORE"]))
with other.mount(here / "elsewhere") as path:  # no run mounts: this client was not made by the environment
    (path / "g").write_text("y")
print((here / "data/g").exists())
print(volume.reload().head == volume.info().head, (here / "data/g").read_text(), flush=True)  # before the worker
import pickle, subprocess
worker = "import pickle, sys; print(pickle.load(sys.stdin.buffer).commit('by a worker').added)"
(here / "data/h").touch()
subprocess.run([sys.executable, "-c", worker], input=pickle.dumps(volume), check=True)
"""
    said = run("-v", "data", "--commit-every", "1000", "--", *python(here, code))
    assert said.splitlines() == ["by the command 1 None", "False", "True y", "1"]
    assert [info.message for info in data.log(limit=3)] == ["by a worker", "1 added", "by the command"]


def test_a_process_with_a_mount_of_its_own_commits_both(run: Callable[..., str], here: Path, data: Volume) -> None:
    code = """
volume = vgit.Volume.from_name("data")
with volume.mount(here / "own") as path:
    (path / "f").touch()
    (here / "data/g").touch()
    volume.commit()
    print([entry.path for entry in volume.listdir("/") if entry.path in "fg"])
"""
    assert run("-v", "data", "--commit-every", "1000", "--", *python(here, code)) == "['f', 'g']\n"


def test_a_run_mount_can_be_mounted_by_the_command(run: Callable[..., str], here: Path, data: Volume) -> None:
    code = """
volume = vgit.Volume.from_name("data")
with volume.mount("data") as path:
    (path / "f").write_text("x")
    info = volume.commit()
    (path / "g").write_text("y")
print(info.added, [entry.path for entry in volume.listdir("/") if entry.path in "fg"])
with volume.mount(here / "data"):
    pass
try:
    volume.mount("data", read_only=True)
except vgit.AlreadyExistsError as error:
    print(error)
(here / "data/h").touch()
"""
    said = run("-v", "data", "--commit-every", "1000", "--", *python(here, code)).splitlines()
    assert said[0] == "1 ['f', 'g']" and "is mounted for writing" in said[1]
    assert content(data, "g") == b"y"
    assert {"h"} <= {entry.path for entry in data.listdir("/")}


def test_a_reload_minds_the_commands_directory_and_not_vgits_own(run: Callable[..., str], here: Path) -> None:
    code = "vgit.Volume.from_name('data').reload(); print('reloaded')"
    assert run("-v", "data", "--", *python(here, code)) == "reloaded\n"
    assert run("-v", "data:.", "--", *python(here, "os.chdir('/')\n" + code), cwd=here / "data") == "reloaded\n"
    said = run("-v", "data:.", "--", *python(here, code), cwd=here / "data", code=1)
    assert "there are open files preventing the operation: cwd is inside volume" in said


def test_the_environment_names_the_run_mounts(
    vgit: Vgit, here: Path, data: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    with data.mount(here / "data") as path:
        monkeypatch.setenv("VGIT_MOUNTS", json.dumps([str(path), str(here / "gone")]))
        client = Client.from_env()
        assert client.run_mounts == (str(path), str(here / "gone"))
        assert Client(client.store).run_mounts == ()
    other = Volume.from_name("other", create_if_missing=True, client=client)
    with pytest.raises(api.NotMountedError, match="vgit run"):
        other.commit()
    for text in ("/a", '["relative"]', '{"a": 1}', "[1]"):
        monkeypatch.setenv("VGIT_MOUNTS", text)
        with pytest.raises(api.InvalidError, match="VGIT_MOUNTS"):
            Client.from_env()
    monkeypatch.setenv("VGIT_MOUNTS", "")
    assert Client.from_env().run_mounts == ()


def test_runs_can_be_nested(run: Callable[..., str], here: Path, vgit: Vgit) -> None:
    vgit("create", "other")
    code = """
for name in ("data", "other"):
    (here / name / "f").write_text(name)
    print(vgit.Volume.from_name(name).commit().added)
"""
    inner = [sys.executable, "-m", "vgit", "run", "-v", "other", "-v", "data", "--", *python(here, code)]
    assert run("-v", "data", "--", *inner, env={**os.environ, "PYTHONPATH": str(ROOT)}) == "1\n1\n"
