"""Clock: time, sleep and randomness, passed in as an argument.

Nothing below ``cli/`` reads them elsewhere, so a test that passes its own ``Clock``
replays any run. But what time it is for a file system, by which a file's times are
judged, is in ``localfs/filesystem_clock.py``.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The four ways in which a run depends on when and where it happens."""

    now_ns: Callable[[], int]  # ns since the epoch
    monotonic: Callable[[], float]  # seconds, for time-outs only
    sleep: Callable[[float], None]  # seconds
    random_bytes: Callable[[int], bytes]

    def jitter(self, limit_seconds: float) -> float:
        """Return a random number of seconds in [0, limit)."""
        return int.from_bytes(self.random_bytes(4), "little") / 2**32 * limit_seconds


SYSTEM_CLOCK = Clock(time.time_ns, time.monotonic, time.sleep, os.urandom)
