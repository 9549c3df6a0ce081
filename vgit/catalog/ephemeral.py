"""Ephemeral: volumes without a name, which live as long as the process that made them.

    ROOT/ephemeral/<id>     held by that process; made first, removed last

Whether the key is held tells whether the process lives; no process id and no
age is asked. Whoever can hold the key of a volume that was made before takes it
for dead and removes it: the record, then the repository's bytes, then the key.
A death between any two leaves the key, so that the next one finishes.
"""

from vgit.backend import Held
from vgit.catalog.store_root import EPHEMERAL, StoreRoot
from vgit.catalog.volume_record import VolumeRecord
from vgit.errors import BackendUnavailableError, Error, NotFoundError
from vgit.names import check_volume_id
from vgit.runtime.cancel import shield

_TRIES = 100


class Ephemeral:
    """A volume that this process keeps alive, until ``remove``."""

    def __init__(self, root: StoreRoot, record: VolumeRecord, held: Held) -> None:
        self.record = record
        self._root = root
        self._held = held

    def remove(self, author: str) -> None:
        """Remove the volume and its bytes; nothing in a forked child, whose parent still has it."""
        if self._held.is_held:
            _remove(self._root, self.record.id, self.record, self._held, author)


def create_ephemeral(root: StoreRoot, environment: str, author: str) -> Ephemeral:
    """Make a volume without a name, which lives as long as this process unless it is removed before."""
    with shield():
        volume_id = root.prepare_volume(author)
        held = _hold_new(root, volume_id)
        try:
            root.backend.sync(EPHEMERAL)
            return Ephemeral(root, root.make_volume(volume_id, environment, None, author), held)
        except BaseException:
            held.release()  # the next one to make such a volume finds what there is of this
            raise


def reap_ephemerals(root: StoreRoot, author: str) -> int:
    """Remove the volumes without a name whose processes have died; return how many.

    One whose death cannot be told, or that cannot be removed now, is left for later.
    """
    keys = [listed.key for listed in root.backend.list(EPHEMERAL)]
    if not keys:
        return 0
    try:
        records = {record.id: record for record in root.catalog().ephemeral()}
    except NotFoundError:
        return 0
    reaped = 0
    for key in keys:
        try:
            volume_id = check_volume_id(key.removeprefix(EPHEMERAL))
            held = root.backend.hold(key)
            if held is not None:
                _remove(root, volume_id, records.get(volume_id), held, author)
                reaped += 1
        except Error:
            continue
    return reaped


def _hold_new(root: StoreRoot, volume_id: str) -> Held:
    for _ in range(_TRIES):
        held = root.backend.hold(EPHEMERAL + volume_id)
        if held is not None:
            return held
        # Somebody who reaps saw the key before we held it, and is about to remove it.
        root.clock.sleep(root.clock.jitter(0.02))
    raise BackendUnavailableError(f"could not hold {EPHEMERAL + volume_id}, though it is new.")


def _remove(root: StoreRoot, volume_id: str, record: VolumeRecord | None, held: Held, author: str) -> None:
    with shield():
        try:
            if record is not None:
                try:
                    root.catalog().remove(record, author)
                except NotFoundError:
                    pass  # somebody began, and died after this step
            root.volume_backend(volume_id).clear()
            root.backend.delete(EPHEMERAL + volume_id)
            root.backend.sync(EPHEMERAL)
        finally:
            held.release()
