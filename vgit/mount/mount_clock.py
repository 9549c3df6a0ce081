"""Mount clock: what time it is for the file systems of a mount, as scans and readings need to know it."""

import os
from functools import cached_property

from vgit.clock import Clock
from vgit.files.steady_read import Watch
from vgit.localfs.file_systems import FileSystem, file_system_of
from vgit.localfs.filesystem_clock import Clocks, Probe, probe
from vgit.localfs.open_for_writing import shared_writable_maps
from vgit.localfs.root_directory import RootDirectory
from vgit.paths import STATE_NAME


class MountClock:
    """The clock of one mount."""

    def __init__(self, root: RootDirectory, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    @property
    def is_network(self) -> bool:
        """Whether the mount is on a network file system."""
        return self._file_system.is_network

    def probe(self) -> Probe:
        """Return what time it is for the file system that ``.vgit`` is on."""
        descriptor = self._root.open_directory((STATE_NAME,))
        try:
            # What kind its file system is cannot change while the root is open, unless something is mounted on .vgit.
            is_of_root = os.fstat(descriptor).st_dev == os.fstat(self._root.fd).st_dev
            return probe(descriptor, is_network=self.is_network if is_of_root else None)
        finally:
            os.close(descriptor)

    def watch(self) -> Watch:
        """Look at clocks and maps from now on; clock first: a map that ends in between dated its file by then."""
        state = os.stat(STATE_NAME, dir_fd=self._root.fd, follow_symlinks=False)
        kind = self._file_system if state.st_dev == os.fstat(self._root.fd).st_dev else None
        clocks = Clocks(self._clock.sleep, state.st_dev, self.probe, kind)
        return Watch(clocks, lambda: shared_writable_maps(self._root.path))

    @cached_property
    def _file_system(self) -> FileSystem:
        return file_system_of(self._root.fd)
