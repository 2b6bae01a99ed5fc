"""Watches processes: memory and processor time of each, and the slope of memory with its interval.

A life of a process begins with each start. The slope is one line for all lives, each with a level of its own, fitted to
means of `BIN` seconds; the interval allows for means that resemble their neighbours. A life is fitted from
`SETTLING_SECONDS` on: until then a process fills what it keeps for good (its window of events, tables with room to
grow, the copies of a version), which is no growth. A short life is fitted in its last two fifths; of several,
only those with `LEAST_SECONDS` left count.

Huge pages are off in all processes of a soak (`without_huge_pages`): the kernel makes one of a few pages that are used
and fills it with hundreds that are not, for hours. That ends where the tables end, and is no growth of what is kept.

The learner holds copies of versions to compare with, as many as the gate's decisions ask for, and tells their size
(`sluicegate_evidence_bytes`). What goes up and down with that is no slope: both time and memory are fitted to it first,
and the slope is that of what is left (Frisch and Waugh 1933). A copy that stays beyond its use is not told, and shows.
"""

from __future__ import annotations

import ctypes
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

PR_SET_THP_DISABLE: Final = 41
EVERY: Final = 1.0
BIN: Final = 5.0
SETTLING_SECONDS, SETTLING_SHARE = 300.0, 0.6
"""Of each life, its beginning is left out: so many seconds, and at most this share of it."""
LEAST_SECONDS: Final = 60.0
"""Of a life that must be left for its slope to count, if another life has as much."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE_MIB: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


def without_huge_pages() -> None:
    """Turn huge pages off in this process and in all that it starts. Raises OSError where Linux refuses."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "huge pages cannot be turned off")


class Sample(NamedTuple):
    """Moment (epoch seconds), process id, resident MiB, processor seconds since its start, MiB of copies it holds."""

    at: float
    pid: int
    mib: float
    cpu: float
    copies: float = 0.0


class Watch(threading.Thread):
    """Samples every second.

    Args:
        processes: Name -> what tells its process id at the moment, None without one.
        copies: Name -> what tells the MiB of the copies it holds, None while it does not answer: as before then.
    """

    def __init__(
        self,
        processes: Mapping[str, Callable[[], int | None]],
        copies: Mapping[str, Callable[[], float | None]] | None = None,
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._processes, self._copies = dict(processes), dict(copies or {})
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
                self.samples[name].append(found._replace(copies=self._copies_of(name, found.pid)))

    def _copies_of(self, name: str, pid: int) -> float:
        told = self._copies[name]() if name in self._copies else 0.0
        if told is not None:
            return told
        before = self.samples[name][-1:]
        return before[0].copies if before and before[0].pid == pid else 0.0

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
        """Processors that were busy on average, in all processes together."""
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
    """One slope for all lives, each with its own level, next to what goes up and down with the copies.

    The interval is the one of least squares, widened by the correlation r of neighbouring residuals as for an
    autoregressive process of order one: by sqrt((1 + r) / (1 - r)), with as many fewer degrees of freedom.

    >>> grows = [Sample(float(at), 1, 100.0 + at / 60 + 0.1 * (at % 7), 0.0) for at in range(3600)]
    >>> found = slope([grows])
    >>> abs(found.slope - 60) < 0.5 and found.low < 60 < found.high
    True
    >>> copies = [each._replace(mib=each.mib + 40 * (each.at > 2000), copies=50.0 * (each.at > 2000)) for each in grows]
    >>> abs(slope([copies]).slope - 60) < 1
    True
    """
    settled = [_settled(life) for life in lives]
    long = [life for life in settled if life[-1].at - life[0].at >= LEAST_SECONDS]
    groups = [each for each in map(_binned, long or settled) if each.shape[1] >= 3]
    if not groups:
        return Slope(math.nan, math.nan, math.nan, 0, 0.0)
    x, y, copies = (np.concatenate([each[column] - each[column].mean() for each in groups]) for column in range(3))
    copied = float(copies @ copies)
    if copied:
        x, y = (values - copies * (float(copies @ values) / copied) for values in (x, y))
    spread = float(x @ x)
    found = float(x @ y) / spread
    residuals = y - found * x
    hours = sum(float(each[0][-1] - each[0][0]) for each in groups)
    free = len(x) - len(groups) - 1 - (copied > 0)
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


def _binned(life: Sequence[Sample]) -> NDArray[np.float64]:
    """Rows of hours, MiB and MiB of copies: means of `BIN` seconds."""
    columns = np.array([(each.at / 3600, each.mib, each.copies) for each in life]).T
    numbers = ((columns[0] - columns[0][0]) * 3600 // BIN).astype(np.int64)
    return np.stack([columns[:, numbers == number].mean(axis=1) for number in np.unique(numbers)], axis=1)


def _parts(residuals: NDArray[np.float64], groups: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    return np.split(residuals, np.cumsum([each.shape[1] for each in groups])[:-1])


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
