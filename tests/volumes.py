"""Volumes: repositories with files in them, and what a reader finds there."""

from pathlib import Path as FilePath

from vgit.backend import Backend
from vgit.backend.local import LocalBackend
from vgit.clock import SYSTEM_CLOCK
from vgit.content import read_content
from vgit.ids import CommitId, TreeId
from vgit.paths import Path
from vgit.repository.ancestry import first_parents
from vgit.repository.repository import Repository

AUTHOR = "tester <t@x>"


def create(backend: Backend) -> Repository:
    return Repository.create(backend, SYSTEM_CLOCK, AUTHOR)


def create_local(path: FilePath) -> Repository:
    return create(LocalBackend(str(path)))


def open_local(path: FilePath) -> Repository:
    return Repository.open(LocalBackend(str(path)), SYSTEM_CLOCK)


def files(repository: Repository, commit: CommitId | None = None) -> dict[Path, bytes]:
    """Return the content of every file, each byte of it checked; of head unless ``commit`` is given."""
    id = repository.head() if commit is None else commit
    found: dict[Path, bytes] = {}
    pending: list[tuple[Path, TreeId]] = [((), repository.commit(id).tree)]
    for path, tree in pending:
        for name, entry in repository.directories.read(tree).entries.items():
            if entry.is_directory and entry.id is not None:
                pending.append(((*path, name), TreeId(entry.id)))
            else:
                found[(*path, name)] = b"".join(read_content(repository.objects, entry))
    return found


def messages(repository: Repository) -> list[str]:
    """Return the first line of every commit on head's first-parent line, newest first."""
    return [commit.message.split("\n")[0] for _, commit in first_parents(repository, repository.head())]
