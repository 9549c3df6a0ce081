"""Catalog: names → ids, itself a repository whose log is the audit trail.

It uses a volume's store but never its merge: each edit carries a precondition
per name (absent, or this id), which is checked again with every head that
``publish`` tries. So of two processes that create one name, one gets
AlreadyExistsError or, if it asked for that, the winner's record.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vgit.catalog.volume_record import VolumeRecord, decode_record
from vgit.clock import Clock
from vgit.content import read_content, store_bytes
from vgit.errors import AlreadyExistsError, CorruptVolumeError, NotFoundError
from vgit.ids import TreeId
from vgit.names import check_new_volume_name
from vgit.objects.git_mode import FILE_MODE
from vgit.repository.ancestry import first_parents
from vgit.repository.commit import Commit
from vgit.repository.repository import Repository
from vgit.runtime.lazy_import import lazy_import
from vgit.tree.directory import Directory, find_entry
from vgit.tree.edits import Edit, Edits
from vgit.tree.entry import Entry, Kind, subtree

if TYPE_CHECKING:
    from vgit.repository import publish
else:
    publish = lazy_import("vgit.repository.publish")

_EPHEMERAL = "~ephemeral"  # no environment can be called so
_RECORD_MODE = 0o100644
_NOTHING = Directory(None, {})


class Catalog:
    """The volumes of one store, by environment and name."""

    def __init__(self, repository: Repository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    def find(self, environment: str, name: str) -> VolumeRecord | None:
        """Return the record of a name, None if there is none."""
        return self._find_in(self._head(), environment, name)

    def find_id(self, volume_id: str) -> VolumeRecord | None:
        """Return the record of an id, ephemeral volumes included; cost grows with the number of volumes."""
        return next((record for record in self._all(self._head()) if record.id == volume_id), None)

    def named(self, environment: str) -> list[VolumeRecord]:
        """Return the named volumes of an environment, newest first."""
        records = [record for record in self._all(self._head(), environment) if record.name is not None]
        return sorted(records, key=lambda record: (-record.created_at_ns, record.name or ""))

    def ephemeral(self) -> list[VolumeRecord]:
        """Return the volumes without a name."""
        return list(self._all(self._head(), _EPHEMERAL))

    def add(self, record: VolumeRecord, author: str) -> None:
        """Give a volume that is durable already its name; AlreadyExistsError if the name is taken."""
        environment, name = _place(record)

        def check(head: Commit) -> None:
            taken = self._find_in(head.tree, environment, name)
            if taken is not None:
                raise AlreadyExistsError(
                    f"Volume {name!r} already exists in environment {environment!r} (id {taken.id});"
                    " choose another name, or take the one that is there (allow_existing=True, --allow-existing)."
                )

        self._write(f"Create {environment}/{name}", author, check, {(environment, name): record})

    def undelete(self, record: VolumeRecord, author: str) -> None:
        """Give a deleted volume its name again; AlreadyExistsError if the name is taken, or the id has another."""
        environment, name = _place(record)

        def check(head: Commit) -> None:
            taken = self._find_in(head.tree, environment, name)
            alive = taken or next((one for one in self._all(head.tree) if one.id == record.id), None)
            if alive is not None:
                raise AlreadyExistsError(
                    f"cannot bring back volume {name!r} (id {record.id}): environment {alive.environment!r} has"
                    f" {alive.name!r} with id {alive.id}. Rename or delete that one first."
                )

        self._write(f"Undelete {environment}/{name}", author, check, {(environment, name): record})

    def rename(self, environment: str, old: str, new: str, author: str) -> VolumeRecord:
        """Move a name; the id stays. NotFoundError without ``old``, AlreadyExistsError with ``new``."""
        check_new_volume_name(new)
        record = self._expect(environment, old)
        moved = VolumeRecord(environment, new, record.id, record.created_at_ns, record.created_by)

        def check(head: Commit) -> None:
            self._check_still(head, record)
            if new != old and self._find_in(head.tree, environment, new) is not None:
                raise AlreadyExistsError(
                    f"Volume {new!r} already exists in environment {environment!r}; choose another name."
                )

        if new != old:
            changes = {(environment, old): None, (environment, new): moved}
            self._write(f"Rename {environment}/{old} to {new}", author, check, changes)
        return moved

    def remove(self, record: VolumeRecord, author: str) -> None:
        """Take a volume's name away; the volume itself stays until gc. NotFoundError if it is gone already."""
        environment, name = _place(record)
        self._write(
            f"Delete {environment}/{name}",
            author,
            lambda head: self._check_still(head, record),
            {(environment, name): None},
        )

    def deleted(self, environment: str, name: str) -> Iterator[VolumeRecord]:
        """Yield the records that ``name`` has had and lost, the last one first."""
        alive = {record.id for record in self._all(self._head())}
        for _, commit in first_parents(self._repository, self._repository.head()):
            record = self._find_in(commit.tree, environment, name)
            if record is not None and record.id not in alive:
                alive.add(record.id)
                yield record

    def _expect(self, environment: str, name: str) -> VolumeRecord:
        record = self.find(environment, name)
        if record is None:
            raise NotFoundError(f"Volume {name!r} not found in environment {environment!r}.")
        return record

    def _check_still(self, head: Commit, record: VolumeRecord) -> None:
        environment, name = _place(record)
        now = self._find_in(head.tree, environment, name)
        if now is None or now.id != record.id:
            raise NotFoundError(
                f"Volume {name!r} (id {record.id}) is not in environment {environment!r} any more;"
                " somebody deleted or renamed it meanwhile."
            )

    def _head(self) -> TreeId:
        return self._repository.commit(self._repository.head()).tree

    def _names(self, tree: TreeId, environment: str) -> Directory:
        below = subtree(self._repository.root(tree).entries.get(environment))
        return self._repository.directories.read(below) if below is not None else _NOTHING

    def _find_in(self, tree: TreeId, environment: str, name: str) -> VolumeRecord | None:
        entry = find_entry(self._repository.directories, tree, (environment, name))
        return None if entry is None else self._read(environment, name, entry)

    def _all(self, tree: TreeId, environment: str | None = None) -> Iterator[VolumeRecord]:
        wanted = self._repository.root(tree).entries if environment is None else [environment]
        for one in wanted:
            for name, entry in self._names(tree, one).entries.items():
                yield self._read(one, name, entry)

    def _read(self, environment: str, name: str, entry: Entry) -> VolumeRecord:
        if entry.kind is not Kind.FILE:
            raise CorruptVolumeError(f"the catalog's {environment}/{name} is a {entry.kind.value}, expected a file.")
        data = b"".join(read_content(self._repository.objects, entry))
        return decode_record(environment, None if environment == _EPHEMERAL else name, data)

    def _write(
        self,
        message: str,
        author: str,
        check: Callable[[Commit], None],
        changes: dict[tuple[str, str], VolumeRecord | None],
    ) -> None:
        edits = Edits()
        head = self._head()
        now_ns = self._clock.now_ns()
        with self._repository.writer() as writer:
            for path, record in changes.items():
                new = None
                if record is not None:
                    stored = store_bytes(record.encode(), writer)
                    new = Entry(_RECORD_MODE, FILE_MODE, stored.id, stored.size, now_ns, stored.hash)
                # What the check lets pass has been seen, so that no receipt calls it lost.
                edits[path] = Edit(new, find_entry(self._repository.directories, head, path))
            proposal = publish.Proposal(edits, author, message=message, check=check)
            publish.publish(self._repository, proposal, writer)


def _place(record: VolumeRecord) -> tuple[str, str]:
    return (_EPHEMERAL, record.id) if record.name is None else (record.environment, record.name)
