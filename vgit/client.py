"""Client: which store, which environment, who is writing.

    store         the argument, else VGIT_STORE, else ``vgit`` in the user's data directory
    environment   the argument, else VGIT_ENVIRONMENT, else ``main``
    author        VGIT_AUTHOR ("Name <mail>"), else user@host

``Client.from_env`` and the command line are the only readers of the environment.
"""

import getpass
import os
import socket
import threading
from pathlib import Path as FilePath

from vgit.backend.forks import start_afresh_after_fork
from vgit.backend.local import LocalBackend
from vgit.catalog import StoreRoot
from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.commit import clean_identity
from vgit.errors import InvalidError
from vgit.names import check_environment_name

DEFAULT_ENVIRONMENT = "main"


class Client:
    """A store as one program uses it. Cheap to make; picklable; safe in threads and after a fork."""

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        environment: str | None = None,
        *,
        author: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        location = os.fspath(store) if store is not None else default_store()
        if "://" in location:
            raise InvalidError(
                f"cannot use the store {location!r}: this vgit reads stores in local directories only; give a path."
            )
        self.store = os.path.abspath(os.path.expanduser(location))
        self.environment = check_environment_name(environment or DEFAULT_ENVIRONMENT)
        self.author = clean_identity(author or _default_author())
        self.clock = clock
        self._guard = threading.Lock()
        start_afresh_after_fork(self)
        self._root: StoreRoot | None = None

    @classmethod
    def from_env(cls, store: str | None = None, environment: str | None = None) -> "Client":
        """Return a client as the environment variables say, where the arguments say nothing."""
        return cls(
            store or os.environ.get("VGIT_STORE") or None,
            environment or os.environ.get("VGIT_ENVIRONMENT") or None,
            author=os.environ.get("VGIT_AUTHOR") or None,
        )

    def __repr__(self) -> str:
        return f"vgit.Client(store={self.store!r}, environment={self.environment!r})"

    def __getstate__(self) -> dict[str, str]:
        return {"store": self.store, "environment": self.environment, "author": self.author}

    def __setstate__(self, state: dict[str, str]) -> None:
        Client.__init__(self, state["store"], state["environment"], author=state["author"])

    def after_fork(self) -> None:
        """Open the store anew in a forked child, where a thread that held the guard does not exist."""
        self._guard = threading.Lock()
        self._root = None

    @property
    def root(self) -> StoreRoot:
        """The store root. Nothing is made on disk before a volume is created."""
        with self._guard:
            if self._root is None:
                if os.path.exists(self.store) and not os.path.isdir(self.store):
                    raise InvalidError(f"{self.store} is not a vgit store: it is a file, expected a directory.")
                self._root = StoreRoot(LocalBackend(self.store, clock=self.clock), self.clock, self.store)
            return self._root

    def in_environment(self, environment: str | None) -> str:
        """Return the environment that a call means: its argument, else this client's."""
        return self.environment if environment is None or environment == "" else check_environment_name(environment)


def default_store() -> str:
    """Return where volumes live if nobody says otherwise."""
    data = os.environ.get("XDG_DATA_HOME") or str(FilePath.home() / ".local" / "share")
    return os.path.join(data, "vgit")


def _default_author() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = f"uid{os.getuid()}"
    return f"{user} <{user}@{socket.gethostname()}>"
