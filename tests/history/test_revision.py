"""Test_revision: which commit a text names."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.states import START, TestClock, commit_state, file, volume
from vgit.backend.local import LocalBackend
from vgit.errors import NotFoundError
from vgit.history.revision import resolve_revision
from vgit.history.tags import set_tag
from vgit.ids import CommitId
from vgit.repository.repository import Repository

Git = Callable[..., bytes]
HOUR = 3600


def line_of(count: int) -> tuple[Repository, TestClock, list[CommitId]]:
    """Return a volume with a commit an hour, newest first, and the clock at the last."""
    repository, clock = volume()
    ids = [repository.head()]
    for number in range(count - 1):
        clock.seconds += HOUR
        ids.insert(0, commit_state(repository, {"a": file(b"%d" % number)}))
    return repository, clock, ids


def test_head_and_what_is_before_it() -> None:
    repository, _, ids = line_of(6)
    for text, back in {
        "HEAD": 0,
        "HEAD~": 1,
        "HEAD~0": 0,
        "HEAD~3": 3,
        "HEAD^": 1,
        "HEAD^^": 2,
        "HEAD^~2^": 4,
        "HEAD~005": 5,
    }.items():
        assert resolve_revision(repository, text) == ids[back], text


def test_every_form_can_be_gone_back_from() -> None:
    repository, _, ids = line_of(6)
    set_tag(repository, "runs/7", ids[1])
    for base in ("runs/7", ids[1].hex(), ids[1].hex()[:10], "@{1 hour ago}"):
        assert resolve_revision(repository, base) == ids[1]
        assert resolve_revision(repository, base + "~2") == ids[3]


def test_before_the_first_there_is_nothing() -> None:
    repository, _, ids = line_of(3)
    assert resolve_revision(repository, "HEAD~2") == ids[2]
    with pytest.raises(NotFoundError, match=f"'HEAD~3': {ids[0].hex()[:12]} has 2 states before it"):
        resolve_revision(repository, "HEAD~3")


def test_a_whole_id_is_that_commit_whatever_tags_there_are() -> None:
    repository, _, ids = line_of(3)
    missing = "0" * 40
    for name in (ids[0].hex(), ids[0].hex().upper(), missing):
        assert repository.refs.advance(f"refs/tags/{name}", ids[2], None)
    for back in (0, 1):
        assert resolve_revision(repository, f"{ids[0].hex()}~{back}") == ids[back]
        assert resolve_revision(repository, f"{ids[0].hex().upper()}~{back}") == ids[back]
    with pytest.raises(NotFoundError, match=f"No revision '{missing}'"):
        resolve_revision(repository, missing)


def test_head_goes_before_a_tag_and_a_tag_before_a_short_id() -> None:
    repository, _, ids = line_of(3)
    digits = ids[0].hex()[:6]
    set_tag(repository, digits, ids[2])
    assert resolve_revision(repository, digits) == ids[2]
    assert resolve_revision(repository, ids[0].hex()[:7]) == ids[0]
    repository.refs.advance("refs/tags/HEAD", ids[2], None)
    assert resolve_revision(repository, "HEAD") == ids[0]


def test_ids_may_be_short_and_in_upper_case() -> None:
    repository, _, ids = line_of(3)
    for id in ids:
        assert resolve_revision(repository, id.hex()[:12].upper()) == id
        assert resolve_revision(repository, id.hex().upper()) == id
    with pytest.raises(NotFoundError):
        resolve_revision(repository, ids[0].hex()[:3])


def test_an_ambiguous_id_names_the_candidates() -> None:
    repository, clock, ids = line_of(2)
    by_start: dict[str, CommitId] = {id.hex()[:4]: id for id in ids}
    while True:
        clock.seconds += 1
        id = commit_state(repository, {})
        other = by_start.setdefault(id.hex()[:4], id)
        if other != id:
            break
    with pytest.raises(NotFoundError, match="ambiguous") as caught:
        resolve_revision(repository, id.hex()[:4])
    message = str(caught.value)
    assert message.index(id.hex()[:12]) < message.index(other.hex()[:12])
    assert resolve_revision(repository, id.hex()[:12]) == id


def test_commits_of_any_ref_are_found_by_short_id_and_any_commit_by_its_whole_id() -> None:
    repository, _, ids = line_of(3)
    repository.refs.advance("refs/vgit/lease/m", ids[0], None)
    assert repository.refs.advance("refs/heads/main", ids[2], ids[0])
    assert resolve_revision(repository, ids[1].hex()[:8]) == ids[1]
    assert repository.refs.delete("refs/vgit/lease/m", ids[0])
    assert resolve_revision(repository, ids[1].hex()) == ids[1]
    with pytest.raises(NotFoundError):
        resolve_revision(repository, ids[1].hex()[:8])


def test_times() -> None:
    repository, clock, ids = line_of(5)
    clock.seconds += 60
    for text, back in {
        "now": 0,
        "59 seconds ago": 0,
        "60 seconds ago": 0,
        "61 seconds ago": 1,
        "2 hours ago": 2,
        "122 minutes ago": 3,
        "2100-01-01": 0,
        "2025-06-15T17:06:40Z": 2,
        "2025-06-15T17:06:39+00:00": 3,
    }.items():
        assert resolve_revision(repository, f"@{{{text}}}") == ids[back], text
    assert clock.seconds == START + 4 * HOUR + 60


def test_before_the_volume_began() -> None:
    repository, clock, ids = line_of(1)
    clock.seconds += 10
    with pytest.raises(NotFoundError, match="begins at 2025-06-15 15:06:40") as caught:
        resolve_revision(repository, "@{yesterday}")
    assert ids[0].hex()[:12] in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "head", "nothing", "~1", "^", "HEAD^2", "HEAD~1234567890", "@{}", "@{noon}", "@{2 hours ago", "HEAD@{1}"),
        *("abc", "0" * 40, "0" * 41, "0" * 12, "a b", "..", "\0", "\udcff", "é", "v1\n", "HEAD\n", "refs/tags/../x"),
    ],
)
def test_what_names_nothing_is_not_found_and_says_what_would_be(text: str) -> None:
    repository, _, _ = line_of(2)
    with pytest.raises(NotFoundError, match="Expected HEAD, a tag, an id") as caught:
        resolve_revision(repository, text)
    assert str(caught.value).isprintable() or not text.isprintable()


@given(st.text(st.sampled_from("HEAD~^@{}0123abcf \n/.-")) | st.text())
def test_no_text_is_too_odd(text: str) -> None:
    repository, _ = volume()
    try:
        assert resolve_revision(repository, text) == repository.head()
    except NotFoundError:
        pass


def test_what_stock_git_made(tmp_path: Path, git: Git) -> None:
    repository, _ = volume(LocalBackend(str(tmp_path)))
    first = repository.head()
    tree = git(tmp_path, "rev-parse", "HEAD^{tree}").decode().strip()
    made = git(tmp_path, "commit-tree", "-m", "by git", "-p", first.hex(), tree).decode().strip()
    git(tmp_path, "update-ref", "refs/heads/main", made)
    git(tmp_path, "tag", "-a", "-m", "noted", "v1")
    note = git(tmp_path, "rev-parse", "v1").decode().strip()
    git(tmp_path, "pack-refs", "--all")
    for text in ("HEAD", "v1", made, made[:9], note):
        assert resolve_revision(repository, text).hex() == made
        assert resolve_revision(repository, text + "^") == first
    with pytest.raises(NotFoundError):
        resolve_revision(repository, tree)
