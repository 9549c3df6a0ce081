"""Store root: the directory (or bucket prefix) that holds a catalog and its volumes.

    ROOT/catalog.git/          names → ids
    ROOT/volumes/<id>.git/     one bare repository per volume
    ROOT/ephemeral/<id>        held by the process that a volume without a name belongs to (ephemeral.py)

A volume's repository is durable before its name exists, so a crash between the
two leaves an unnamed repository (gc's to collect) and never a broken name.
"""

from collections.abc import Callable

from vgit.backend import Backend
from vgit.catalog.catalog import Catalog
from vgit.catalog.volume_record import VolumeRecord
from vgit.clock import Clock
from vgit.errors import AlreadyExistsError, CorruptVolumeError, InvalidError, NotFoundError
from vgit.ids import SHA1
from vgit.names import check_environment_name, check_new_volume_name, check_volume_id, new_volume_id
from vgit.repository.identity import clean_identity
from vgit.repository.refs import MAIN, Refs
from vgit.repository.repository import Repository
from vgit.runtime.cancel import shield
from vgit.runtime.once import Once

_CATALOG = "catalog.git"
_VOLUMES = "volumes/"
EPHEMERAL = "ephemeral/"


def volume_key(volume_id: str) -> str:
    """Return where, below the store root, a volume's repository is."""
    return f"{_VOLUMES}{check_volume_id(volume_id)}.git"


class StoreRoot:
    """One store. Makes its catalog when the first volume is created, never when something is read."""

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        location: str,
        upkeep: Callable[[Repository], object] | None = None,
    ) -> None:
        self._upkeep = upkeep  # what every repository that is opened here has done after a commit
        self.backend = backend
        self.clock = clock
        self.location = location
        self._catalog: Once[Catalog] = Once()

    @property
    def exists(self) -> bool:
        """Whether there is a store here; InvalidError if there is something else, CorruptVolumeError if half of one."""
        catalog = Refs(self.backend.child(_CATALOG), SHA1)
        if catalog.list(MAIN):
            return True
        # The catalog comes first and its ref is what its creation ends with: without it there is nothing to read.
        for listed in self.backend.list(""):
            if listed.key.startswith((_VOLUMES, EPHEMERAL)):
                if catalog.list(MAIN):
                    return True  # somebody made both since the first look
                raise CorruptVolumeError(
                    f"the store at {self.location} holds volumes, and its catalog has no {MAIN}: their names are"
                    f" lost. Restore {_CATALOG} from a backup."
                )
            if not listed.key.startswith(f"{_CATALOG}/"):
                raise InvalidError(
                    f"{self.location} is not a vgit store: it holds {listed.key!r} and no {_CATALOG}."
                    " Give the path of a store, or of an empty or new directory."
                )
        return False

    def catalog(self) -> Catalog:
        """Return the catalog; NotFoundError if there is no store here yet."""
        return self._catalog.get(self._open_catalog)

    def create_volume(self, environment: str, name: str, author: str) -> VolumeRecord:
        """Make a volume, then its name; AlreadyExistsError if the name is taken."""
        check_environment_name(environment)
        check_new_volume_name(name)
        volume_id = self.prepare_volume(author)
        taken = self.catalog().find(environment, name)
        if taken is not None:  # known before anything is made; add() checks again for the race
            raise AlreadyExistsError(
                f"Volume {name!r} already exists in environment {environment!r} (id {taken.id});"
                " choose another name, or take the one that is there (allow_existing=True, --allow-existing)."
            )
        with shield():  # cancelled in between, it would leave a repository that has no name
            return self.make_volume(volume_id, environment, name, author)

    def prepare_volume(self, author: str) -> str:
        """Make the store if there is none yet, and return the id of a volume to be made."""
        self._catalog_to_write(clean_identity(author))
        return new_volume_id(self.clock)

    def make_volume(self, volume_id: str, environment: str, name: str | None, author: str) -> VolumeRecord:
        """Make a repository, then its record in the catalog (None: one without a name)."""
        author = clean_identity(author)
        Repository.create(self.volume_backend(volume_id), self.clock, author).close()
        record = VolumeRecord(environment, name, volume_id, self.clock.now_ns(), author)
        self.catalog().add(record, author)
        return record

    def open_volume(self, volume_id: str) -> Repository:
        """Open a volume's repository; CorruptVolumeError if the catalog names it and it is not there."""
        return self._open(self.volume_backend(volume_id))

    def has_repository(self, volume_id: str) -> bool:
        """Return whether a volume's repository is there, whatever the catalog says."""
        return bool(Refs(self.volume_backend(volume_id), SHA1).list(MAIN))

    def volume_backend(self, volume_id: str) -> Backend:
        """Return the backend of one volume's repository."""
        return self.backend.child(volume_key(volume_id))

    def _open_catalog(self) -> Catalog:
        if not self.exists:
            raise NotFoundError(f"there is no vgit store at {self.location}; creating a volume makes one.")
        return Catalog(self._open(self.backend.child(_CATALOG)), self.clock)

    def _open(self, backend: Backend) -> Repository:
        repository = Repository.open(backend, self.clock)
        repository.upkeep = self._upkeep
        return repository

    def _catalog_to_write(self, author: str) -> Catalog:
        return self._catalog.get(lambda: self._open_or_make_catalog(author))

    def _open_or_make_catalog(self, author: str) -> Catalog:
        # Asked before the lock is taken: a directory that is no store gets no lock file, either.
        if not self.exists:
            with self.backend.exclusive():  # two first creations at once: one of them makes the catalog
                if not self.exists:
                    Repository.create(self.backend.child(_CATALOG), self.clock, author, "Create catalog").close()
        return self._open_catalog()
