"""Measures how many tested events each comparison gets in a second, from the evidence of the versions as they come."""

from __future__ import annotations

from collections import deque
from typing import Final

from models.statistics import Standing

SPAN: Final = 300.0
"""Seconds looked back: long enough for a quiet shop, short enough to follow an evening."""
SHORTEST: Final = 2.0
"""Seconds between the first and the last version below which no rate is named."""
COMPARED: Final = ("reference", "champion", "probation", "learnt")
"""Comparisons of a standing."""


class ComparedPace:
    """Remembers what each version of the last minutes had compared more than the one before.

    >>> from models.statistics import Comparison
    >>> from models.statistics.confidence import Sums
    >>> pace = ComparedPace()
    >>> for second in range(5):
    ...     pace.note(float(second), Standing(Comparison("a", hit=Sums(n=40 * second))))
    >>> pace.rates(4.0)["reference"], pace.rates(8.0)["reference"], pace.rates(1_000.0)["reference"]
    (40.0, 20.0, 0.0)

    A clock that is set back by a day begins it again:

    >>> for second in range(5, 9):
    ...     pace.note(second - 86_400.0, Standing(Comparison("a", hit=Sums(n=40 * second))))
    >>> pace.rates(8.0 - 86_400.0)["reference"]
    40.0
    """

    def __init__(self) -> None:
        self._steps: deque[tuple[float, dict[str, int]]] = deque()
        self._before: dict[str, tuple[str, str, int]] = {}

    def note(self, at: float, standing: Standing | None) -> None:
        """Take in the evidence of a version.

        Args:
            at: When it was cut, epoch seconds.
            standing: The comparisons it carries; None when it carries none.
        """
        more = {}
        for name in COMPARED:
            found = getattr(standing, name) if standing is not None else None
            if found is None:
                continue
            of, against, n = self._before.get(name, ("", "", 0))
            # A pair that is new to us may have lasted for long: how fast it was is not known.
            same = (of, against) == (found.of, found.against) and found.n >= n
            more[name] = found.n - n if same else 0
            self._before[name] = found.of, found.against, found.n
        if self._steps and at < self._steps[-1][0]:
            self._steps.clear()
        self._steps.append((at, more))
        while self._steps[0][0] < at - SPAN:
            self._steps.popleft()

    def rates(self, now: float) -> dict[str, float]:
        """Tested events a second of each comparison; empty while too few versions were seen. `now`: epoch seconds."""
        if not self._steps:
            return {}
        since = max(self._steps[0][0], now - SPAN)
        lasted = max(now, self._steps[-1][0]) - since
        if lasted < SHORTEST:
            return {}
        steps = [more for at, more in self._steps if at > since]
        return {name: sum(more.get(name, 0) for more in steps) / lasted for name in self._before}


__all__ = ["ComparedPace"]
