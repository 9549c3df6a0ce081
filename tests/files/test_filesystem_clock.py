import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vgit.files import filesystem_clock
from vgit.files.filesystem_clock import COARSE_MARGIN_NS, FINE_MARGIN_NS, Probe, probe, trusted


def file_systems() -> list[str]:
    """One directory to write in on each kind of file system that this machine offers."""
    return [path for path in ("/dev/shm", "/tmp", "/var/tmp") if os.access(path, os.W_OK | os.X_OK)]


@pytest.fixture(params=file_systems())
def directory(request: pytest.FixtureRequest) -> Iterator[Path]:
    with TemporaryDirectory(dir=request.param) as path:
        yield Path(path)


@pytest.fixture
def directory_fd(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_probe_is_between_the_changes_before_and_after_it(directory: Path, directory_fd: int) -> None:
    (directory / "before").write_text("")
    at = probe(directory_fd)
    (directory / "after").write_text("")
    assert (directory / "before").stat().st_ctime_ns <= at.ctime_ns <= (directory / "after").stat().st_ctime_ns


def test_probe_moves_with_time_and_is_made_once(directory: Path, directory_fd: int) -> None:
    first = probe(directory_fd)
    time.sleep(0.03)
    assert probe(directory_fd).ctime_ns > first.ctime_ns
    assert os.listdir(directory) == ["probe"]


def test_a_row_is_trusted_after_the_margin(directory: Path, directory_fd: int) -> None:
    path = directory / "file"
    path.write_text("")
    at = probe(directory_fd)
    assert not trusted(path.stat().st_ctime_ns, at)
    time.sleep(at.margin_ns / 1e9 + 0.03)
    later = probe(directory_fd)
    assert trusted(path.stat().st_ctime_ns, later)
    assert path.stat().st_ctime_ns < later.trusted_before_ns


def test_a_clock_set_back_is_not_trusted() -> None:
    assert not trusted(2_000_000_000, Probe(1_000_000_000, FINE_MARGIN_NS))


def test_margin_of_local_file_systems_with_fractions(directory_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem_clock, "is_network_file_system", lambda _: False)
    assert probe(directory_fd).margin_ns == FINE_MARGIN_NS


def test_margin_on_a_network(directory_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem_clock, "is_network_file_system", lambda _: True)
    assert probe(directory_fd).margin_ns == COARSE_MARGIN_NS


@pytest.mark.parametrize("tick_ns", [10**9, 2 * 10**9])
def test_margin_where_times_are_cut(directory_fd: int, monkeypatch: pytest.MonkeyPatch, tick_ns: int) -> None:
    monkeypatch.setattr(filesystem_clock, "is_network_file_system", lambda _: False)
    utime = os.utime

    def cut(fd: int, *, ns: tuple[int, int]) -> None:
        utime(fd, ns=(ns[0] // tick_ns * tick_ns, ns[1] // tick_ns * tick_ns))

    monkeypatch.setattr(os, "utime", cut)
    assert probe(directory_fd).margin_ns == COARSE_MARGIN_NS


def test_a_link_in_place_of_the_probe_is_refused(directory: Path, directory_fd: int) -> None:
    victim = directory / "victim"
    victim.write_text("")
    before = victim.stat().st_mtime_ns
    (directory / "probe").symlink_to(victim)
    with pytest.raises(OSError):
        probe(directory_fd)
    assert victim.stat().st_mtime_ns == before
