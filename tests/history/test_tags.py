"""Test_tags: names that stay with a commit, beside those that stock git made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import gitjudge
from tests.history.states import commit_state, file, volume
from vgit.backend.local import LocalBackend
from vgit.errors import AlreadyExistsError, CorruptObjectError, InvalidError, NotFoundError
from vgit.history.tags import delete_tag, find_tag, list_tags, set_tag
from vgit.ids import CommitId, ObjectId

Git = Callable[..., bytes]


def test_a_tag_stays_with_its_commit_until_it_is_deleted() -> None:
    repository, _ = volume()
    first = repository.head()
    set_tag(repository, "v1", first)
    second = commit_state(repository, {"a": file(b"1")})
    set_tag(repository, "runs/7 é".replace(" ", "-"), second)
    assert list_tags(repository) == {"runs/7-é": second, "v1": first}
    delete_tag(repository, "v1")
    assert find_tag(repository, "v1") is None
    set_tag(repository, "v1", second)
    assert find_tag(repository, "v1") == second


def test_a_name_is_given_once() -> None:
    repository, _ = volume()
    first = repository.head()
    second = commit_state(repository, {})
    set_tag(repository, "v1", first)
    set_tag(repository, "v1", first)
    with pytest.raises(AlreadyExistsError, match="'v1' already names " + first.hex()[:12]):
        set_tag(repository, "v1", second)


@pytest.mark.parametrize("name", ["runs", "runs/7/a"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_tag_is_no_folder(tmp_path: Path, git: Git, name: str, packed: bool) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    set_tag(repository, "runs/7", repository.head())
    if packed:
        git(tmp_path, "pack-refs", "--all")
    with pytest.raises(AlreadyExistsError, match="'runs/7'"):
        set_tag(repository, name, repository.head())


@pytest.mark.parametrize(
    "name", ["", "a b", "a..b", "/a", "a/", ".a", "a.lock", "a~1", "a^", "a:b", "@{a", "-a", "HEAD"]
)
def test_names_that_git_refuses_are_refused(name: str) -> None:
    repository, _ = volume()
    with pytest.raises(InvalidError):
        set_tag(repository, name, repository.head())
    assert find_tag(repository, name) is None


@pytest.mark.parametrize("digits", [40, 64])
def test_what_could_be_a_whole_id_is_no_name(digits: int) -> None:
    repository, _ = volume()
    head = repository.head()
    for name in (head.hex()[:digits].ljust(digits, "0"), "AbCdEf0123" * 10, "@"):
        with pytest.raises(InvalidError, match="would be taken for that"):
            set_tag(repository, name[:digits], head)
    assert list_tags(repository) == {}
    for name in ("0" * (digits - 1), "0" * (digits + 1), "g" * digits, "id/" + "0" * digits, "a@"):
        set_tag(repository, name, head)


def test_a_tag_of_stock_git_that_looks_like_an_id_can_be_seen_and_taken_away() -> None:
    repository, _ = volume()
    head = repository.head()
    repository.refs.advance(f"refs/tags/{head.hex()}", head, None)
    assert list_tags(repository) == {head.hex(): head}
    delete_tag(repository, head.hex())
    assert list_tags(repository) == {}


def test_what_is_no_tag_cannot_be_deleted() -> None:
    repository, _ = volume()
    with pytest.raises(NotFoundError, match="No tag 'v1'"):
        delete_tag(repository, "v1")


def test_only_commits_are_tagged() -> None:
    repository, _ = volume()
    tree = repository.commit(repository.head()).tree
    with pytest.raises(CorruptObjectError):
        set_tag(repository, "v1", CommitId(tree))
    with pytest.raises(CorruptObjectError):
        set_tag(repository, "v1", CommitId(ObjectId(b"\x01" * 20)))
    assert list_tags(repository) == {}


def test_tags_of_stock_git_are_followed_to_their_commit(tmp_path: Path, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    head = repository.head()
    git(tmp_path, "tag", "-a", "-m", "annotated", "noted", head.hex())
    git(tmp_path, "tag", "-a", "-m", "of a tag", "twice", "noted")
    git(tmp_path, "tag", "of-a-tree", head.hex() + "^{tree}")
    repository.objects.refresh()
    assert list_tags(repository) == {"noted": head, "twice": head}
    assert find_tag(repository, "of-a-tree") is None
    set_tag(repository, "noted", head)
    git(tmp_path, "pack-refs", "--all")
    assert list_tags(repository) == {"noted": head, "twice": head}
    delete_tag(repository, "noted")
    assert list_tags(repository) == {"twice": head}


def test_stock_git_reads_our_tags(tmp_path: Path, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    set_tag(repository, "runs/7", repository.head())
    assert git(tmp_path, "rev-parse", "runs/7").decode().strip() == repository.head().hex()
    gitjudge.fsck_clean(tmp_path)


def test_a_damaged_tag_says_so(tmp_path: Path, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    id = git(tmp_path, "hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=b"object 12\n").strip()
    assert repository.refs.advance("refs/tags/bad", repository.refs.parse_id(id.decode()), None)
    with pytest.raises(CorruptObjectError, match="expected 'object <id>'"):
        list_tags(repository)
