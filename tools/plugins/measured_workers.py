"""Measured workers: a pytest plugin with which coverage sees what the worker processes of vgit run.

Coverage begins in a subprocess when ``site`` is imported, and saves when the interpreter ends. Workers are started
without ``site``, and killed. Only tools/check --coverage loads this.
"""

import subprocess
from typing import Any

_BEFORE = "; from vgit"
_MEASURE = "; import coverage; coverage.process_startup()"
_PATIENCE_S = 1  # for a worker to end by itself; it may wait for a caller that reads no more


class Popen(subprocess.Popen[Any]):
    """A process; if it is a worker, coverage begins in it, and it ends by itself once nothing comes any more."""

    def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
        self._is_worker = isinstance(args, list) and "-S" in args and _BEFORE in args[-1]
        if self._is_worker:
            args = [*args[:-1], args[-1].replace(_BEFORE, _MEASURE + _BEFORE, 1)]
        super().__init__(args, *rest, **options)

    def kill(self) -> None:
        if self._is_worker and self.stdin is not None:
            self.stdin.close()
            self.stdin = None  # communicate() must not close it again
            try:
                self.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                pass
        super().kill()


subprocess.Popen = Popen  # type: ignore[misc]
