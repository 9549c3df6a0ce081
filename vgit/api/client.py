"""Client: which store, which environment, who is writing.

    store         the argument, else VGIT_STORE, else ``vgit`` in the user's data directory
    environment   the argument, else VGIT_ENVIRONMENT, else ``main``
    author        VGIT_AUTHOR ("Name <mail>"), else user@host
    run mounts    VGIT_MOUNTS, by which ``vgit run`` tells its command which mounts it holds open for it:
                  a JSON list of absolute paths. A client that was not made by ``from_env`` has none

The variables that begin with VGIT count in ``Client.from_env``, and in the command line, only. Where the user's data
directory is, and who the user is, the system's own variables say (XDG_DATA_HOME, HOME, USER), in every client.
"""

import getpass
import json
import os
from collections.abc import Sequence
from typing import Any

from vgit.backend.local import LocalBackend
from vgit.catalog import StoreRoot
from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.errors import InvalidError
from vgit.maintenance import upkeep
from vgit.names import check_environment_name
from vgit.paths import expand_home
from vgit.repository.identity import clean_identity
from vgit.runtime.once import Once

DEFAULT_ENVIRONMENT = "main"


class Client:
    """A store as one program uses it. Cheap to make; picklable; safe in threads and after a fork.

    ``store`` is a directory, made with the first volume; ``environment`` the one
    that names belong to; ``author`` "Name <mail>". Without an argument it is the
    default above; the environment variables count in ``from_env`` only.
    InvalidError for what cannot be one.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        environment: str | None = None,
        *,
        author: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        run_mounts: Sequence[str] = (),
    ) -> None:
        location = expand_home(store) if store is not None else default_store()
        if "://" in location:
            raise InvalidError(
                f"cannot use the store {location!r}: this vgit reads stores in local directories only; give a path."
            )
        self.store = os.path.abspath(location)
        self.environment = check_environment_name(environment or DEFAULT_ENVIRONMENT)
        if not isinstance(author, str | None):
            raise InvalidError(f"Invalid author: {author!r} is {type(author).__name__}, expected 'Name <mail>'.")
        self.author = clean_identity(author or _default_author())
        self.clock = clock
        self.run_mounts = tuple(run_mounts)
        self._root: Once[StoreRoot] = Once()

    @classmethod
    def from_env(cls, store: str | None = None, environment: str | None = None) -> "Client":
        """Return a client as the environment variables say, where the arguments say nothing."""
        return cls(
            store or os.environ.get("VGIT_STORE") or None,
            environment or os.environ.get("VGIT_ENVIRONMENT") or None,
            author=os.environ.get("VGIT_AUTHOR") or None,
            run_mounts=_run_mounts(os.environ.get("VGIT_MOUNTS", "")),
        )

    def __repr__(self) -> str:
        return f"vgit.Client(store={self.store!r}, environment={self.environment!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("store", "environment", "author", "run_mounts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Client.__init__(self, **state)

    @property
    def root(self) -> StoreRoot:
        """The store root. Nothing is made on disk before a volume is created."""
        return self._root.get(self._open_root)

    def _open_root(self) -> StoreRoot:
        if os.path.exists(self.store) and not os.path.isdir(self.store):
            raise InvalidError(f"{self.store} is not a vgit store: it is a file, expected a directory.")
        return StoreRoot(LocalBackend(self.store, clock=self.clock), self.clock, self.store, upkeep.after_commit)

    def in_environment(self, environment: str | None) -> str:
        """Return the environment that a call means: its argument, else this client's."""
        return self.environment if environment is None or environment == "" else check_environment_name(environment)


def client_or_default(client: Client | None) -> Client:
    """Return the client that a call was given, or the one that the environment variables describe."""
    if client is None:
        return Client.from_env()
    if not isinstance(client, Client):
        raise InvalidError(f"Invalid client: {client!r} is {type(client).__name__}, expected a vgit.Client.")
    return client


def default_store() -> str:
    """Return where volumes live if nobody says otherwise."""
    data = os.path.expanduser(os.environ.get("XDG_DATA_HOME") or "~/.local/share")
    if data.startswith("~"):
        raise InvalidError("the user has no home directory to keep volumes in; say where: VGIT_STORE, or --store.")
    return os.path.join(data, "vgit")


def _run_mounts(text: str) -> tuple[str, ...]:
    """Return the paths in ``VGIT_MOUNTS``; InvalidError for what ``vgit run`` does not write."""
    if not text:
        return ()
    try:
        paths = json.loads(text)
    except ValueError:
        paths = None
    if not isinstance(paths, list) or not all(isinstance(path, str) and os.path.isabs(path) for path in paths):
        raise InvalidError(
            f"Invalid VGIT_MOUNTS: {text!r}; expected a JSON list of absolute paths, as `vgit run` sets it."
        )
    return tuple(paths)


def _default_author() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = f"uid{os.getuid()}"
    return f"{user} <{user}@{os.uname().nodename}>"
