"""Versioned: the published states of a volume: told, compared, brought back, and named by tags."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from vgit.api.aio import Generator, Method
from vgit.api.convert import change, conclude
from vgit.api.handle import Handle
from vgit.errors import InvalidError
from vgit.history.file_changes import changes
from vgit.history.log import log as read_log
from vgit.history.moment import to_seconds
from vgit.history.revision import resolve_revision
from vgit.history.tags import delete_tag, list_tags, set_tag
from vgit.paths import parse_path
from vgit.runtime.lazy_import import lazy_import
from vgit.types import Change, CommitInfo

if TYPE_CHECKING:
    from vgit.history import restore as history_restore
else:
    history_restore = lazy_import("vgit.history.restore")


class Versioned(Handle):
    """What has a history: a volume."""

    def _log(
        self,
        path: str | None = None,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
    ) -> Iterator[CommitInfo]:
        """Yield the published states, newest first; of ``path`` only those that changed something there.

        ``since`` and ``until``, both inclusive, are datetimes or text such as
        "2026-11-01" or "2 hours ago". NotFoundError if nothing was ever at ``path``.
        """
        repository = self.repository
        now_ns = self._client.clock.now_ns()
        logged = read_log(
            repository,
            repository.head(),
            parse_path(path) if path is not None else None,
            since=to_seconds(since, now_ns) if since is not None else None,
            until=to_seconds(until, now_ns) if until is not None else None,
            limit=limit,
            now_ns=now_ns,
        )
        for id, commit, counts in logged:
            yield CommitInfo.of(id, commit, counts)

    def _diff(self, old: str = "HEAD~1", new: str = "HEAD", path: str | None = None) -> list[Change]:
        """Return what differs between two revisions, in path order; NotFoundError if one does not exist."""
        repository = self.repository
        trees = [repository.commit(resolve_revision(repository, one)).tree for one in (old, new)]
        where = parse_path(path) if path is not None else None
        return [change(one) for one in changes(repository, trees[0], trees[1], where)]

    def _restore(
        self, revision: str, paths: list[str] | None = None, *, message: str | None = None
    ) -> CommitInfo | None:
        """Publish an old state, or some paths of it, as the newest; None if the newest state has all of it.

        NotFoundError if there is no such revision, or it has no such path.
        """
        self._refuse_read_only()
        if isinstance(paths, str) or not isinstance(paths, Iterable | None):  # of a text, each letter would be a path
            raise InvalidError(f"paths must be a list; got {paths!r}. Give [{paths!r}].")
        repository = self.repository
        wanted = [parse_path(path) for path in paths] if paths is not None else None
        published = history_restore.restore(
            repository, resolve_revision(repository, revision), wanted, self._client.author, message
        )
        return conclude(repository, published)

    def _tag(self, name: str, revision: str = "HEAD") -> None:
        """Give a revision a name that stays with it; AlreadyExistsError if another revision has it."""
        self._refuse_read_only()
        repository = self.repository
        set_tag(repository, name, resolve_revision(repository, revision))

    def _untag(self, name: str) -> None:
        """Take a tag away; NotFoundError if there is none."""
        self._refuse_read_only()
        delete_tag(self.repository, name)

    def _tags(self) -> dict[str, str]:
        """Return tag → hex id of its commit, in order of name."""
        return {name: id.hex() for name, id in list_tags(self.repository).items()}

    log = Generator(_log)
    diff = Method(_diff)
    restore = Method(_restore)
    tag = Method(_tag)
    untag = Method(_untag)
    tags = Method(_tags)
