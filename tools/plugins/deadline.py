"""Deadline: a pytest plugin that leaves out the tests for which no time is left, for tools/check --fast.

The environment's CHECK_UNTIL is when: seconds since 1970. A test that has begun may take as long as it likes.
"""

import os
import time

import pytest

_UNTIL = float(os.environ["CHECK_UNTIL"])
_REASON = "no time was left"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if time.time() > _UNTIL:
        pytest.skip(_REASON)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = [report for report in terminalreporter.stats.get("skipped", []) if _REASON in str(report.longrepr)]
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} tests were left out: {_REASON}. tools/check runs all.")
