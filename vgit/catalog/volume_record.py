"""Volume record: what the catalog says of one volume, a small text file under ``<environment>/<name>``.

    vgit volume 1
    id vo-…
    created_at <ns since the epoch>
    created_by <name <mail>>

Other fields are left alone, so that a later vgit may add some.
"""

from typing import NamedTuple

from vgit.errors import CorruptVolumeError
from vgit.names import check_volume_id

_HEADER = "vgit volume 1"


class VolumeRecord(NamedTuple):
    """One volume as the catalog knows it."""

    environment: str
    name: str | None  # None: an ephemeral volume has no name
    id: str
    created_at_ns: int
    created_by: str

    def encode(self) -> bytes:
        """Return the file's bytes."""
        assert "\n" not in self.created_by, "an identity is one line"
        lines = [_HEADER, f"id {self.id}", f"created_at {self.created_at_ns}", f"created_by {self.created_by}"]
        return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def decode_record(environment: str, name: str | None, data: bytes) -> VolumeRecord:
    """Parse what ``encode`` wrote; raise CorruptVolumeError for anything else."""
    header, *lines = data.decode("utf-8", "surrogateescape").split("\n")
    fields = dict(line.split(" ", 1) for line in lines if " " in line)
    if header != _HEADER or not {"id", "created_at", "created_by"} <= fields.keys():
        raise CorruptVolumeError(
            f"the catalog's file {environment}/{name} starts with {header[:40]!r} and has {sorted(fields)};"
            f" expected {_HEADER!r} with id, created_at and created_by."
        )
    try:
        id, created_at_ns = check_volume_id(fields["id"]), int(fields["created_at"])
    except ValueError as error:
        raise CorruptVolumeError(f"the catalog's file {environment}/{name} is damaged: {error}") from error
    return VolumeRecord(environment, name, id, created_at_ns, fields["created_by"])
