import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vgit.localfs import filesystem_clock
from vgit.localfs.file_systems import FileSystem
from vgit.localfs.filesystem_clock import (
    COARSE_MARGIN_NS,
    FINE_MARGIN_NS,
    UNKNOWN_MARGIN_NS,
    Clocks,
    Probe,
    probe,
    trusted,
)


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


def file_system(**known: bool) -> FileSystem:
    return FileSystem(**{"may_be_exact": False, "is_network": False, "is_memory": False, "shows_maps": True, **known})


FRACTION_NS, WHOLE_NS = 1_500_000_000, 1_000_000_000
OURS = Probe(7, FINE_MARGIN_NS, is_exact=True)


@pytest.mark.parametrize(
    "kind, ctime_ns, kernel_can, expected",
    [
        (file_system(), FRACTION_NS, True, (FINE_MARGIN_NS, False)),
        (file_system(may_be_exact=True), FRACTION_NS, True, (FINE_MARGIN_NS, True)),
        (file_system(may_be_exact=True), FRACTION_NS, False, (FINE_MARGIN_NS, False)),
        (file_system(may_be_exact=True), WHOLE_NS, True, (COARSE_MARGIN_NS, False)),
        (file_system(is_network=True), FRACTION_NS, True, (UNKNOWN_MARGIN_NS, False)),
    ],
)
def test_every_device_has_a_clock(
    monkeypatch: pytest.MonkeyPatch, kind: FileSystem, ctime_ns: int, kernel_can: bool, expected: tuple[int, bool]
) -> None:
    monkeypatch.setattr(filesystem_clock, "kernel_is_exact", lambda: kernel_can)
    monkeypatch.setattr(filesystem_clock, "file_system_of", lambda _: kind)
    clocks = Clocks(lambda seconds: None, 1, lambda: OURS, file_system())
    assert clocks.read(1, 0, ctime_ns) is OURS
    other = clocks.read(2, 0, ctime_ns)
    assert (other.margin_ns, other.is_exact) == expected


def test_the_kernels_clock_is_the_one_that_stamps_files(directory: Path, directory_fd: int) -> None:
    """A change that follows is never older than what the clock said."""
    for number in range(200):
        clocks = Clocks(lambda seconds: None)
        now = clocks.read(os.fstat(directory_fd).st_dev, directory_fd, 0).ctime_ns
        path = directory / str(number)
        path.write_text("")
        assert path.stat().st_ctime_ns >= now
        assert path.stat().st_ctime_ns - now < 2_000_000_000


def test_clocks_are_read_anew_after_a_wait() -> None:
    waited: list[float] = []
    probes = iter([Probe(1, FINE_MARGIN_NS), Probe(2, FINE_MARGIN_NS), Probe(3, FINE_MARGIN_NS)])
    clocks = Clocks(waited.append, 1, lambda: next(probes), file_system())
    assert (clocks.read(1, 0, 0).ctime_ns, clocks.count) == (1, 1)
    clocks.renew()
    assert (clocks.read(1, 0, 0).ctime_ns, clocks.count, waited) == (2, 2, [])
    clocks.wait()
    assert (clocks.read(1, 0, 0).ctime_ns, clocks.count) == (3, 3)
    assert waited[0] * 1e9 > FINE_MARGIN_NS


def test_what_the_kernel_can_do_is_measured() -> None:
    found = filesystem_clock.kernel_is_exact()
    assert found or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 13)
