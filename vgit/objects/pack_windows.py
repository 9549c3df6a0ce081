"""Pack windows: stretches of packs read lately, so that neighbours cost one system call.

A read that misses takes 16 KiB, enough for a header and a small object. One
that goes on where a window ends takes four times that window, up to 256 KiB:
reading in pack order soon does one call for 256 KiB, reading at random never
pays for more than it uses.
"""

from vgit.backend.protocol import Backend

_FIRST = 16_384
_LONGEST = 262_144
_COUNT = 8  # a few threads, each with its blobs and its trees

_Window = tuple[str, int, int, bytes]  # key, start, end, data


class PackWindows:
    """The windows of all packs of a store; any thread may ask.

    There is no lock: the windows are one tuple, replaced whole. Threads that
    replace it at the same time lose a window, never an answer.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._windows: tuple[_Window, ...] = ()

    def at(self, key: str, offset: int, need: int) -> tuple[bytes, int]:
        """Return (data, place of ``offset`` in it); ``need`` bytes are there unless the value ends before."""
        for name, start, end, data in self._windows:
            if start <= offset and offset + need <= end and name == key:
                return data, offset - start
        return self._load(key, offset, need), 0

    def _load(self, key: str, offset: int, need: int) -> bytes:
        length = max(_FIRST, need)
        windows = self._windows
        for window in windows:
            if window[0] == key and window[1] < offset <= window[2]:
                length = max(need, min(4 * len(window[3]), _LONGEST))
                windows = tuple(other for other in windows if other is not window)
                break
        data = self._backend.get(key, offset, length)
        self._windows = ((key, offset, offset + len(data), data), *windows[: _COUNT - 1])
        return data

    def clear(self) -> None:
        """Forget all windows."""
        self._windows = ()
