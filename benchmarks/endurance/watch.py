"""Watches processes: memory and processor time of each, and the slope of memory with its interval.

A life of a process begins with each start. The slope is one line for all lives, each with a level of its own, fitted to
means of `BIN` seconds; the interval allows for means that resemble their neighbours. A life is fitted from
`SETTLING_SECONDS` on: until then a process fills what it keeps for good (its window of events, tables with room to
grow, the copies of a version), which is no growth. A short life is fitted in its last two fifths; of several,
only those with `LEAST_SECONDS` left count.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

EVERY: Final = 1.0
BIN: Final = 5.0
SETTLING_SECONDS, SETTLING_SHARE = 300.0, 0.6
"""Of each life, its beginning is left out: so many seconds, and at most this share of it."""
LEAST_SECONDS: Final = 60.0
"""Of a life that must be left for its slope to count, if another life has as much."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE_MIB: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


class Sample(NamedTuple):
    """Moment (epoch seconds), process id, resident MiB, processor seconds since its start."""

    at: float
    pid: int
    mib: float
    cpu: float


class Watch(threading.Thread):
    """Samples every second. `processes`: name -> what tells its process id at the moment, None without one."""

    def __init__(self, processes: Mapping[str, Callable[[], int | None]]) -> None:
        super().__init__(name="watch", daemon=True)
        self._processes = dict(processes)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.samples: dict[str, list[Sample]] = {name: [] for name in processes}
        self.machine: list[tuple[float, float]] = []
        """Moment, and seconds that all processors together were busy since the machine started."""

    def run(self) -> None:
        """The thread."""
        try:
            while not self._over.wait(EVERY):
                self._look()
        except BaseException as error:  # raised again by `finish`
            self._error = error

    def _look(self) -> None:
        self.machine.append((time.time(), _machine_busy()))
        for name, pid_of in self._processes.items():
            pid = pid_of()
            found = None if pid is None else _sample(pid)
            if found is not None:
                self.samples[name].append(found)

    def finish(self) -> None:
        """No more samples. Raises what ended the thread before its time."""
        self._over.set()
        self.join()
        if self._error is not None:
            raise self._error

    def lives(self, *names: str) -> list[list[Sample]]:
        """The samples of these processes, one list a life."""
        found: dict[int, list[Sample]] = {}
        for name in names:
            for each in list(self.samples[name]):
                found.setdefault(each.pid, []).append(each)
        return list(found.values())

    def cores(self, name: str, since: float, until: float) -> float:
        """Processor seconds a second of one process between two moments, over all its lives."""
        used = 0.0
        for life in self.lives(name):
            within = [each for each in life if since <= each.at <= until]
            if within:
                # A life that began in between is counted from its start; one that ends there, to its last sample.
                began = 0.0 if within[0] is life[0] and life[0].at > since + 2 * EVERY else within[0].cpu
                used += within[-1].cpu - began
        return used / (until - since)

    def busy(self, since: float, until: float) -> float:
        """Processors that were busy on average, whoever used them."""
        within = [each for each in list(self.machine) if since <= each[0] <= until]
        if len(within) < 2:
            return float("nan")
        return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])


class Slope(NamedTuple):
    """MiB an hour: the slope and its 95 % interval; not numbers where the lives were too short."""

    slope: float
    low: float
    high: float
    lives: int
    hours: float


def slope(lives: Sequence[Sequence[Sample]]) -> Slope:
    """One slope for all lives, each with its own level.

    The interval is the one of least squares, widened by the correlation r of neighbouring residuals as for an
    autoregressive process of order one: by sqrt((1 + r) / (1 - r)), with as many fewer degrees of freedom.

    >>> grows = [Sample(float(at), 1, 100.0 + at / 60 + 0.1 * (at % 7), 0.0) for at in range(3600)]
    >>> found = slope([grows])
    >>> abs(found.slope - 60) < 0.5 and found.low < 60 < found.high
    True
    """
    settled = [_settled(life) for life in lives]
    long = [life for life in settled if life[-1].at - life[0].at >= LEAST_SECONDS]
    groups = [(x, y) for x, y in map(_binned, long or settled) if len(x) >= 3]
    if not groups:
        return Slope(math.nan, math.nan, math.nan, 0, 0.0)
    x = np.concatenate([x - x.mean() for x, _ in groups])
    y = np.concatenate([y - y.mean() for _, y in groups])
    spread = float(x @ x)
    found = float(x @ y) / spread
    residuals = y - found * x
    hours = sum(float(x[-1] - x[0]) for x, _ in groups)
    free = len(x) - len(groups) - 1
    pairs = np.concatenate([np.stack([part[:-1], part[1:]]) for part in _parts(residuals, groups)], axis=1)
    energy = float(residuals @ residuals)
    r = min(0.95, max(0.0, float(pairs[0] @ pairs[1]) / energy)) if energy else 0.0
    # The correlation is estimated from the residuals of the fit itself, and so a little low: one more for it.
    left = max(1.0, free * (1 - r) / (1 + r) - 1)
    error = math.sqrt(energy / max(1, free) / spread * (1 + r) / (1 - r))
    half = float(stats.t.ppf(0.975, left)) * error
    return Slope(found, found - half, found + half, len(groups), hours)


def _settled(life: Sequence[Sample]) -> Sequence[Sample]:
    skipped = min(SETTLING_SECONDS, SETTLING_SHARE * (life[-1].at - life[0].at))
    return [each for each in life if each.at >= life[0].at + skipped]


def _binned(life: Sequence[Sample]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hours and MiB, means of `BIN` seconds."""
    at = np.array([each.at for each in life])
    mib = np.array([each.mib for each in life])
    numbers = ((at - at[0]) // BIN).astype(np.int64)
    used = np.unique(numbers)
    return (
        np.array([at[numbers == number].mean() for number in used]) / 3600,
        np.array([mib[numbers == number].mean() for number in used]),
    )


def _parts(
    residuals: NDArray[np.float64], groups: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> list[NDArray[np.float64]]:
    return np.split(residuals, np.cumsum([len(x) for x, _ in groups])[:-1])


def _sample(pid: int) -> Sample | None:
    """None when the process is gone or has just been killed."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, IndexError):
        return None
    if not pages:
        return None
    return Sample(time.time(), pid, pages * PAGE_MIB, (int(fields[11]) + int(fields[12])) / TICKS)


def _machine_busy() -> float:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, _ = map(int, fields)  # without idle, waiting and stolen time
    return (user + nice + system + irq + softirq) / TICKS
