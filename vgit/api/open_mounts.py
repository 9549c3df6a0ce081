"""Open mounts: which mounts a program has: those that it opened, and those that `vgit run` holds open for it.

``Volume.commit()`` and ``reload()`` act on the mounts that this process opened,
through whatever handle, so the list of them is the process's and not a handle's.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from vgit.api.background import check_commit_every
from vgit.api.client import Client
from vgit.api.existing_mount import ExistingMount
from vgit.api.mount import Mount
from vgit.api.user_warnings import warn_of_local_changes
from vgit.errors import AlreadyExistsError, NotMountedError
from vgit.maintenance import upkeep
from vgit.mount.binding import Binding
from vgit.mount.layout import MountRecord, is_mount, read_record
from vgit.mount.open import open_mount, share_mount
from vgit.mount.scope import overlap
from vgit.paths import printable
from vgit.repository.aftermath import Aftermath
from vgit.repository.repository import Repository
from vgit.runtime.forks import reset_after_fork


class _OpenMounts:
    """The mounts that this process has open. A forked child has none: its parent's stay its parent's."""

    def __init__(self) -> None:
        self._mounts: list[Mount] = []
        self._guard = threading.Lock()
        reset_after_fork(self)

    def after_fork(self) -> None:
        self._mounts = []
        self._guard = threading.Lock()

    def add(self, mount: Mount) -> None:
        with self._guard:
            self._mounts.append(mount)

    def discard(self, mount: Mount) -> None:
        with self._guard:
            self._mounts = [one for one in self._mounts if one is not mount]

    def of(self, volume_id: str) -> list[Mount]:
        with self._guard:
            return [mount for mount in self._mounts if mount.volume_id == volume_id]


_open = _OpenMounts()


def open_for_program(
    path: str,
    binding: Binding,
    repository: Repository,
    author: str,
    *,
    commit_every: float | None = None,
    run_mounts: Sequence[str] = (),
) -> Mount:
    """Mount for this process; AlreadyExistsError if it has that part of the volume mounted for writing elsewhere.

    One of the ``run_mounts`` is used as it is: `vgit run` has brought it up to
    date, and other programs may be at work in it. Of another that is
    read-only and was changed all the same a LocalChangesWarning tells.
    """
    if commit_every is not None:
        check_commit_every(commit_every, read_only=binding.read_only)
    _refuse_second_writer(binding)
    is_taken_up = binding.adopt or is_mount(path)  # else all its files come from the volume
    is_run_mount = os.path.realpath(path) in map(os.path.realpath, run_mounts) and is_mount(path)
    open_directory = share_mount if is_run_mount else open_mount
    working = open_directory(path, binding, repository, repository.clock)
    mount = Mount(working, author, on_release=_open.discard)
    after = Aftermath(f"{printable(path)} is mounted")
    if not binding.read_only:
        with after.step("sweeping the volume's repository"):
            upkeep.after_mount(repository)
    _open.add(mount)
    try:
        if binding.read_only and is_taken_up and not is_run_mount:
            warn_of_local_changes(str(mount.path), mount.local_changes())
        after.hand_on()
    except BaseException:
        mount.release()  # nobody would have it
        raise
    if commit_every is not None:
        mount.commit_in_background(commit_every)
    return mount


def _refuse_second_writer(binding: Binding) -> None:
    if binding.read_only:
        return
    for mount in mounts_of(binding.volume_id):
        if not mount.read_only and overlap(mount.sub_path, binding.sub_path):
            raise AlreadyExistsError(
                f"this process has the volume mounted for writing at {mount.path} already;"
                " close that mount first, or mount read-only."
            )


def mounts_of(volume_id: str) -> list[Mount]:
    """Return this process's open mounts of a volume."""
    return _open.of(volume_id)


@contextmanager
def expect_mounts(volume_id: str, client: Client, repository: Repository, shown: str) -> Iterator[list[Mount]]:
    """Give this process's mounts of a volume and those that `vgit run` holds open for it; or NotMountedError."""
    with ExitStack() as stack:
        found = mounts_of(volume_id)
        known = {os.path.realpath(mount.path) for mount in found}
        for path in client.run_mounts:
            record = _record_or_none(path)
            if record is None or os.path.realpath(path) in known:
                continue
            if record.volume_id == volume_id and os.path.realpath(record.store) == os.path.realpath(client.store):
                found.append(stack.enter_context(ExistingMount(path, repository, client.author)).mount)
        if not found:
            raise NotMountedError(
                f"{shown} is not mounted by this process. Mount it (with vol.mount(path)), or start the program by"
                " `vgit run`; in a directory that `vgit mount` made, run `vgit commit` or `vgit reload`."
            )
        yield found


def _record_or_none(path: str) -> MountRecord | None:
    try:
        return read_record(path)
    except (NotMountedError, OSError):
        return None  # unmounted since `vgit run` opened it, or of another machine
