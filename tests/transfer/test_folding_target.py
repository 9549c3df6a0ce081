"""Test_folding_target: a download where the local file system takes two names of a volume for one."""

from pathlib import Path as FilePath

import pytest

import vgit
from tests.folding import fold
from tests.transfer.test_download import get_from
from vgit.errors import AlreadyExistsError, ConflictError


@pytest.fixture
def volume(tmp_path: FilePath) -> vgit.Volume:
    """A volume with two such names, in a directory and of directories."""
    client = vgit.Client(tmp_path / "store", author="Test <test@example.org>")
    volume = vgit.Volume.from_name("x", create_if_missing=True, client=client)
    with volume.mount(tmp_path / "source") as path:
        for name in ("d/A", "d/a", "E/f", "e/f"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text(name)
    return volume


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("existed", ["", "d", "d/A", "d/a"])
def test_the_second_is_refused(
    volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, force: bool, existed: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if existed:
        (out / "d").mkdir()
    if "/" in existed:
        (out / existed).write_text("mine")
    fold(monkeypatch)
    expected = AlreadyExistsError if existed == "d/A" and not force else ConflictError
    with pytest.raises(expected, match=r"for 'A', which|for 'a', which|two names of the volume|exists already"):
        get_from(volume.repository, "d", out, force=force)
    if existed == "d/a":
        assert (out / "d/a").read_text() == "mine"
        assert [one.name for one in (out / "d").iterdir()] == ["a"]
    elif existed == "d/A":
        assert (out / "d/A").read_text() in ("mine", "d/A")
    elif existed:
        assert [(one.name, one.read_text()) for one in (out / "d").iterdir()] == [("A", "d/A")]
    else:
        assert list(out.iterdir()) == []


def test_two_directories(volume: vgit.Volume, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    (out / "E").mkdir(parents=True)
    fold(monkeypatch)
    with pytest.raises(ConflictError, match="for 'E', which is there"):
        get_from(volume.repository, "e", out, force=True)
    assert list((out / "E").iterdir()) == []
