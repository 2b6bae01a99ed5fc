"""Tells how much processor time tests took, with all their processes: `pytest -p tests.support.processor_time`.

Wall time says little on a machine that does other things as well; this is what a change of a test saves or costs. What
runs for many tests, such as a broker, counts for those during which it worked. Two workers count apart.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

SHOWN: Final = 40
"""Tests in the list at the end: those that took most."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def used() -> float:
    """Seconds of processor time that this process has used by now, and all that it started, with what those started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + sum(map(_alive, _descendants()))


def _alive(pid: int) -> float:
    """Seconds of a running process, and of its children that have ended."""
    return sum(map(int, _fields(pid)[11:15])) / _TICKS


def _descendants() -> set[int]:
    """Running processes below this one."""
    parents = {pid: int(fields[1]) for pid in _processes() if (fields := _fields(pid))}
    found, more = {os.getpid()}, True
    while more:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        found, more = found | below, bool(below)
    return found - {os.getpid()}


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; all zero when the process has gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 15


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Measure from before the first fixture to after the last one."""
    before = used()
    result = yield
    item.config.stash.setdefault(_SPENT, {})[item.nodeid] = used() - before
    return result


_SPENT: Final = pytest.StashKey[dict[str, float]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker of pytest-xdist measured to the process that prints it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["processor_time"] = session.config.stash.get(_SPENT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it."""
    node.config.stash.setdefault(_SPENT, {}).update(node.workeroutput.get("processor_time", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what tests and files took."""
    spent = config.stash.get(_SPENT, {})
    files: Counter[str] = Counter()
    for test, seconds in spent.items():
        files[test.partition("::")[0]] += seconds  # type: ignore[assignment]
    terminalreporter.section(f"processor time: {sum(spent.values()):.0f} s")
    for name, seconds in [*files.most_common(), *Counter(spent).most_common(SHOWN)]:
        terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
