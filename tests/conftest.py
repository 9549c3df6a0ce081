"""Conftest: what every test may ask for."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests import gitjudge

# A shell's background job ignores interrupts, and so would all that is started from it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A hook of git has variables that lead to this repository: no test may write into it by them.
_LOCAL = ["git", "rev-parse", "--local-env-vars"]
for _variable in subprocess.run(_LOCAL, capture_output=True, text=True, check=True).stdout.split():
    os.environ.pop(_variable, None)

# No test depends on speed: a loaded machine must not turn one red.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def git() -> Callable[..., bytes]:
    """Stock git without any configuration: ``git(git_dir, "log", …)`` gives its stdout."""
    return gitjudge.run
