"""Refs: the names that move, read and swapped by git's own rules.

A ref is a loose file (``refs/heads/main``: hex and a newline), or a line of
``packed-refs`` when stock git packed it; the loose file wins. A loose file may
name another ref instead (``ref: refs/heads/other``). ``advance`` is
compare-and-swap on the loose file, under git's lock (``<ref>.lock``) and the
backend's ``exclusive`` lock, so it excludes stock git and vgit alike.

Two holes are left, and known. If a ref is packed only, a stock git that moves
it *and* packs it again within the microseconds between our look at
``packed-refs`` and our swap is not noticed; vgit never packs refs, and
``gc.auto=0`` keeps stock git from doing it by itself. And ``delete`` excludes
other vgits only: a stock git that moves the ref in that moment may lose its
move. Of the refs that vgit deletes (tags, leases), stock git moves none.
"""

import re
from io import BytesIO
from typing import TYPE_CHECKING

from vgit.backend import Backend
from vgit.errors import BackendUnavailableError, CorruptVolumeError, InvalidError, NotFoundError
from vgit.ids import ObjectFormat, ObjectId
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from dulwich import errors as dulwich_errors
    from dulwich import refs as dulwich_refs
else:
    dulwich_errors, dulwich_refs = lazy_import("dulwich.errors"), lazy_import("dulwich.refs")

MAIN = "refs/heads/main"
TAGS = "refs/tags/"
_PACKED = "packed-refs"
_SYMBOLIC = b"ref:"
_MAX_SYMBOLIC_DEPTH = 5  # git's own limit
_PLAIN = re.compile(r"refs(?:/\w[\w-]*)+", re.ASCII)  # a name that git has nothing against
_HEX = re.compile(rb"[0-9a-fA-F]+(?=\s|\Z)")


def check_ref_name(name: str) -> str:
    """Return ``name`` if git accepts it as a ref, else raise InvalidError."""
    if not _is_ref_name(name):
        raise InvalidError(f"Invalid ref name: {name!r}; git's rules (git check-ref-format) do not allow it.")
    return name


def _is_ref_name(name: str) -> bool:
    if _PLAIN.fullmatch(name):  # most are; for others dulwich is loaded
        return True
    try:
        return dulwich_refs.check_ref_format(dulwich_refs.Ref(name.encode("utf-8", "surrogateescape")))
    except UnicodeEncodeError:
        return False


class Refs:
    """The refs of one repository. Holds nothing open; any thread may use it."""

    def __init__(self, backend: Backend, object_format: ObjectFormat) -> None:
        self._backend = backend
        self._format = object_format

    def resolve(self, name: str) -> ObjectId | None:
        """Return the id that ``name`` holds, symbolic refs followed; None if there is no such ref."""
        name, loose = self._follow(name)
        return self._packed().get(name) if loose is None else self._parse(name, loose)

    def advance(self, name: str, new: ObjectId, expected: ObjectId | None) -> bool:
        """Set ``name`` to ``new`` if it is ``expected`` (None: if it does not exist); say whether it was so.

        Of a symbolic ref, the ref that it names is set. After
        BackendUnavailableError either may be the case, if it does not say more.
        """
        with self._backend.exclusive():
            name, loose = self._follow(name)
            current = self._packed().get(name) if loose is None else self._parse(name, loose)
            if current != expected:
                return False
            value = new.hex().encode() + b"\n"
            try:
                return self._backend.put_if(name, value, loose)
            except BackendUnavailableError as error:
                if self._loose(name) != value:
                    raise
                self._make_durable(name, error)
                return True

    def _make_durable(self, name: str, error: BackendUnavailableError) -> None:
        """Have the directory of a ref that everybody sees already, though ``error`` came afterwards, synced."""
        try:
            self._backend.sync(name.rpartition("/")[0])
        except BackendUnavailableError:
            raise BackendUnavailableError(
                f"{name} has its new value, which everybody sees; but the disk did not confirm it, so that it may be"
                f" lost with the power: {error}"
            ) from error

    def delete(self, name: str, expected: ObjectId) -> bool:
        """Remove ``name``, its reflog too, if it is ``expected``; say whether it was so."""
        with self._backend.exclusive():
            loose = self._loose(name)
            current = self._packed().get(name) if loose is None else self._parse(name, loose)
            if current != expected:
                return False
            # The packed line first: without its loose file an old packed value would be back.
            self._backend.delete("logs/" + name)
            while not self._delete_packed(name):
                pass
            self._backend.delete(name)
            self._backend.sync(name.rpartition("/")[0])
            return True

    def list(self, prefix: str) -> dict[str, ObjectId]:
        """Return every ref that starts with ``prefix``, in order of name."""
        loose: dict[str, ObjectId] = {}
        for listed in self._backend.list(prefix):
            if _is_ref_name(listed.key):  # else it is a file that git does not take for a ref, either
                id = self.resolve(listed.key)
                if id is not None:
                    loose[listed.key] = id
        # After the loose ones: git packs a ref before it removes the file, so none falls in between.
        found = {name: id for name, id in self._packed().items() if name.startswith(prefix)} | loose
        return dict(sorted(found.items()))

    def parse_id(self, text: str) -> ObjectId:
        """Return the raw id of full hex digits; CorruptVolumeError for anything else."""
        return self._parse("id", text.encode("utf-8", "replace"))

    def _follow(self, name: str) -> tuple[str, bytes | None]:
        """Return the ref that ``name`` leads to, and what its loose file holds (None: there is none)."""
        for _ in range(_MAX_SYMBOLIC_DEPTH):
            value = self._loose(name)
            if value is None or not value.startswith(_SYMBOLIC):
                return name, value
            target = value[len(_SYMBOLIC) :].strip().decode("utf-8", "surrogateescape")
            if not _is_ref_name(target):
                raise CorruptVolumeError(f"ref {name} holds {value[:60]!r}, which names no ref.")
            name = target
        raise CorruptVolumeError(f"ref {name} is symbolic {_MAX_SYMBOLIC_DEPTH} times over; expected an id.")

    def _loose(self, name: str) -> bytes | None:
        try:
            return self._backend.get(name)
        except NotFoundError:
            return None

    def _packed(self) -> dict[str, ObjectId]:
        data = self._loose(_PACKED)
        if data is None:
            return {}
        try:
            return {
                name.decode("utf-8", "surrogateescape"): self._parse(_PACKED, hex_id)
                for hex_id, name, _ in dulwich_refs.read_packed_refs_with_peeled(BytesIO(data))
            }
        except (dulwich_errors.PackedRefsException, ValueError) as error:
            raise CorruptVolumeError(f"packed-refs is damaged: {error}. Run git fsck on the volume.") from error

    def _delete_packed(self, name: str) -> bool:
        """Take a ref's lines out of packed-refs; False if somebody else changed the file meanwhile."""
        if name not in self._packed():
            return True
        data = self._backend.get(_PACKED)
        # A line that starts with "^" is the commit of the tag on the line before it.
        lines = re.escape(name.encode("utf-8", "surrogateescape"))
        rest = re.sub(rb"^[0-9a-fA-F]+ %b\r?\n(?:\^.*\n)?" % lines, b"", data, flags=re.M)
        return self._backend.put_if(_PACKED, rest, data)

    def _parse(self, name: str, value: bytes) -> ObjectId:
        found = _HEX.match(value)
        digits = self._format.id_size * 2
        if found is None or len(found[0]) != digits:
            raise CorruptVolumeError(f"ref {name} holds {value[:60]!r}, expected an id of {digits} hex digits.")
        return ObjectId(bytes.fromhex(found[0].decode()))
