"""Test_noted_access: directories that are no mount are opened for a while, and closed again whatever happens."""

import fcntl
import json
import os
from pathlib import Path

import pytest

from tests.ordinary_user import mode_of, without_rights_of_root
from vgit.errors import LockedError
from vgit.files import noted_access as module
from vgit.files.noted_access import noted_access
from vgit.paths import MODES_NAME


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "top" / "a" / "b").chmod(0o555)
    (tmp_path / "top" / "a").chmod(0o555)
    return tmp_path / "top"


def enter(top: Path, *path: str) -> None:
    with noted_access(str(top)) as (_, access):
        access.allow([path])


def test_the_note_is_there_as_long_as_something_is_open(top: Path) -> None:
    def look() -> object:
        with noted_access(str(top)) as (_, access):
            before = os.listdir(top)
            access.allow([("a", "b")])
            return before, json.loads((top / MODES_NAME).read_text()), mode_of(top / "a"), mode_of(top / "a" / "b")

    before, noted, *modes = without_rights_of_root(look)  # type: ignore[misc]
    assert (before, noted) == (["a"], [[["a", "b"], 0o555]])
    assert modes == [0o555, 0o755]
    assert (mode_of(top / "a"), mode_of(top / "a" / "b"), os.listdir(top)) == (0o555, 0o555, ["a"])


def test_it_is_beside_where_nothing_may_be_made(top: Path) -> None:
    top.chmod(0o555)

    def look() -> object:
        with noted_access(str(top)) as (_, access):
            access.allow([()])
            return sorted(os.listdir(top.parent)), os.listdir(top)

    assert without_rights_of_root(look) == ([f".top{MODES_NAME}", "top"], ["a"])
    assert (mode_of(top), os.listdir(top.parent)) == (0o555, ["top"])


def test_nothing_is_opened_that_could_not_be_closed_again(top: Path) -> None:
    top.chmod(0o555)
    top.parent.chmod(0o555)

    def refused() -> object:
        with pytest.raises(PermissionError) as raised:
            enter(top)
        return raised.value.filename

    try:
        assert without_rights_of_root(refused) == str(top)
        assert mode_of(top) == 0o555
    finally:
        top.parent.chmod(0o755)


def test_what_a_death_left_open_is_closed_by_the_next_one(top: Path) -> None:
    whole = json.dumps([[["a"], 0o555], [["a", "b"], 0o055], [["a", "gone"], 0]])
    (top / MODES_NAME).write_text(f"[]\n{whole}\n" + '[[["a"], 0], [["a", "b"]')  # the last line is torn
    (top / "a").chmod(0o755)
    (top / "a" / "b").chmod(0o711)  # set by somebody meanwhile
    enter(top)
    assert (mode_of(top / "a"), mode_of(top / "a" / "b")) == (0o555, 0o711)
    assert os.listdir(top) == ["a"]


def test_a_note_can_only_close(top: Path) -> None:
    """Anybody can make one in a directory that all may write to."""
    (top.parent / "other").mkdir(mode=0o755)
    for path in (["..", "other"], ["a", "..", "..", "other"], ["../other"]):
        (top / MODES_NAME).write_text(json.dumps([[["a"], 0o777], [path, 0o055]]) + "\n")
        enter(top)
        assert (mode_of(top / "a"), mode_of(top.parent / "other")) == (0o555, 0o755)
    assert os.listdir(top) == ["a"]


@pytest.mark.parametrize("what", ["link", "directory", "FIFO"])
def test_what_is_no_note_is_left_alone(top: Path, what: str) -> None:
    place = top / MODES_NAME
    if what == "link":
        place.symlink_to(top.parent / "victim")
        (top.parent / "victim").write_text("[]\n")
    elif what == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    enter(top)
    assert MODES_NAME in os.listdir(top)
    assert what != "link" or (top.parent / "victim").exists()


def test_somebody_alive_is_waited_for(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / MODES_NAME).write_text(json.dumps([[["a"], 0o555]]) + "\n")
    (top / "a").chmod(0o755)
    waits: list[float] = []

    class Clock:
        """Time passes only by waiting; somebody lets go at the third look."""

        def __init__(self, file: int, *, lets_go: bool) -> None:
            self._file, self._lets_go = file, lets_go

        def monotonic(self) -> float:
            return sum(waits)

        def jitter(self, limit_seconds: float) -> float:
            return limit_seconds

        def sleep(self, seconds: float) -> None:
            waits.append(seconds if self._lets_go else 1000)
            if self._lets_go and len(waits) == 3:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    with open(top / MODES_NAME, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        monkeypatch.setattr(module, "SYSTEM_CLOCK", Clock(file.fileno(), lets_go=False))
        with pytest.raises(LockedError, match="ten minutes"):
            enter(top)
        assert mode_of(top / "a") == 0o755
        waits.clear()
        monkeypatch.setattr(module, "SYSTEM_CLOCK", Clock(file.fileno(), lets_go=True))
        enter(top)
    assert (len(waits), mode_of(top / "a")) == (3, 0o555)


def test_a_note_stays_if_something_cannot_be_closed(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> object:
        def no(*_: object) -> object:
            raise OSError(5, "Input/output error")

        with pytest.raises(OSError, match="Input/output"), noted_access(str(top)) as (_, access):
            access.allow([("a",)])
            monkeypatch.setattr(access, "_settle", no)
        return os.listdir(top)

    assert sorted(without_rights_of_root(fail)) == sorted([MODES_NAME, "a"])  # type: ignore[call-overload]
    enter(top)
    assert (mode_of(top / "a"), os.listdir(top)) == (0o555, ["a"])
