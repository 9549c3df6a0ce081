"""Test_together: several mounts of one volume in one process, and one answer for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import vgit


@pytest.fixture
def client(tmp_path: Path) -> vgit.Client:
    return vgit.Client(tmp_path / "store", author="Test <test@example.org>")


@pytest.fixture
def volume(client: vgit.Client) -> vgit.Volume:
    return vgit.Volume.from_name("x", create_if_missing=True, client=client)


@pytest.fixture
def mounts(volume: vgit.Volume, tmp_path: Path) -> Iterator[tuple[vgit.Mount, vgit.Mount, vgit.Mount]]:
    """Mounts of the directories a, b and c, in the order in which they commit."""
    opened = [volume.mount(tmp_path / name, sub_path=name) for name in "abc"]
    yield opened[0], opened[1], opened[2]
    for mount in opened:
        mount.close(commit=False)


def put(volume: vgit.Volume, tmp_path: Path, *paths: str) -> None:
    """Publish files, of which no mount knows."""
    (tmp_path / "theirs").write_text("theirs")
    with volume.batch_upload(force=True) as batch:
        for path in paths:
            batch.put_file(tmp_path / "theirs", path)


def fail(mount: vgit.Mount, operation: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an operation of one mount fail."""

    def raise_it(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(mount._working, operation, raise_it)


def test_one_receipt_for_all_mounts(volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path) -> None:
    put(volume, tmp_path, "a/f", "b/f")
    before = volume.info().commits
    for mount in mounts[:2]:
        (mount.path / "f").write_text(f"ours, in {mount.path.name}")
        (mount.path / "g").write_text("new")
    info = volume.commit("both")
    assert info is not None and info.overwrote == ("a/f", "b/f") and info.overwrote_count == 2
    assert (info.added, info.changed, info.removed, info.message) == (2, 2, 0, "both")
    made = list(volume.log(limit=2))
    assert volume.info().commits == before + 2 and info.id == made[0].id and info.parent == made[1].id
    assert info.bytes_added == sum(one.bytes_added for one in made)


def test_one_that_fails_keeps_no_other_back(
    volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(volume, tmp_path, "a/f", "c/f")
    for mount in mounts:
        (mount.path / "f").write_text("ours")
    fail(mounts[1], "commit", vgit.BackendUnavailableError("the disk is full"), monkeypatch)
    with pytest.raises(vgit.BackendUnavailableError, match="the disk is full") as raised:
        volume.commit()
    made = list(volume.log(limit=2))
    answer = vars(raised.value)["published"]
    assert answer.overwrote == ("a/f", "c/f") and answer.id == made[0].id
    assert [one.id[:12] in "".join(raised.value.__notes__) for one in made] == [True, True]


def test_all_errors_are_told(
    mounts: tuple[vgit.Mount, ...], volume: vgit.Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(mounts[0], "commit", vgit.LockedError("somebody has it"), monkeypatch)
    fail(mounts[2], "commit", OSError("the disk is full"), monkeypatch)
    with pytest.raises(vgit.LockedError) as raised:
        volume.commit()
    assert any("the disk is full" in note for note in raised.value.__notes__)
    assert vars(raised.value)["published"] is None


def test_an_interrupt_says_what_is_published(
    mounts: tuple[vgit.Mount, ...], volume: vgit.Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mounts[0].path / "f").write_text("ours")
    (mounts[2].path / "f").write_text("ours")
    fail(mounts[1], "commit", KeyboardInterrupt(), monkeypatch)
    with pytest.raises(KeyboardInterrupt) as raised:
        volume.commit()
    newest = next(volume.log())
    assert newest.id[:12] in "".join(raised.value.__notes__)
    assert [entry.path for entry in volume.listdir("/", recursive=True)] == ["a", "a/f"]


def test_a_reload_answers_for_all(volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path) -> None:
    (mounts[0].path / "f").write_text("local")
    put(volume, tmp_path, "a/f", "a/g", "b/f")
    info = volume.reload()
    assert (info.changed, info.kept, info.head) == (2, ("a/f",), volume.info().head)


def test_a_reload_of_one_that_stays_does_not_answer_for_the_others(
    volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path
) -> None:
    put(volume, tmp_path, "a/f")
    old = volume.mount(tmp_path / "old", at="HEAD~1")
    try:
        assert volume.reload().head == volume.info().head
    finally:
        old.close()


def test_an_open_file_in_one_leaves_all_as_they_are(
    volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path
) -> None:
    put(volume, tmp_path, "a/f", "b/f")
    with open(mounts[2].path / "open", "w"), pytest.raises(vgit.FilesOpenError):
        volume.reload()
    assert not (mounts[0].path / "f").exists() and not (mounts[1].path / "f").exists()


def test_a_reload_that_fails_keeps_no_other_back(
    volume: vgit.Volume, mounts: tuple[vgit.Mount, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(volume, tmp_path, "a/f", "b/f", "c/f")
    fail(mounts[0], "reload", OSError("the disk is full"), monkeypatch)
    with pytest.raises(OSError, match="the disk is full") as raised:
        volume.reload()
    assert (mounts[1].path / "f").exists() and (mounts[2].path / "f").exists()
    assert len(raised.value.__notes__) == 2 and str(mounts[2].path) in raised.value.__notes__[1]
