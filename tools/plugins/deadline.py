"""Deadline: a pytest plugin that leaves out the tests for which no time is left, for tools/check --fast.

The environment's CHECK_UNTIL is when: seconds since 1970. A test that has begun may take as long as it likes; so those
that took long when they ran last, which pytest's cache keeps, do not begin unless there is that much time.
"""

import os
import time

import pytest

_UNTIL = float(os.environ.get("CHECK_UNTIL", "inf"))
_REASON = "no time was left"
_SLOW = "deadline/slow"  # in the cache: which tests took how many seconds
_SLOW_S = 1

_took: dict[str, float] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if time.time() + item.config.cache.get(_SLOW, {}).get(item.nodeid, 0) > _UNTIL:
        pytest.skip(_REASON)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        _took[report.nodeid] = report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        return  # one of several processes; the one that started them hears of all tests
    slow = {**session.config.cache.get(_SLOW, {}), **_took}
    session.config.cache.set(_SLOW, {test: seconds for test, seconds in slow.items() if seconds >= _SLOW_S})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = [report for report in terminalreporter.stats.get("skipped", []) if _REASON in str(report.longrepr)]
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} tests were left out: {_REASON}. tools/check runs all.")
