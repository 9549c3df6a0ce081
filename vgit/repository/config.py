"""Config: the git config that a volume's repository gets, and what of others' is understood."""

from io import BytesIO
from typing import TYPE_CHECKING

from vgit.errors import CorruptVolumeError
from vgit.ids import FORMATS, SHA1, ObjectFormat
from vgit.runtime.lazy_import import lazy_import

if TYPE_CHECKING:
    from dulwich import config as git_config
else:
    git_config = lazy_import("dulwich.config")

CONFIG = b"""\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = always
\tbigFileThreshold = 1048576
[gc]
\tauto = 0
\tpruneExpire = never
\treflogExpire = never
[receive]
\tautogc = false
\tunpackLimit = 1
\tdenyNonFastForwards = true
\tdenyDeletes = true
\tfsckObjects = true
[transfer]
\tunpackLimit = 1
[pack]
\twindow = 0
"""
# Of format version 1, those that change nothing here: other extensions say where or how things are stored.
_EXTENSIONS = frozenset((b"noop", b"objectformat", b"preciousobjects"))


def object_format(stored: bytes) -> ObjectFormat:
    """Return the object format of a repository with this config; CorruptVolumeError if vgit cannot use it."""
    if stored == CONFIG:  # as it is unless somebody edited it: dulwich need not be loaded
        return SHA1
    try:
        config = git_config.ConfigFile.from_file(BytesIO(stored))
        version = int(_get(config, b"core", b"repositoryformatversion") or b"0")
        extensions = {name.lower() for name, _ in config.items((b"extensions",))} if version else set()
        name = (_get(config, b"extensions", b"objectformat") or b"sha1").decode("ascii", "replace").lower()
    except ValueError as error:
        raise CorruptVolumeError(f"the volume's config cannot be parsed: {error}") from error
    foreign = b", ".join(sorted(extensions - _EXTENSIONS)).decode("ascii", "replace")
    if version not in (0, 1) or name not in FORMATS or foreign:
        raise CorruptVolumeError(
            f"the volume's repository has format version {version}, object format {name!r} and the extensions"
            f" {foreign or 'none'}; this vgit reads versions 0 and 1 with {', '.join(FORMATS)} and no extensions."
        )
    return FORMATS[name]


def _get(config: "git_config.ConfigFile", section: bytes, name: bytes) -> bytes | None:
    try:
        return config.get((section,), name)
    except KeyError:
        return None
