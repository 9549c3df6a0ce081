"""Tags: names that stay with one commit, kept as git's own ``refs/tags/<name>``.

What vgit sets is a lightweight tag, the commit's id and nothing more. Stock
git may have made annotated ones: objects that name another object, and are
followed to the commit at their end.
"""

import re

from vgit.errors import AlreadyExistsError, CorruptObjectError, InvalidError, NotFoundError
from vgit.ids import CommitId, ObjectId, short_id
from vgit.objects.object_kind import COMMIT, TAG
from vgit.repository.refs import TAGS, check_ref_name
from vgit.repository.repository import Repository

_WHOLE_ID = re.compile("[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")  # in whichever object format: volumes may be converted
_MAX_TAG_DEPTH = 10  # tags of tags; more is no history but a trap


def set_tag(repository: Repository, name: str, id: CommitId) -> None:
    """Name the commit ``id``; nothing if it has that name already.

    Raise AlreadyExistsError if another commit has the name or a tag stands
    where git would need a folder, InvalidError for a name git does not allow,
    or that could be a commit's whole id: an id is an id.
    """
    ref = _ref(name)
    if _WHOLE_ID.fullmatch(name) or name == "@":
        meaning = "git's other word for HEAD" if name == "@" else "what the id of a commit looks like"
        raise InvalidError(f"Invalid tag name: {name!r} is {meaning}, and would be taken for that.")
    repository.commit(id)
    _check_folders(repository, ref)
    while not repository.refs.advance(ref, id, None):
        taken = repository.refs.resolve(ref)
        if taken is None:
            continue  # deleted between the two looks
        if peel(repository, taken) == id:
            return
        raise AlreadyExistsError(
            f"Tag {name!r} already names {short_id(taken)}; take it away first (untag), or choose another name."
        )


def delete_tag(repository: Repository, name: str) -> None:
    """Take a tag away; its commit stays. NotFoundError if there is no such tag."""
    ref = _ref(name)
    while True:
        id = repository.refs.resolve(ref)
        if id is None:
            raise NotFoundError(f"No tag {name!r}.")
        if repository.refs.delete(ref, id):
            return


def list_tags(repository: Repository) -> dict[str, CommitId]:
    """Return tag → commit, in order of name; tags of files and trees, which git allows, are left out."""
    found = {}
    for ref, id in repository.refs.list(TAGS).items():
        commit = peel(repository, id)
        if commit is not None:
            found[ref.removeprefix(TAGS)] = commit
    return found


def find_tag(repository: Repository, name: str) -> CommitId | None:
    """Return the commit that a tag names, None if there is no such tag, or not of a commit."""
    try:
        id = repository.refs.resolve(_ref(name))
    except InvalidError:
        return None
    return peel(repository, id) if id is not None else None


def peel(repository: Repository, id: ObjectId) -> CommitId | None:
    """Return the commit that ``id`` is or, by way of annotated tags, names; None if that is no commit."""
    for _ in range(_MAX_TAG_DEPTH):
        kind, _ = repository.objects.header(id)
        if kind == COMMIT:
            return CommitId(id)
        if kind != TAG:
            return None
        id = _target(id, repository.objects.read_kind(id, TAG))
    raise CorruptObjectError(f"tag {id.hex()} is {_MAX_TAG_DEPTH} tags deep; expected a commit by then.")


def _check_folders(repository: Repository, ref: str) -> None:
    """Raise AlreadyExistsError if git, which keeps refs as files, could not have ``ref`` beside those there are."""
    for other in repository.refs.list(TAGS):
        if other.startswith(ref + "/") or ref.startswith(other + "/"):
            raise AlreadyExistsError(
                f"Tag {ref.removeprefix(TAGS)!r} cannot be beside the tag {other.removeprefix(TAGS)!r}:"
                " git keeps one as a folder and the other as a file of that name. Choose another name."
            )


def _target(id: ObjectId, data: bytes) -> ObjectId:
    word, _, hex_id = data.partition(b"\n")[0].partition(b" ")
    try:
        target = ObjectId(bytes.fromhex(hex_id.decode("ascii")))
    except ValueError:
        target = ObjectId(b"")
    if word != b"object" or len(target) != len(id):
        raise CorruptObjectError(f"tag {id.hex()} begins {data[:60]!r}, expected 'object <id>'.")
    return target


def _ref(name: str) -> str:
    if not isinstance(name, str):
        raise InvalidError(f"Invalid tag name: {name!r} is {type(name).__name__}, expected text.")
    # "HEAD" would hide behind the head, and "-x" behind an option: stock git refuses both.
    if name == "HEAD" or name.startswith("-"):
        raise InvalidError(f"Invalid tag name: {name!r}; git refuses 'HEAD' and names that begin with '-'.")
    try:
        return check_ref_name(TAGS + name)
    except InvalidError as error:
        raise InvalidError(
            f"Invalid tag name: {name!r}; git's rules (git check-ref-format) do not allow it."
        ) from error
