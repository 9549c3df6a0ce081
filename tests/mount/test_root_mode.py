"""Test_root_mode: a mount's root keeps the mode that it had, and publishes none, until somebody sets one."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.mount.conftest import AUTHOR, Bench
from tests.ordinary_user import mode_of
from vgit.mount.open import unbind
from vgit.mount.policy import LocalChanges
from vgit.mount.working_directory import WorkingDirectory
from vgit.paths import parse_path
from vgit.repository.commit import encode_commit
from vgit.tree.directory import find_entry
from vgit.tree.directory_writer import write_directory


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(params=["", "a", "new/one"])
def part(tmp_path: FilePath, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A volume and mounts of a part of it: all, a directory that it has, or one that it has not yet."""
    whole = Bench(tmp_path)
    write(whole.mount("filled"), "a/b")
    one = Bench(tmp_path / "part", parse_path(request.param))
    one.store, one.root, one.volume_id, one.git_dir = whole.store, whole.root, whole.volume_id, whole.git_dir
    yield one
    one.close()
    whole.close()


def there(bench: Bench, name: str, mode: int) -> FilePath:
    """Make a directory that exists before it becomes a mount."""
    path = bench.base / name
    path.mkdir(parents=True)
    path.chmod(mode)
    return path


def write(mount: WorkingDirectory, name: str) -> None:
    path = FilePath(mount.path, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(name)
    assert mount.commit(AUTHOR).published is not None


def published_mode(bench: Bench) -> int | None:
    """Return the permission bits that the volume has for the mounts' root; None if it has none."""
    repository = bench.repository()
    tree = repository.commit(repository.head()).tree
    if not bench.sub_path:
        mode = repository.directories.read(tree).mode
        return None if mode is None else stat.S_IMODE(mode)
    entry = find_entry(repository.directories, tree, bench.sub_path)
    return stat.S_IMODE(entry.mode) if entry is not None else None


def unset(bench: Bench) -> int | None:
    return 0o755 if bench.sub_path else None


@pytest.mark.parametrize("adopt", [False, True])
def test_a_private_directory_stays_private_and_makes_nobody_elses_so(part: Bench, *, adopt: bool) -> None:
    here, other = there(part, "here", 0o700), there(part, "other", 0o775)
    if adopt:
        (here / "mine").write_text("mine")
    mount = part.mount("here", adopt=adopt)
    assert mode_of(here) == 0o700
    write(mount, "f")
    assert published_mode(part) == unset(part)
    theirs = part.mount("other")
    write(theirs, "g")
    assert (mode_of(other), published_mode(part)) == (0o775, unset(part))
    for local in (LocalChanges.KEEP, LocalChanges.DISCARD):
        write(theirs, local.name)
        mount.reload(local)
        assert mode_of(here) == 0o700
    mount.close()
    mount = part.mount("here")
    assert mount.commit(AUTHOR).published is None
    unbind(mount, remove_files=True)
    assert (mode_of(here), os.listdir(here)) == (0o700, [])


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o2770])
def test_a_mode_that_somebody_sets_is_everybodys(part: Bench, mode: int) -> None:
    here, other = there(part, "here", 0o711), there(part, "other", 0o701)
    mount = part.mount("here")
    write(mount, "f")
    theirs = part.mount("other")
    here.chmod(mode)
    assert mount.commit(AUTHOR).published is not None
    assert published_mode(part) == mode
    theirs.reload()
    assert mode_of(other) == mode & 0o1777
    assert theirs.commit(AUTHOR).published is None
    for number, found in enumerate((0o700, 0o777)):
        path = there(part, f"new{number}", found)
        assert part.mount(f"new{number}").commit(AUTHOR).published is None
        assert mode_of(path) == mode & 0o1777
    write(theirs, "g")
    assert published_mode(part) == mode


def test_the_ordinary_mode_can_be_set_too(bench: Bench) -> None:
    here, other = there(bench, "here", 0o700), there(bench, "other", 0o700)
    mount, theirs = bench.mount("here"), bench.mount("other")
    here.chmod(0o755)
    assert mount.commit(AUTHOR).published is not None
    assert published_mode(bench) == 0o755
    theirs.reload()
    assert mode_of(other) == 0o755
    new = there(bench, "new", 0o700)
    bench.mount("new")
    assert mode_of(new) == 0o755


def test_a_mode_that_was_set_first_comes_with_the_directory(tmp_path: FilePath) -> None:
    """A volume cannot have the mode of a directory that it has not."""
    bench = Bench(tmp_path, ("new",))
    mount = bench.mount("here")
    FilePath(mount.path).chmod(0o750)
    assert mount.commit(AUTHOR).published is None
    write(mount, "f")
    assert published_mode(bench) == 0o750
    bench.close()


def test_a_change_of_ones_own_stays_until_it_is_given_up(bench: Bench) -> None:
    here = there(bench, "here", 0o701)
    mount, theirs = bench.mount("here"), bench.mount("theirs")
    here.chmod(0o710)
    write(theirs, "f")
    mount.reload()
    assert mode_of(here) == 0o710
    mount.reload(LocalChanges.DISCARD)
    assert mode_of(here) == 0o701, "nobody has set another"
    here.chmod(0o710)
    FilePath(theirs.path).chmod(0o750)
    theirs.commit(AUTHOR)
    mount.reload()
    assert mode_of(here) == 0o710
    mount.reload(LocalChanges.DISCARD)
    assert mode_of(here) == 0o750


@pytest.mark.parametrize("mode", [0o000, 0o222, 0o333])
def test_what_a_mount_needs_of_its_root_stays(bench: Bench, mode: int) -> None:
    """Who is bound by no modes may set one that would lock everybody else out of his mount."""
    mount = bench.mount("here")
    FilePath(mount.path).chmod(mode)
    mount.commit(AUTHOR)
    assert published_mode(bench) == mode
    other = bench.mount("other")
    assert mode_of(FilePath(other.path)) == mode | 0o500
    assert other.commit(AUTHOR).published is None


def test_a_directory_that_does_not_exist_is_made_as_any_other(bench: Bench) -> None:
    os.umask(0o027)
    bench.mount("here")
    assert mode_of(bench.base / "here") == 0o750


@pytest.mark.parametrize("later", [0, 3])
def test_a_volume_of_an_older_vgit_has_set_none_by_being_made(bench: Bench, later: int) -> None:
    """It gave the root a mode from the first commit on."""
    repository = bench.repository()
    made = repository.commit(repository.head())
    with repository.objects.writer() as writer:
        first = made._replace(tree=write_directory(writer, {}, 0o040755))
        id = writer.write_commit(encode_commit(first))
        writer.sync()
    assert repository.refs.advance("refs/heads/main", id, repository.head())
    mount = bench.mount("filled")
    for number in range(later):
        write(mount, str(number))
    assert published_mode(bench) == 0o755
    here = there(bench, "here", 0o700)
    write(bench.mount("here"), "f")
    assert (mode_of(here), published_mode(bench)) == (0o700, 0o755)
